"""The records below golden/, and how to renew them.

golden/runs holds run.json, rounds.csv and cases.csv of small made-up runs, and golden/expected what the leaderboard
makes of them. Where tables change on purpose, renew what is expected and read the difference before it is committed::

    python -m tests.leaderboard.golden_runs            # golden/expected alone
    python -m tests.leaderboard.golden_runs --runs     # the runs too; only where they lack something to show

The runs stay as they are where the format of records grows: they show that older records can be read.
"""

import os
import random
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.report.commands import leaderboard
from tests.leaderboard.records import NOT_PRIVATE, by_target, private, write_run

GOLDEN = Path(__file__).parent / "golden"
FILES = (
    "leaderboard.md",
    "leaderboard.tex",
    "leaderboard.csv",
    "comparisons.csv",
    "ranking.csv",
    "thresholds.csv",
    "clients.csv",
)

METHODS = {
    "fedavg": (0.86, NOT_PRIVATE),
    "local": (0.80, NOT_PRIVATE),
    "dp_fl": (0.74, private()),
    "adp_fl": (0.75, private(None)),
    "dp_fl_record": (0.75, by_target()),
}
"""By method, how high it scores about and its privacy block."""

CLIENTS = {"north": 9, "south": 5, "east": 3}
"""Test patients by client; every fourth has two cases."""

HARDNESS = {"whole": 0.0, "core": 0.12}
"""By region, by how much its Dice is lower."""


@contextmanager
def in_golden():
    """Work in the folder, so that what is written names it by relative paths."""
    before = Path.cwd()
    os.chdir(GOLDEN)
    try:
        yield
    finally:
        os.chdir(before)


def golden_tables(output):
    """Write the tables of the golden runs, which are named by relative paths."""
    with in_golden():
        leaderboard([Path("runs")], output, overlays=False)


def write_golden_runs(root):
    """Two comparable groups of five methods, and runs that cannot stand in a table."""
    for method, (level, privacy) in METHODS.items():
        for seed in (0, 1, 2):
            _write(root / "toy" / method / f"seed{seed}", method, seed, _rows(method, level, seed), privacy)
    rows = [row for row in _rows("fedavg", 0.7, 0) if row.region == "whole" and row.client == "north"]
    _write(root / "other" / "fedavg" / "seed0", "fedavg", 0, rows, NOT_PRIVATE, kind="real", fingerprint="e" * 64)
    _write(
        root / "toy" / "fedavg" / "again",
        "fedavg",
        0,
        _rows("fedavg", 0.5, 0),
        NOT_PRIVATE,
        started="2025-01-01T00:00:00+00:00",
    )
    _write(root / "toy" / "dp_fl" / "stopped", "dp_fl", 3, None, private(), status="interrupted", rounds_completed=2)


def _write(folder, method, seed, rows, privacy, **record):
    model = {"scored_round": 3, "parameters": 1234, "surface_tolerance": {"whole": 1.0, "core": 1.0}}
    federated = {"rounds": 3}
    if method == "local":
        federated["headline"] = "own"
    write_run(folder, method, rows, seed, privacy, **{"model": model, "federated": federated, **record})
    if rows is not None:
        noise = random.Random(f"rounds {method} {seed}")
        values = [
            RoundRow(number, "all", "val_dice", round(0.2 * number + 0.1 * noise.random(), 4)) for number in (1, 2, 3)
        ]
        RunDirectory(folder).append_rounds(values)


def _rows(method, level, seed):
    run = random.Random(f"{method} {seed}")
    shift = run.gauss(0, 0.006)
    rows = []
    for client, patients in CLIENTS.items():
        for number in range(patients):
            patient = f"{client}{number:02d}"
            for case in ("a", "b") if number % 4 == 0 else ("a",):
                for region, harder in HARDNESS.items():
                    case_effect = random.Random(f"{patient}{case}{region}").gauss(0, 0.05)
                    dice = round(min(max(level - harder + shift + case_effect + run.gauss(0, 0.02), 0.0), 1.0), 6)
                    rows.append(_row(f"{patient}{case}", patient, client, region, dice, method))
    return rows


def _row(case, patient, client, region, dice, method):
    return CaseScore(
        case=case,
        patient=patient,
        client=client,
        split="test",
        region=region,
        values={
            "dice": dice,
            "iou": round(dice / (2 - dice), 6),
            "hd95": round(40 * (1 - dice), 3),
            "nsd": round(dice**2, 6),
        },
        distance_unit="mm",
        missed=False,
        model=client if method == "local" else "global",
    )


if __name__ == "__main__":
    if "--runs" in sys.argv:
        shutil.rmtree(GOLDEN / "runs", ignore_errors=True)
        with in_golden():  # a record names its folder
            write_golden_runs(Path("runs"))
    scratch = GOLDEN / "scratch"
    golden_tables(scratch)
    (GOLDEN / "expected").mkdir(exist_ok=True)
    for name in FILES:
        shutil.copy(scratch / name, GOLDEN / "expected" / name)
    shutil.rmtree(scratch)
