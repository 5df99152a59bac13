"""Which runs start when, and what becomes of each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adpfl_bench.errors import BenchError
from adpfl_bench.grid.display import summary
from adpfl_bench.grid.engine import Ended, Engine, Job
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.run_files import Attempt
from adpfl_bench.grid.run_state import TrackedRun, inspect_run
from adpfl_bench.grid.scheduler import Scheduler
from adpfl_bench.grid.work import FAILED, TAKEN, exit_status
from adpfl_bench.records.run_directory import RunDirectory
from tests.grid.fake_worker import fit
from tests.grid.fakes import EndedJob, InProcessEngine, planned

KILLED = Ended(None, "killed by SIGKILL")


class Changes:
    """Notes what the scheduler says."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.refreshed = 0

    def changed(self, tracked: TrackedRun, text: str) -> None:
        self.lines.append(f"{tracked.run.name} {text}")

    def refresh(self, runs: Sequence[TrackedRun]) -> None:
        self.refreshed += 1


class ScriptedEngine(Engine):
    """Does with each start of a run what a script says next; ``None`` is to make the run."""

    def __init__(self, slots: int = 1, **scripts: list[Ended | None]) -> None:
        self.slots, self.scripts = slots, scripts
        self.started: list[str] = []
        self.going: set[int] = set()
        self.most = 0

    def start(self, run: GridRun, slot: int) -> Job:
        assert slot not in self.going
        self.started.append(run.name)
        self.going.add(slot)
        self.most = max(self.most, len(self.going))
        method = run.name.split("/")[1]
        script = self.scripts.get(method) or [None]
        ended = script.pop(0)
        return PolledTwice(self, slot, ended or Ended(exit_status(run, fit), "ended"))


class PolledTwice(Job):
    """A job that has ended when it is looked at for the second time."""

    def __init__(self, engine: ScriptedEngine, slot: int, ended: Ended) -> None:
        self.engine, self.slot, self.ended, self.polls = engine, slot, ended, 0

    def poll(self) -> Ended | None:
        self.polls += 1
        if self.polls < 2:
            return None
        self.engine.going.discard(self.slot)
        return self.ended

    def interrupt(self) -> None:
        raise AssertionError("not told to")

    kill = interrupt


def schedule(
    runs: Sequence[GridRun], engine: Engine, retry_failed: bool = False
) -> tuple[dict[str, TrackedRun], Changes]:
    changes = Changes()
    runs = [replace(run, retry_failed=retry_failed) for run in runs]
    tracked = [TrackedRun.of(run, inspect_run(run)) for run in runs]
    Scheduler(tracked, engine, changes, pause=0.001).run()
    return {entry.run.method: entry for entry in tracked}, changes


def some(folder: Path, *methods: str, **behaviours: str) -> list[GridRun]:
    return [planned(folder, behaviours.get(method, "train"), method=method) for method in methods]


def attempts(run: GridRun) -> int:
    return len(run.files.read_attempts())


def test_runs_start_in_order_and_never_more_than_there_is_room_for(tmp_path: Path) -> None:
    runs = some(tmp_path, *"abcdefg")
    engine = ScriptedEngine(slots=3)
    found, changes = schedule(runs, engine)
    assert engine.started == [run.name for run in runs]
    assert engine.most == 3
    assert {entry.status for entry in found.values()} == {"finished"}
    assert found["a"].rounds == 3
    assert found["a"].seconds == 6.0
    assert found["a"].dice == pytest.approx(0.7)
    assert changes.lines[:3] == [f"isic/{method}/seed0 running" for method in "abc"]
    assert changes.refreshed > 3


def test_failures_do_not_stop_the_others_and_are_not_retried(tmp_path: Path) -> None:
    runs = some(tmp_path, *"abcd", b="raise", c="refuse")
    found, _ = schedule(runs, InProcessEngine())
    assert [found[method].status for method in "abcd"] == ["finished", "failed", "failed", "finished"]
    assert (found["b"].reason, found["c"].reason) == ("ValueError: one", "The partition needs 4 clients.")
    assert [attempts(run) for run in runs] == [1, 1, 1, 1]


def test_second_benchmark_makes_only_what_is_missing(tmp_path: Path) -> None:
    runs = some(tmp_path, *"abc", b="raise")
    schedule(runs[:2], InProcessEngine())
    engine = InProcessEngine()
    found, _ = schedule(runs, engine)
    assert engine.started == ["isic/c/seed0"]
    assert [found[method].status for method in "abc"] == ["finished", "failed", "finished"]
    again = InProcessEngine()
    found, _ = schedule(runs, again, retry_failed=True)
    assert again.started == ["isic/b/seed0"]
    assert (found["b"].status, attempts(runs[1])) == ("failed", 2)


def test_killed_run_goes_on_once(tmp_path: Path) -> None:
    runs = some(tmp_path, "a", "b")
    engine = ScriptedEngine(a=[KILLED, None])
    found, changes = schedule(runs, engine)
    assert engine.started == ["isic/a/seed0", "isic/a/seed0", "isic/b/seed0"]
    assert (found["a"].status, found["a"].kills) == ("finished", 1)
    assert "isic/a/seed0 killed by SIGKILL in its first round, goes on from its checkpoint" in changes.lines


def test_run_for_which_memory_was_short_goes_on_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = some(tmp_path, "a", "b", a="starve once", b="starve")
    engine = InProcessEngine()
    found, changes = schedule(runs, engine)
    assert engine.started == [f"isic/{method}/seed0" for method in "aabb"]
    assert (found["a"].status, found["b"].status) == ("finished", "broken off")
    assert "isic/a/seed0 out of memory after round 1, goes on from its checkpoint" in changes.lines
    assert found["b"].reason == "out of memory in its first round, for the second time; it can be continued"
    errors = capsys.readouterr().err
    assert "adpfl-bench: A process that loads data was ended by the system, as it does when memory runs out" in errors
    assert "Traceback" not in errors
    assert schedule(runs, InProcessEngine())[0]["b"].kills == 2  # it is tried again, as killed ones are


def test_run_that_is_killed_twice_is_broken_off_and_can_be_continued(tmp_path: Path) -> None:
    runs = some(tmp_path, "a", "b")
    found, _ = schedule(runs, ScriptedEngine(a=[KILLED, KILLED]))
    assert (found["a"].status, found["b"].status) == ("broken off", "finished")
    assert found["a"].reason == "killed by SIGKILL in its first round, for the second time; it can be continued"
    assert schedule(runs, InProcessEngine())[0]["a"].status == "finished"


def test_run_that_was_killed_while_it_was_tried_again_goes_on(tmp_path: Path) -> None:
    (run,) = some(tmp_path, "a", a="raise")
    schedule([run], InProcessEngine())
    engine = ScriptedEngine(a=[KILLED, None])
    found, _ = schedule([run], engine, retry_failed=True)
    assert len(engine.started) == 2
    assert (found["a"].status, found["a"].reason) == ("failed", "ValueError: one")


def test_interrupt_of_a_run_alone_counts_as_a_kill(tmp_path: Path) -> None:
    (run,) = some(tmp_path, "a")

    class Interrupting(ScriptedEngine):
        def start(self, run: GridRun, slot: int) -> Job:
            if not self.started:
                run.files.write_attempt(Attempt.now().end("interrupted"))
                self.started.append(run.name)
                return EndedJob(Ended(130, "ended with exit status 130"))
            return super().start(run, slot)

    found, changes = schedule([run], Interrupting())
    assert (found["a"].status, found["a"].kills) == ("finished", 1)
    assert "interrupted in its first round, goes on from its checkpoint" in changes.lines[1]


def test_process_that_ends_without_a_word_has_failed(tmp_path: Path) -> None:
    found, _ = schedule(some(tmp_path, "a"), ScriptedEngine(a=[Ended(FAILED, "ended with exit status 1")]))
    assert (found["a"].status, found["a"].reason) == ("failed", "ended with exit status 1 without saying why")


def test_run_that_cannot_be_started_has_failed(tmp_path: Path) -> None:
    class Refusing(InProcessEngine):
        def start(self, run: GridRun, slot: int) -> Job:
            if "/a/" in run.name:
                raise BenchError("the queue is closed.")
            return super().start(run, slot)

    found, _ = schedule(some(tmp_path, "a", "b"), Refusing())
    assert (found["a"].status, found["a"].reason) == ("failed", "it could not be started: the queue is closed.")
    assert found["b"].status == "finished"


class Meanwhile(InProcessEngine):
    """Does something when the first run has been made."""

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__()
        self.do = do

    def start(self, run: GridRun, slot: int) -> Job:
        job = super().start(run, slot)
        if len(self.started) == 1:
            self.do()
        return job


def test_run_that_another_benchmark_has_made_since_is_not_made_again(tmp_path: Path) -> None:
    runs = some(tmp_path, *"abc", c="raise")
    others = runs[1:]
    engine = Meanwhile(lambda: [exit_status(run, fit) for run in others])
    found, _ = schedule(runs, engine)
    assert engine.started == ["isic/a/seed0"]
    assert [found[method].status for method in "abc"] == ["finished", "finished", "failed"]
    assert [attempts(run) for run in runs] == [1, 1, 1]


@pytest.mark.parametrize("ending", ["finished", "failed", "killed"])
def test_run_that_another_process_makes_is_waited_for(tmp_path: Path, ending: str) -> None:
    runs = some(tmp_path, "a", "b", a="raise" if ending == "failed" else "train")
    lock = runs[0].files.lock.held()
    lock.__enter__()
    states = []

    def end() -> None:
        states.append(inspect_run(runs[0]).stage)
        lock.__exit__(None, None, None)
        if ending != "killed":
            exit_status(runs[0], fit)

    engine = Meanwhile(end)
    found, changes = schedule(runs, engine)
    assert states == ["taken"]
    taken_over = ["isic/a/seed0"] if ending == "killed" else []
    assert engine.started == ["isic/b/seed0", *taken_over]
    assert found["a"].status == ("failed" if ending == "failed" else "finished")
    assert any(line.startswith("isic/a/seed0 is free again") for line in changes.lines) == (ending == "killed")
    assert attempts(runs[0]) == 1


def test_run_that_turns_out_to_be_taken_is_waited_for(tmp_path: Path) -> None:
    (run,) = some(tmp_path, "a")
    engine = ScriptedEngine(a=[Ended(TAKEN, "ended with exit status 75"), None])
    found, _ = schedule([run], engine)
    assert (len(engine.started), found["a"].status, found["a"].kills) == (2, "finished", 0)


def test_lock_that_outlives_its_process_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    (run,) = some(tmp_path, "a")

    class Lingering(ScriptedEngine):
        def start(self, run: GridRun, slot: int) -> Job:
            if self.started:
                return super().start(run, slot)
            self.started.append(run.name)
            self.lock = run.files.lock.held()
            self.lock.__enter__()
            return EndedJob(KILLED)

    class Watching(Changes):
        def changed(self, tracked: TrackedRun, text: str) -> None:
            super().changed(tracked, text)
            if tracked.status == "taken":
                engine.lock.__exit__(None, None, None)

    engine, changes = Lingering(), Watching()
    tracked = TrackedRun.of(run, inspect_run(run))
    Scheduler([tracked], engine, changes, pause=0.001).run()
    assert (tracked.status, tracked.kills) == ("finished", 1)  # it is known that it was killed


def test_refused_attempt_is_reported_as_such(tmp_path: Path) -> None:
    (run,) = some(tmp_path, "a")
    changed = GridRun(**{**vars(run), "sources": {**run.sources, "callbacks/adp_fl.yaml": "0"}})
    found, _ = schedule([changed], InProcessEngine())
    assert found["a"].status == "failed"
    assert "callbacks/adp_fl.yaml has changed" in found["a"].reason
    assert inspect_run(run).stage == "resumable"


def test_numbers_follow_what_the_run_writes(tmp_path: Path) -> None:
    (run,) = some(tmp_path, "a")
    tracked = TrackedRun.of(run, inspect_run(run))
    assert (tracked.rounds, tracked.dice) == (0, None)
    exit_status(run, fit)
    tracked.look()
    assert (tracked.rounds, tracked.dice) == (3, pytest.approx(0.7))
    directory = RunDirectory(run.files.folder)
    directory.rounds_file.write_text("round,client,name,value\n1,all,val_dice,nan\n")
    tracked.look()
    assert tracked.dice is None
    directory.rounds_file.write_text("odd\n1\n")
    tracked.look()  # what cannot be read is the run's to complain of
    assert tracked.rounds == 3


def test_run_without_room_in_its_account_is_a_state_and_not_tried_again_by_itself(tmp_path: Path) -> None:
    runs = [planned(tmp_path, "no room", method="a"), planned(tmp_path, method="b")]
    found, changes = schedule(runs, InProcessEngine())
    assert {name: tracked.status for name, tracked in found.items()} == {"a": "no room", "b": "finished"}
    assert "isic/a/seed0 no room: The account has no room for this run." in changes.lines
    again = InProcessEngine()
    found, _ = schedule(runs, again)
    assert (found["a"].status, again.started) == ("no room", [])
    assert exit_status(runs[0], fit) == FAILED
    assert [attempt.outcome for attempt in runs[0].files.read_attempts()] == ["no room"]
    assert "1 no room" in summary(list(found.values()))
    assert "isic/a/seed0 no room: The account has no room" in summary(list(found.values()))


@pytest.mark.parametrize("room", [False, True])
def test_run_without_room_asks_once_more_where_that_is_wanted(tmp_path: Path, room: bool) -> None:
    run = planned(tmp_path, "no room")
    schedule([run], InProcessEngine())
    run.files.folder.parent.mkdir(parents=True, exist_ok=True)
    if room:
        (run.files.folder.parent / "more").touch()
    engine = InProcessEngine()
    found, _ = schedule([run], engine, retry_failed=True)
    assert len(engine.started) == 1
    assert found["fedavg"].status == ("finished" if room else "no room")
