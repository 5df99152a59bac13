"""Attempt at one run: of a process (``python -m adpfl_bench.grid.work PARENT RUN``), or of a job of a cluster."""

import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import AccountRefusal, BenchError
from adpfl_bench.grid.plan import GridRun, source_digests
from adpfl_bench.grid.run_files import Attempt, Outcome
from adpfl_bench.grid.run_state import failure, other_settings
from adpfl_bench.peers import PeerLost, peers
from adpfl_bench.processors import end_with
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_lock import RunIsTaken
from adpfl_bench.running.places import RunPlace, as_chosen, asked_for, found_place, joined
from adpfl_bench.shortage import shortage
from adpfl_bench.stopping import Stopped, StopSignals, heeding_stops, is_stop
from adpfl_bench.stopping import exit_status as status_of
from adpfl_bench.text import say_loading

FINISHED, FAILED, TAKEN = 0, 1, 75
"""Exit statuses; 75 is what sendmail's conventions call a temporary failure."""

_LOCK_WAIT_S = 5.0  # others take the lock for a moment to see whether it is free

Fit = Callable[[list[str]], Any]


def perform(run: GridRun, fit: Fit | None = None, stops: tuple[type[Exception], ...] = ()) -> int:
    """Make a run, or continue it from its last checkpoint; what is finished already is left alone.

    The run's lock is held meanwhile, so that no two processes make the same run, and how the attempt ended is written
    down before it is released. A process that is killed writes nothing, and by that one sees what happened.

    Args:
        run: The run.
        fit: Trains; called with a command line that starts with ``fit``.
        stops: Exceptions that break the attempt off from outside, and so are no failure of the run.

    Returns:
        The exit status: ``FINISHED``, ``FAILED``, or ``TAKEN`` if another process is at work on the run.

    Raises:
        Stopped: The attempt was stopped by a signal.
        SystemExit: A job of a cluster goes back to the queue. ``stops`` are raised too.
    """
    own = fit or _fit
    with heeding_stops() as signals:
        place = found_place()
        if place is not None and place.rank > 0:
            return _help(place, run, own)
        together = _Together(place, own)
        try:
            return _perform(run, together, signals, stops)
        finally:
            together.dismiss()


def _perform(run: GridRun, fit: Fit, signals: StopSignals, stops: tuple[type[Exception], ...]) -> int:
    try:
        status: int | None = None
        while status is None:
            with run.files.lock.held(_LOCK_WAIT_S):
                status = _attempt(run, fit, signals, stops)
        return status
    except RunIsTaken as error:
        print(f"adpfl-bench: {error}", file=sys.stderr)
        return TAKEN


class _Together:
    """Training of a run whose processes wait for the first one to say whether there is anything to train."""

    def __init__(self, place: RunPlace | None, fit: Fit) -> None:
        self._place, self._fit = place, fit

    def __call__(self, words: list[str]) -> None:
        if self._place is None:
            self._fit(words)
            return
        place, self._place = self._place, None
        with joined(place):
            peers().gather(True)
            self._fit(words)

    def dismiss(self) -> None:
        """Let the others go, where nothing was trained."""
        if self._place is not None:
            with joined(self._place):
                peers().gather(False)


def _help(place: RunPlace, run: GridRun, fit: Fit) -> int:
    """Make a run's part that is another's than the first process's, which keeps the books."""
    try:
        with joined(place):
            if peers().gather(False)[0]:
                fit(_words(run))
    except BenchError:  # the first says what was wrong, and so does what this has left for it
        return FAILED
    return FINISHED


def _words(run: GridRun) -> list[str]:
    return ["fit", *run.words, "--ckpt_path", "last"]


def _attempt(run: GridRun, fit: Fit, signals: StopSignals, stops: tuple[type[Exception], ...]) -> int | None:
    """Make one attempt; ``None`` if the folder had to be set aside for it first, with which its lock is gone."""
    record, attempts = RunDirectory(run.files.folder).find_record(), run.files.read_attempts()
    failed = failure(record, attempts) is not None
    no_room = bool(attempts) and attempts[-1].outcome == "no room"
    if (failed or no_room) and not run.retry_failed:
        return FAILED  # in another benchmark, since this one was planned
    other = other_settings(record, run.settings)
    if record is not None and record.status == "finished" and not other:
        return FINISHED
    changed = _changed_source(run)
    if failed and other and changed is None and (place := run.files.set_aside()) is not None:
        print(f"The failed run with other settings is kept in {place}.", flush=True)
        return None
    attempt = Attempt.now()
    words = _words(run)
    print(f"--- attempt {len(attempts) + 1}, {attempt.started}: adpfl-bench {shlex.join(words)}", flush=True)
    obstacle = changed or (f"its folder now holds another run: {other}" if other else None)
    if obstacle is not None:
        text = f"The run was not started, since {obstacle}; start the benchmark again, which then plans with that."
        return _end(run, attempt.end("refused", text))
    try:
        run.files.write_attempt(attempt)
        fit(words)
        _check_finished(run)
    except BaseException as error:
        if is_stop(error) or isinstance(error, stops):
            with signals.quiet():
                run.files.write_attempt(attempt.end("interrupted"))
            if signals.came is not None:  # which may come out as anything, of an import that was broken off say
                raise Stopped(signals.came) from error
            raise
        short = shortage(error)
        if isinstance(error, PeerLost):
            outcome: Outcome = "out of memory" if short or not error.said else "failed"
            return _end(run, attempt.end(outcome, short or error.why or str(error)))
        if isinstance(error, AccountRefusal):
            return _end(run, attempt.end("no room", str(error)))
        if isinstance(error, BenchError):
            return _end(run, attempt.end("failed", str(error)))
        if short is not None:
            return _end(run, attempt.end("out of memory", short))
        traceback.print_exc()
        return _end(run, attempt.end("failed", f"{type(error).__name__}: {error}"))
    run.files.write_attempt(attempt.end("finished"))
    return FINISHED


def _changed_source(run: GridRun) -> str | None:
    try:
        now = source_digests(run.words)
    except BenchError as error:
        return str(error).rstrip(".")
    changed = [file for file, digest in now.items() if run.sources.get(file) != digest]
    return f"{changed[0]} has changed" if changed else None


def _check_finished(run: GridRun) -> None:
    record = RunDirectory(run.files.folder).read_record()
    if record.status != "finished":
        raise BenchError(f"The run came to its end as {record.status}, and not as finished.")
    if other := other_settings(record, run.settings):
        raise BenchError(f"The run was made with other settings than planned: {other}.")


def _end(run: GridRun, attempt: Attempt) -> int:
    print(f"adpfl-bench: {attempt.error}", file=sys.stderr, flush=True)
    run.files.write_attempt(attempt)
    return FAILED


def _fit(words: Sequence[str]) -> None:
    say_loading("fit")
    from adpfl_bench.running import training  # deferred: importing torch and Lightning takes seconds

    line = settle(words[1:])
    training.run(as_chosen(line, words) if asked_for(line).chosen else list(words))


def exit_status(run: GridRun, fit: Fit | None = None) -> int:
    """As :func:`perform`, with an exit status in place of a stop or of an error in keeping the records."""
    try:
        return perform(run, fit)
    except Stopped as stop:
        return status_of(stop.number)
    except BenchError as error:
        print(f"adpfl-bench: {error}", file=sys.stderr)
        return FAILED


def main(arguments: list[str], fit: Fit | None = None) -> int:
    """Make the run that the command line gives, and end with the benchmark that asked for it.

    Args:
        arguments: The benchmark's process id, and the run as JSON.
        fit: Trains, in place of the command fit.
    """
    parent, run = arguments
    end_with(int(parent))
    with heeding_stops():
        return exit_status(GridRun.from_json(run), fit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
