"""What becomes of commands that are stopped by signals.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/stop_signals.py
    ... --keep stops.jsonl --only fit,audit --signals SIGTERM,SIGKILL --seconds 150    in parts; the same goes on

Each line of the table is a command at a moment; a cell says exit status and the status of the run's record after each
signal, which goes to the process alone, or to its whole group, as a terminal and Slurm send it. *folder* is what is on
disk then. *left* are processes of the command that still live a second after it has ended (six after SIGKILL, which
loading processes notice by themselves). *same bits*: continued, it ends with the same weights, tables and files as one
that was never stopped; an audit is begun anew, and its epsilon by round, which counts what was spent before, left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from stopped_commands import Before, Moment, Outcome, Trial, Workshop

_ROUNDS = 4
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
_SMOKE = ("--config", "configs/smoke.yaml", "--data.phantom_directory=../phantoms", f"--federated.rounds={_ROUNDS}")
_RUN = ("--config", "tasks/isic.yaml", "--config", "callbacks/adp_fl.yaml", *_SMOKE)
_FIT = ("fit", *_RUN)
_AUDIT = (
    *("audit", "--config", "tasks/isic.yaml", "--config", "callbacks/dp_fl_record.yaml", *_SMOKE),
    "--audit.canaries=30",
)
_BENCHMARK = ("benchmark", "--config", "grid.yaml", "--jobs=2")
_GRID = {
    "tasks": ["tasks/isic.yaml"],
    "methods": ["callbacks/fedavg.yaml", "callbacks/dp_fl.yaml"],
    "seeds": [0],
    "configs": ["configs/smoke.yaml"],
    "overrides": {"data.phantom_directory": "../phantoms", "federated.rounds": 3 * _ROUNDS},
    "output": "out",
}
_RECORD, _PICTURE, _CHECKPOINT = r"/run\.json$", r"\.jpg$", r"/last\.ckpt$"
_FINISHED = '"status": "finished"'


def printed(text: str) -> Moment:
    """Moment at which a command has printed something."""
    return lambda folder: text in (folder / "printed").read_text(errors="replace")


def rounds(number: int, runs: int = 1) -> Moment:
    """Moment at which some runs have recorded a number of rounds."""

    def come(folder: Path) -> bool:
        tables = [path.read_text().rsplit("\n", 2) for path in folder.rglob("rounds.csv")]
        done = [table[-2].partition(",")[0] for table in tables if len(table) > 1]
        return sum(entry.isdigit() and int(entry) >= number for entry in done) >= runs

    return come


def status(name: str, runs: int = 1) -> Moment:
    """Moment at which the records of some runs have a status."""
    return lambda folder: sum(f'"status": "{name}"' in path.read_text() for path in folder.rglob("run.json")) >= runs


def after(seconds: float) -> Moment:
    """Moment some seconds after the command's start."""
    return lambda folder: time.time() - (folder / "printed").stat().st_mtime >= seconds


LOADING = printed("loading PyTorch")
_SAID = "while it loads"


def trials() -> Iterator[Trial]:
    """Every command at each of its moments, with every signal."""
    for number in _SIGNALS:
        yield from _of_fit(number)
        yield from _of_scoring(number)
        yield from _of_audit(number)
        yield from _of_benchmark(number)
        yield Trial("prepare", ("prepare", "lgg", "--root", "nowhere"), number, _SAID, LOADING)
        yield Trial("privacy", ("privacy", *_RUN), number, _SAID, LOADING)
        yield Trial("report", ("report", "runs"), number, "after a second", after(1.0), before=_FIT)


def _of_fit(number: signal.Signals) -> Iterator[Trial]:
    again = (*_FIT, "--ckpt_path=last")
    yield Trial("fit", _FIT, number, _SAID, LOADING, again=again)
    moments: dict[str, Moment | Before] = {
        "before its record": Before("os.rename", _RECORD),
        "in round 1": status("running"),
        "in round 3": rounds(2),
        "before the lines of round 3": Before("open", r"/rounds\.csv$", 3),
        "before the checkpoint of round 3": Before("os.rename", _CHECKPOINT, 3),
        "before scoring": status("trained"),
        "while scoring": Before("open", _PICTURE, 3, '"status": "trained"'),
        "before the scores are there": Before("os.rename", r"/cases\.csv$", 1),
        "before it is finished": Before("os.rename", _RECORD, 1, _FINISHED),
    }
    for at, moment in moments.items():
        yield Trial("fit", _FIT, number, at, moment, again=again, fork=True)
    loading, on = (*_FIT, "--data.num_workers=2"), (*again, "--data.num_workers=2")
    for group in (False, True):
        yield Trial("fit, 2 loading", loading, number, "in round 3", rounds(2), group, again=on, fork=True)
    yield Trial("fit, 2 loading", loading, number, "before scoring", status("trained"), True, again=on, fork=True)


def _of_scoring(number: signal.Signals) -> Iterator[Trial]:
    for command in ("validate", "test", "predict"):
        words = (command, *_RUN)
        moments = {
            "before scoring": Before("open", _CHECKPOINT),
            "while scoring": Before("open", _PICTURE, 3),
        }
        if command == "predict":
            moments["before a mask is there"] = Before("open", r"\.png$", 3)
        else:
            moments["before the scores are there"] = Before("os.rename", r"/cases\.csv$")
            moments["before its record"] = Before("os.rename", _RECORD)
        for at, moment in moments.items():
            yield Trial(command, words, number, at, moment, before=_FIT, again=words, fork=True)


def _of_audit(number: signal.Signals) -> Iterator[Trial]:
    moments: dict[str, Moment | Before] = {
        "before its record": Before("os.rename", _RECORD),
        "in round 1": status("running"),
        "in round 3": rounds(2),
        "before the lines of round 3": Before("open", r"/rounds\.csv$", 3),
        "before its end is recorded": Before("os.rename", _RECORD, 1, '"status": "trained"'),
    }
    again = (*_AUDIT, "--record.overwrite=true")
    for at, moment in moments.items():
        yield Trial("audit", _AUDIT, number, at, moment, again=again, fork=True, anew=True)


def _of_benchmark(number: signal.Signals) -> Iterator[Trial]:
    moments: dict[str, Moment | Before] = {
        "in round 1 of both runs": status("running", 2),
        "in rounds of both runs": rounds(2, 2),
        "while a run is scored": status("trained"),
        "before its tables are there": Before("os.rename", r"/leaderboard\.csv$"),
    }
    for at, moment in moments.items():
        for group in (False, True) if at == "in rounds of both runs" else (False,):
            yield Trial("benchmark", _BENCHMARK, number, at, moment, group, again=_BENCHMARK, fork=True)


def _key(trial: Trial) -> str:
    return "  ".join((trial.command, trial.at, trial.target, trial.number.name))


def table_of(kept: dict[str, list[str]]) -> str:
    """Return the table in Markdown: a line for each command at a moment, with all signals."""
    lines: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for key, cells in kept.items():
        command, at, target, number = key.split("  ")
        lines.setdefault((command, at, target), {})[number] = cells
    headings = ["command", "moment", "to the", *(number.name for number in _SIGNALS), "folder", "left", "same bits"]
    table = [headings, ["---"] * len(headings)]
    for line, found in lines.items():
        cells = [", ".join(found[number.name][:2]) if number.name in found else "" for number in _SIGNALS]
        rest = [" / ".join(dict.fromkeys(cell[place] for cell in found.values())) for place in (2, 3, 4)]
        table.append([*line, *cells, *rest])
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def main() -> None:
    """Try what is asked for and was not tried yet, and print the table of all."""
    parser = argparse.ArgumentParser(description="Stop commands by signals.")
    parser.add_argument("--only", default="", help="Commands, separated by commas.")
    parser.add_argument("--signals", default="", help="Signals, separated by commas.")
    parser.add_argument("--keep", type=Path, help="File of what was tried, which is not tried again.")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="Begin no trial after so many.")
    options = parser.parse_args()
    only, names = ([name for name in text.split(",") if name] for text in (options.only, options.signals))
    lines = options.keep.read_text().splitlines() if options.keep and options.keep.exists() else []
    kept: dict[str, list[str]] = dict(json.loads(line) for line in lines)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp())  # no TemporaryDirectory, which forked commands would remove at their end
    workshop = Workshop(folder, {"grid.yaml": yaml.safe_dump(_GRID)})
    try:
        for trial in trials():
            asked = (not only or trial.command.partition(",")[0] in only) and (not names or trial.number.name in names)
            if not asked or _key(trial) in kept or time.monotonic() - started > options.seconds:
                continue
            outcome: Outcome = workshop.attempt(trial, times=3)
            kept[_key(trial)] = list(outcome.cells)
            print(_key(trial), *outcome.cells, sep="  ", file=sys.stderr, flush=True)
            if options.keep:
                with options.keep.open("a") as file:
                    file.write(json.dumps([_key(trial), outcome.cells]) + "\n")
    finally:
        if all(cells[-1] != "NO" for cells in kept.values()):
            shutil.rmtree(folder)
    print(table_of(kept))


if __name__ == "__main__":
    main()
