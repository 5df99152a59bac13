"""What a benchmark shows, and how long it thinks that it takes."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from adpfl_bench.grid.display import (
    LineDisplay,
    TableDisplay,
    TimeEstimate,
    duration,
    make_display,
    plan_table,
    plan_text,
    progress_table,
    summary,
)
from adpfl_bench.grid.run_state import Status, TrackedRun
from tests.grid.fakes import planned


def tracked(status: Status, method: str = "a", rounds: int = 0, seconds: float = 0.0, **more: object) -> TrackedRun:
    run = planned(Path("out"), method=method, rounds=more.pop("of", 10))
    return TrackedRun(run, status, rounds, seconds, **more)


def shown(item: object, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(item)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7629, "2 h 07 min"),
        (90000, "1 d 01 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_time_is_that_of_the_method_else_of_the_task_by_rounds_else_of_the_run_itself() -> None:
    waiting = tracked("waiting", "a")
    assert TimeEstimate([]).left(waiting) is None
    assert TimeEstimate([]).left(tracked("running", "a", 2, 8.0)) == 32.0
    finished = [tracked("finished", "b", 5, 10.0, of=5)]
    assert TimeEstimate(finished).left(waiting) == 20.0
    estimate = TimeEstimate([*finished, *(tracked("finished", "a", 4, seconds, of=4) for seconds in (12.0, 20.0))])
    assert estimate.left(waiting) == 40.0
    assert estimate.left(tracked("running", "a", 7)) == 12.0
    assert estimate.left(tracked("waiting", "c", of=3)) == pytest.approx((2 + 3 + 5) / 3 * 3)
    assert estimate.left(TrackedRun(planned(Path(), task="brats", method="a"))) is None


def test_total_time_goes_by_the_room_and_the_longest_run() -> None:
    def total(slots: int, *seconds: float | None) -> str:
        """Of runs that take so long, each known from its own first half; unknown ones, of another task, wait."""
        other = TrackedRun(planned(Path("out"), task="kits", method="a"), "waiting")
        runs = [other if s is None else tracked("running", rounds=5, seconds=s) for s in seconds]
        return TimeEstimate(runs).total(slots)

    assert total(2, 10, 20, 30) == "about 30 s"
    assert total(2, 10, 10, 10, 10) == "about 20 s"
    assert total(2, 10, 10, 50) == "about 50 s"
    assert total(1, 60, 60) == "about 2 min 00 s"
    assert total(1, 10, None) == "about 10 s and 1 unknown run"
    assert total(1, 60, None, None) == "about 1 min 00 s and 2 unknown runs"
    assert total(1, None) == "unknown"
    assert total(3) == "0 s"


def test_what_waits_is_guessed_from_what_goes_on_until_a_run_of_its_task_is_finished() -> None:
    runs = [tracked("running", "a", 5, 20.0), tracked("waiting", "b"), tracked("waiting", "c")]
    assert TimeEstimate(runs).left(runs[1]) == 40.0
    assert TimeEstimate(runs).total(1) == "about 1 min 40 s"
    assert TimeEstimate([*runs, tracked("finished", "d", 10, 10.0)]).left(runs[1]) == 10.0
    waiting = [tracked("waiting", name) for name in "bc"]
    assert TimeEstimate([tracked("running", "a"), *waiting]).total(1) == "unknown"


@pytest.mark.parametrize("rounds", [0, 9])
def test_the_line_below_the_table_fits_eighty_columns(rounds: int) -> None:
    other = [TrackedRun(planned(Path("out"), task="kits", method=name), "waiting") for name in "ab"]
    lines = shown(progress_table([tracked("running", "a", rounds, 765.0), *other], 1, rows=10), width=80).splitlines()
    assert lines[-1].startswith("3 runs: 1 running, 2 waiting; time left")


def test_table_shows_each_run_with_what_needs_attention_first() -> None:
    runs = [
        tracked("finished", "a", 10, 50.0, dice=0.81234),
        tracked("waiting", "b"),
        tracked("running", "c", 4, 8.0, dice=0.5),
        tracked("failed", "d", 1),
    ]
    lines = [" ".join(line.split()) for line in shown(progress_table(runs, 2, rows=10)).splitlines() if line.strip()]
    assert lines[0] == "task method seed state round time left val. Dice %"
    assert lines[2:] == [
        "isic c 0 running 4/10 30 s 50.00",
        "isic d 0 failed 1/10 – –",  # noqa: RUF001 - as tables are set
        "isic b 0 waiting 0/10 50 s –",  # noqa: RUF001
        "isic a 0 finished 10/10 – 81.23",  # noqa: RUF001
        "4 runs: 1 running, 1 failed, 1 waiting, 1 finished; time left about 50 s",
    ]


def test_table_that_is_too_long_counts_the_rest() -> None:
    runs = [tracked("waiting", f"m{number}") for number in range(30)] + [tracked("running", "r")]
    text = shown(progress_table(runs, 1, rows=5))
    assert text.count("isic") == 5
    assert "running" in text
    assert "and 26 waiting more" in text


def test_plan_states_each_run_and_its_time() -> None:
    runs = [tracked("finished", "a", 10, 50.0), tracked("waiting", "a", 2), tracked("failed", "b")]
    lines = [
        " ".join(line.split())
        for line in shown(plan_table(runs, ["finished", "resumable", "failed: why"])).splitlines()
    ]
    assert "isic a 0 resumable 2/10 40 s" in lines
    assert "isic b 0 failed: why 0/10 –" in lines  # noqa: RUF001
    assert plan_text(runs, 2) == "1 of 3 runs to make, 2 at a time; time: about 40 s."


def test_lines_count_what_is_done_and_give_score_and_time() -> None:
    console = Console(file=io.StringIO(), width=40)
    display = LineDisplay(console)
    runs = [tracked("finished", "a", 10, 50.0, dice=0.8), tracked("running", "b", 3)]
    display.refresh(runs)
    display.changed(runs[0], "finished")
    display.changed(runs[1], "running")
    assert console.file.getvalue().splitlines() == [
        "[1/2] isic/a/seed0 finished in 50 s, validation Dice 80.00 %",
        "[1/2] isic/b/seed0 running from round 4 of 10",
    ]


def test_terminal_gets_a_table_and_a_pipe_gets_lines() -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, height=20)
    with make_display(terminal, 1) as display:
        assert isinstance(display, TableDisplay)
        run = tracked("broken off", "a", reason="why")
        display.changed(run, "broken off: why")
        display.refresh([run])
        display.refresh([run])
    text = terminal.file.getvalue()
    assert "isic/a/seed0 broken off: why" in text
    assert "time left" in text
    with make_display(Console(file=io.StringIO()), 1) as display:
        assert isinstance(display, LineDisplay)


def test_summary_lists_failures_with_error_and_the_end_of_the_log(tmp_path: Path) -> None:
    failed = TrackedRun(planned(tmp_path, method="a"), "failed", reason="ValueError: one")
    failed.run.files.log.parent.mkdir(parents=True)
    failed.run.files.log.write_text("".join(f"line {number}\n" for number in range(20)))
    silent = TrackedRun(planned(tmp_path, method="b"), "broken off", reason="interrupted", kills=1)
    silent.run.files.log.parent.mkdir(parents=True)
    silent.run.files.log.write_text("nothing of interest\n")
    text = summary([failed, silent, tracked("finished")])
    assert text.startswith("3 runs: 1 failed, 1 broken off, 1 finished.")
    assert "isic/a/seed0 failed: ValueError: one" in text
    assert f"the end of {failed.run.files.log}:" in text
    assert "    line 19" in text
    assert "line 11\n" not in text
    assert "isic/b/seed0 broken off: interrupted" in text
    assert "nothing of interest" not in text
    assert "unless --retry_failed says so" in text
    assert summary([tracked("finished")]) == "1 run: 1 finished."
