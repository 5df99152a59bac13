"""Commands that are stopped by a signal at a stated moment, and what becomes of them, for :mod:`stop_signals`.

Most are forked from this process, which has imported what they need, so that they start in no time; what they start
themselves, runs of a benchmark and loading processes, is real. A moment is looked for in what a command prints and
writes, or, where it lasts too short for that, arranged: the command waits before a file operation for the signal.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from forked_command import Before, heed, readable, start_forked, waiting
from stop_remains import contents, leavings, living, statuses

PROGRAM = (sys.executable, "-c", "import sys; from adpfl_bench.cli import main; sys.exit(main())")
MARK = "ADPFL_STOP_TRIAL"
_START_S, _END_S, _LEFT_S, _KILLED_LEFT_S = 100.0, 100.0, 1.0, 6.0
_SAME = {None: "–", True: "yes", False: "NO"}  # noqa: RUF001 - as tables are set

Moment = Callable[[Path], bool]


@dataclass(frozen=True)
class Trial:
    """A command, and the signal that stops it.

    Attributes:
        command: What the table calls it.
        words: The command line.
        number: The signal.
        at: What the table calls the moment.
        moment: Whether it has come, given the trial's folder; or before what it is.
        group: Whether the command's whole group is sent the signal.
        before: A command line that must have ended before; its folder is copied.
        again: The command line that continues; none where that is not possible.
        fork: Whether it is forked from this process, or a new one.
        anew: Whether ``again`` begins anew: epsilon by round then counts what was spent before, and is not compared.
    """

    command: str
    words: tuple[str, ...]
    number: signal.Signals
    at: str
    moment: Moment | Before
    group: bool = False
    before: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    fork: bool = False
    anew: bool = False

    @property
    def target(self) -> str:
        """Whom the signal is sent to."""
        return "group" if self.group else "process"


class MissedMoment(SystemExit):
    """The moment of a trial passed unseen, as a short one may."""


class Outcome(NamedTuple):
    """What became of a trial.

    Attributes:
        status: Exit status, as a shell has it.
        record: Status that the runs' records state.
        folder: What the runs' folders hold.
        left: Processes that the command left behind.
        same: Whether, continued, it ended with the same bits.
    """

    status: int
    record: str
    folder: str
    left: int
    same: bool | None

    @property
    def cells(self) -> tuple[str, ...]:
        """Return it as cells of a table."""
        return str(self.status), self.record, self.folder, str(self.left), _SAME[self.same]


class Started(NamedTuple):
    """A process of a command, which leads a group of its own."""

    number: int
    wait: Callable[[float], int | None]
    ready: int
    go: int


@dataclass
class Workshop:
    """Where trials are made.

    Args:
        folder: Folder of all trials.
        files: Files that each trial finds in its own folder, by name.
        program: The command, without its words, where it is not forked.
    """

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = PROGRAM
    _whole: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def whole(self, words: tuple[str, ...], before: tuple[str, ...] = (), fork: bool = False) -> Path:
        """Return the folder of a command that was never stopped; it is made once."""
        if words not in self._whole:
            folder = self._new(before, fork)
            if self._start(words, folder, fork).wait(3 * _END_S):
                raise SystemExit(f"{words} failed by itself:\n{(folder / 'printed').read_text()}")
            self._whole[words] = folder
        return self._whole[words]

    def attempt(self, trial: Trial, times: int = 1) -> Outcome:
        """Stop a command, and continue it.

        Args:
            trial: What to do.
            times: How often to try, where the moment is missed.

        Raises:
            MissedMoment: It was missed each time.
        """
        for _ in range(times - 1):
            with suppress(MissedMoment):
                return self._attempt(trial)
        return self._attempt(trial)

    def _attempt(self, trial: Trial) -> Outcome:
        whole = self.whole(trial.words, trial.before, trial.fork) if trial.again else None
        folder, mark = self._new(trial.before, trial.fork), uuid.uuid4().hex
        arranged = trial.moment if isinstance(trial.moment, Before) else None
        process = self._start(trial.words, folder, trial.fork, mark, arranged)
        deadline = time.monotonic() + _START_S
        while not (readable(process.ready) if isinstance(trial.moment, Before) else trial.moment(folder)):
            if process.wait(0) is not None or time.monotonic() > deadline:
                raise MissedMoment(f"{trial}: the moment did not come:\n{(folder / 'printed').read_text()}")
            time.sleep(0.002)
        if process.wait(0) is not None:
            raise MissedMoment(f"{trial}: it ended before the signal:\n{(folder / 'printed').read_text()}")
        (os.killpg if trial.group else os.kill)(process.number, trial.number)
        time.sleep(0.05)
        os.close(process.go)
        status = process.wait(_END_S)
        os.close(process.ready)
        if status is None:
            os.killpg(process.number, signal.SIGKILL)
            raise SystemExit(f"{trial}: it did not end:\n{(folder / 'printed').read_text()}")
        left = self._left(process.number, mark, _KILLED_LEFT_S if trial.number == signal.SIGKILL else _LEFT_S)
        record, found = statuses(folder), leavings(folder)
        same = None
        if whole is not None:
            again = self._start(trial.again, folder, trial.fork).wait(3 * _END_S)
            same = again == 0 and contents(folder, not trial.anew) == contents(whole, not trial.anew)
            if not same:
                print(f"{trial.command}: kept in {folder}, not as {whole}", file=sys.stderr)
        for number in left:
            os.kill(number, signal.SIGKILL)
        if same is not False:
            shutil.rmtree(folder, ignore_errors=True)  # what is left of a killed command may still write
        return Outcome(128 - status if status < 0 else status, record, found, len(left), same)

    def _left(self, group: int, mark: str, seconds: float) -> list[int]:
        deadline = time.monotonic() + seconds
        while (left := living(group, f"{MARK}={mark}")) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left

    def _new(self, before: tuple[str, ...], fork: bool) -> Path:
        folder = self.folder / uuid.uuid4().hex[:8]
        if before:
            shutil.copytree(self.whole(before, fork=fork), folder)
        else:
            folder.mkdir()
        for name, text in self.files.items():
            (folder / name).write_text(text)
        (folder / "printed").write_bytes(b"")  # not of what was copied
        return folder

    def _start(
        self, words: Sequence[str], folder: Path, fork: bool, mark: str = "", at: Before | None = None
    ) -> Started:
        (ready, tell), (hear, go) = os.pipe(), os.pipe()
        environment = {
            **os.environ,
            MARK: mark,
            "PYTHONUNBUFFERED": "1",
            "ADPFL_CACHE": str(self.folder / "cache"),
        }
        with (folder / "printed").open("ab") as printed:
            if fork:
                number = start_forked(words, folder, environment, printed.fileno(), at, tell, hear, (ready, go))
                wait = waiting(number)
            else:
                process = subprocess.Popen(
                    [*self.program, *words],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=heed,
                )
                number, wait = process.pid, _asking(process)
        os.close(tell)
        os.close(hear)
        return Started(number, wait, ready, go)


def _asking(process: subprocess.Popen[bytes]) -> Callable[[float], int | None]:
    def wait(seconds: float) -> int | None:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    return wait
