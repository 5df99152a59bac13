"""A private run of two rounds that has an accident at every one of its file operations, and is continued.

    python -m tests.accidents.every_operation                     all of them, one after another
    python -m tests.accidents.every_operation --sample 20 --seed 7
    python -m tests.accidents.every_operation --part 3/8          every eighth of them, from the third on

Killed there, or with a disk that is full, or dead, from there on: the run must end by the signal or in a sentence, what
was written must be whole, and continued with ``--ckpt_path last`` it must end with the files of a run that had no
accident, but for times, memory and the run's id. Nothing may be left beside them. The run has an account, whose files
have accidents too: it must be whole, and in the end count what was released, once.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from adpfl_bench.cli.unexpected import NO_SENTENCE
from adpfl_bench.privacy.account.account_checks import check_account
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.records.run_directory import RunDirectory
from tests.accidents.disk import ACCIDENTS, Accident, Disk, Outcome, missing

RUN = Path("runs/isic/adp_fl_quantile/seed0")
WORDS = [
    "fit",
    *("--config", "tasks/isic.yaml", "--config", "callbacks/adp_fl_quantile.yaml", "--config", "configs/smoke.yaml"),
    *("--federated.rounds", "2", "--trainer.accelerator", "cpu", "--privacy.account", "account"),
]
BUDGET = 9.0, 1e-4
"""Epsilon and delta of the account, into which the run fits once."""
VARYING = {"run", "started", "wall_seconds", "peak_memory_mb", "peak_gpu_memory_mb", "privacy_ledger.json", "account"}
"""What differs between two runs without accidents: ids, times and memory, and the digests of these."""

LOCK = {".lock", ".lock-holder"}


class Point(NamedTuple):
    """An accident at a file operation, counted from 1."""

    accident: Accident
    operation: int


class Campaign:
    """Accidents against one run.

    Args:
        scratch: An empty folder.
    """

    def __init__(self, scratch: Path) -> None:
        self._folder, tools = scratch / "here", scratch / "tools"
        self._folder.mkdir()
        tools.mkdir()
        self._disk = Disk(self._folder, tools)
        self._words = [*WORDS, "--data.phantom_directory", str(scratch / "phantoms")]
        self._clear()
        self._ended(self._disk.run(self._words))  # makes the phantoms
        self._clear()
        outcome = self._ended(self._disk.run(self._words))
        self.operations = outcome.operations
        self._expected = contents(self._folder / RUN)
        self._settled = self._account()

    def points(self) -> list[Point]:
        """Every accident at every operation."""
        numbers = range(1, len(self.operations) + 1)
        return [Point(accident, number) for accident in ACCIDENTS[1:] for number in numbers]

    def problems(self, point: Point) -> list[str]:
        """Have the accident, continue, and say what is not as it should be."""
        self._clear()
        outcome = self._disk.run(self._words, point.accident, point.operation)
        found = list(self._badly_ended(point, outcome))
        found += broken(self._folder / RUN)
        CohortAccount(self._folder / "account").state()
        if outcome.status:
            continued = self._disk.run([*self._words, "--ckpt_path", "last"])
            if continued.status:
                return [*found, f"it could not be continued: {continued.printed[-400:]}"]
        now = contents(self._folder / RUN)
        if not outcome.status:  # its end could not remove the lock: it is nobody's, and goes with the next one
            now = {name: content for name, content in now.items() if name not in LOCK}
        found += [f"account: {finding.text}" for finding in check_account(CohortAccount(self._folder / "account"))]
        if self._account() != self._settled:
            found.append(f"the account has {self._account()} and not {self._settled}")
        for name in sorted(self._expected):
            found += [f"{name} differs{where}" for where in differences(self._expected[name], now.get(name))]
        return found + [f"{name} is left over" for name in sorted(now.keys() - self._expected.keys())]

    def close(self) -> None:
        """End what runs are forked from."""
        self._disk.close()

    def _badly_ended(self, point: Point, outcome: Outcome) -> list[str]:
        if point.accident == "killed":
            return [] if outcome.status == -signal.SIGKILL else [f"it ended with {outcome.status}, not by the kill"]
        if "Traceback" in outcome.printed or NO_SENTENCE in outcome.printed:
            return [f"a traceback: {outcome.printed[-600:]}"]
        if outcome.status and not re.search(r"^adpfl-bench: \S.*[.)]$", outcome.printed, re.MULTILINE):
            return [f"it ended with {outcome.status} and no sentence: {outcome.printed[-300:]}"]
        return []

    def _ended(self, outcome: Outcome) -> Outcome:
        assert outcome.status == 0, outcome.printed
        return outcome

    def _clear(self) -> None:
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        CohortAccount.create(self._folder / "account", *BUDGET, simulation=True)

    def _account(self) -> list[object]:
        """What the account counts of the run, and whether somebody could still be at work on it."""
        account = CohortAccount(self._folder / "account")
        return [(run.is_open, run.settled, account.at_work(name)) for name, run in account.state().runs.items()]


def broken(run: Path) -> list[str]:
    """Files of a run that cannot be read."""
    found = []
    if (run / "run.json").exists():
        RunDirectory(run).read_record()
    if (run / "rounds.csv").exists():
        RunDirectory(run).read_rounds()
    if (run / "cases.csv").exists() and not (run / "cases.csv").read_text().endswith("\n"):
        found.append("cases.csv ends within a line")
    checkpoint = run / "checkpoints/last.ckpt"
    if checkpoint.exists():
        torch.load(checkpoint, weights_only=True)
    return found


def contents(run: Path) -> dict[str, object]:
    """What a run leaves, by file, in values that are equal for equal runs."""
    files = {str(file.relative_to(run)): file for file in run.rglob("*") if file.is_file()}
    return {name: _content(file) for name, file in files.items()}


def _content(file: Path) -> object:
    if file.suffix == ".json":
        return _steady(json.loads(file.read_text()))
    if file.suffix == ".ckpt":
        return _steady(torch.load(file, weights_only=True))
    return file.read_bytes()


def _steady(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: _steady(entry) for key, entry in value.items() if key not in VARYING}
    return [_steady(entry) for entry in value] if isinstance(value, list | tuple) else value


def differences(expected: Any, found: Any) -> list[str]:
    """Say where two contents differ, by the keys that lead there."""
    if type(expected) is type(found) is dict:
        keys = [*expected, *(key for key in found if key not in expected)]
        return [f" at {key}{rest}" for key in keys for rest in differences(expected.get(key), found.get(key))]
    return [] if expected == found else [""]


def part(text: str) -> tuple[int, int]:
    """Read ``3/8``: the third of eight parts, which have every accident once between them."""
    number, _, parts = text.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected K/N with K from 1 to N, such as 3/8, but found {text}")
    return int(number), int(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each accident that is not mended, and the counts; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sample", type=int, help="try so many instead of all")
    parser.add_argument("--seed", type=int, default=0, help="chooses the sample")
    parser.add_argument("--part", type=part, default=(1, 1), metavar="K/N", help="try the K-th of N parts")
    options = parser.parse_args(arguments)
    if reason := missing():
        print(f"No accident was arranged: {reason}.")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        campaign = Campaign(Path(scratch))
        points = campaign.points()
        if options.sample:
            points = sorted(random.Random(options.seed).sample(points, options.sample))
        number, parts = options.part
        points = points[number - 1 :: parts]
        print(f"{len(campaign.operations)} file operations, {len(points)} accidents", flush=True)
        failed = 0
        for point in points:
            problems = campaign.problems(point)
            failed += bool(problems)
            for problem in problems:
                at = campaign.operations[point.operation - 1]
                print(f"{point.accident} at operation {point.operation} ({at}): {problem}", flush=True)
        campaign.close()
    tried = Counter(point.accident for point in points)
    print(", ".join(f"{accident} {tried[accident]}" for accident in ACCIDENTS[1:]) + f": {failed} not mended")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
