"""The table of stopped commands notices what is wrong with them."""

import signal
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from stop_signals import rounds, table_of, trials
from stopped_commands import MissedMoment, Trial, Workshop

_COMMAND = """
import json, subprocess, sys, time
from pathlib import Path
from adpfl_bench.stopping import Stopped, exit_status, heeding_stops

def save(status):
    Path("run/run.json").write_text(json.dumps({"status": status}, indent=2))

good, file = sys.argv[1] == "good", Path("run/rounds.csv")
file.parent.mkdir(exist_ok=True)
file.touch()
with heeding_stops():
    try:
        save("running")
        while (done := file.read_text().count("\\n")) < 4:
            with file.open("a") as rows:
                rows.write(f"{done + 1},all,val_dice,{0.5 if good or '--again' not in sys.argv else 0.6}\\n")
            time.sleep(0.3 if "--again" not in sys.argv and "whole" not in sys.argv else 0)
        save("finished")
    except Stopped as stop:
        if good:
            save("interrupted")
            sys.exit(exit_status(stop.number))
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    program = tmp_path / "program.py"
    program.write_text(_COMMAND)
    return Workshop(tmp_path, program=(sys.executable, str(program)))


@pytest.mark.parametrize(
    ("kind", "group", "cells"),
    [
        ("good", True, ("143", "interrupted", "1 round, no checkpoint", "0", "yes")),
        ("bad", False, ("0", "running", "1 round, no checkpoint", "1", "NO")),
    ],
)
def test_a_line_says_what_became_of_a_command(
    workshop: Workshop, kind: str, group: bool, cells: tuple[str, ...]
) -> None:
    trial = Trial(kind, (kind,), signal.SIGTERM, "in round 2", rounds(1), group, again=(kind, "--again"))
    assert workshop.attempt(trial).cells == cells


def test_a_command_that_ends_before_its_moment_is_no_trial(workshop: Workshop) -> None:
    trial = Trial("good", ("good", "whole"), signal.SIGTERM, "in round 9", rounds(9))
    with pytest.raises(MissedMoment, match="the moment did not come"):
        workshop.attempt(trial)


def test_a_line_of_the_table_has_every_signal() -> None:
    kept = {
        "fit  in round 3  process  SIGTERM": ["143", "interrupted", "2 rounds", "0", "yes"],
        "fit  in round 3  process  SIGKILL": ["137", "running", "2 rounds, 1 half-written", "0", "yes"],
    }
    assert table_of(kept).splitlines()[2:] == [
        "| fit | in round 3 | process | 143, interrupted |  |  | 137, running"
        " | 2 rounds / 2 rounds, 1 half-written | 0 | yes |"
    ]


def test_every_command_that_works_long_meets_every_signal() -> None:
    met = {(trial.command, trial.number) for trial in trials()}
    commands = {"fit", "fit, 2 loading", "validate", "test", "predict", "audit", "benchmark", "prepare", "report"}
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
    assert met >= {(command, number) for command in commands for number in numbers}
