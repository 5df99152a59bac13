"""What a change costs: time of private runs on one checkout over that on another, in one run.

    git worktree add ../before COMMIT
    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/between_commits.py --before ../before

Two processes, one on each checkout, run the same commands in turn, so that both see the same machine. ``small`` and
``steps`` are the rounds of a `fit`, without what is before and after them, in a process that has run it before: with
the network of configs/smoke.yaml, where a round is little but what surrounds its steps, and with that of
configs/phantom.yaml. ``start`` is a new process from its first instruction to its first round, with both packages
compiled, as they are once they have run. A ratio is that of the
medians, of processor time, which other work on the machine hardly changes, and of the clock, which syncs of files count
in too; in brackets is the interval that holds it with 95 % (bootstrap over the repeats). ``--torch_layers`` gives both
checkouts the norm and activation of PyTorch, for one that has faster ones of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

METHODS = ("dp_fl", "adp_fl", "adp_fl_quantile", "client_dp")
PARTS = ("start", "small", "steps")
_CLOCK = """
import contextlib, io, json, sys, time
from lightning.pytorch.loops.fit_loop import _FitLoop

def now():
    return time.process_time(), time.monotonic()

def mark(name, first):
    inner = getattr(_FitLoop, name)
    def marked(self):
        if first:
            marks.setdefault(name, now())
        inner(self)
        if not first:
            marks[name] = now()
    setattr(_FitLoop, name, marked)

def timed(words, began):  # until the first round, and the rounds
    marks.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        status = main(words)
    first, last = marks["on_advance_start"], marks["on_advance_end"]
    return [status, *(b - a for a, b in zip(began, first)), *(b - a for a, b in zip(first, last))]

marks = {}
mark("on_advance_start", True)
mark("on_advance_end", False)
from adpfl_bench.cli import main
"""
_ROUNDS = f"""{_CLOCK}
for line in sys.stdin:
    print(json.dumps(timed(json.loads(line), now())), flush=True)
"""
_START = f"""{_CLOCK}
print(json.dumps(timed(json.loads(sys.argv[2]), (0.0, float(sys.argv[1])))), flush=True)
"""
_TORCH_LAYERS = """
model: {init_args: {network_arguments: {norm: [INSTANCE, {affine: true}], act: PRELU, bias: false}}}
"""


class Seconds(NamedTuple):
    """What a run took: of the processor, and on the clock."""

    processor: float
    wall: float


class Checkout:
    """One checkout, with a process that runs commands in it."""

    def __init__(self, tree: Path, folder: Path, torch_layers: bool = False) -> None:
        self.tree, self.folder = tree, folder
        folder.mkdir()
        self._layers = folder / "layers.yaml"
        if torch_layers:
            self._layers.write_text(_TORCH_LAYERS)
        self._environment = {**os.environ, "PYTHONPATH": str(tree)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a start would compile all of the package
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ROUNDS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            cwd=folder,
            text=True,
        )

    def rounds(self, method: str, rounds: int, small: bool) -> Seconds:
        """Run some rounds in the process that goes on: seconds of the rounds."""
        untyped: Any = self._process
        untyped.stdin.write(json.dumps(self._command(method, rounds, small)) + "\n")
        untyped.stdin.flush()
        return Seconds(*self._read(untyped.stdout.readline())[2:])

    def start(self, method: str) -> Seconds:
        """Run one round in a process of its own: seconds until it begins."""
        words = [sys.executable, "-c", _START, str(time.monotonic()), json.dumps(self._command(method, 1, True))]
        done = subprocess.run(words, env=self._environment, cwd=self.folder, check=True, capture_output=True, text=True)
        return Seconds(*self._read(done.stdout)[:2])

    def _read(self, line: str) -> list[float]:
        status, *seconds = json.loads(line)
        if status:
            raise SystemExit(f"{self.tree}: a run ended with {status}")
        return [float(entry) for entry in seconds]

    def _command(self, method: str, rounds: int, small: bool) -> list[str]:
        files = ["tasks/isic.yaml", f"callbacks/{method}.yaml", f"configs/{'smoke' if small else 'phantom'}.yaml"]
        files += [str(self._layers)] if self._layers.exists() else []
        return [
            "fit",
            *(word for file in files for word in ("--config", file)),
            f"--federated.rounds={rounds}",
            "--score=false",
            "--record.overwrite=true",
            f"--data.phantom_directory={self.folder / 'phantoms'}",
            f"--trainer.default_root_dir={self.folder / 'run'}",
            "--trainer.enable_progress_bar=false",
            "--trainer.devices=1",  # which several would not be, in this process
            *(["--privacy.delta=0.01"] if method == "client_dp" else []),
        ]


def in_turn(
    checkouts: list[Checkout], run: Callable[..., Seconds], repeats: int, *arguments: object
) -> list[list[Seconds]]:
    """Run something on all checkouts in turn; who is first alternates."""
    times = []
    for number in range(repeats):
        order = list(range(len(checkouts)))[:: -1 if number % 2 else 1]
        taken = {place: run(checkouts[place], *arguments) for place in order}
        times.append([taken[place] for place in range(len(checkouts))])
    return times


def ratio(before: Sequence[float], after: Sequence[float]) -> str:
    """Ratio of the medians, and the interval that holds it with 95 %: a bootstrap over the pairs."""
    generator, numbers = random.Random(0), range(len(before))
    found = []
    for _ in range(4000):
        drawn = generator.choices(numbers, k=len(before))
        found.append(statistics.median(after[n] for n in drawn) / statistics.median(before[n] for n in drawn))
    found.sort()
    return f"{statistics.median(after) / statistics.median(before):.3f} ({found[100]:.3f} to {found[-101]:.3f})"


def tell(name: str, times: Sequence[Sequence[Seconds]], rounds: int) -> None:
    """Print the ratios of processor time and of wall time, and the seconds of a round or start."""
    before, after = zip(*times, strict=True)
    for kind in Seconds._fields:
        values = [[getattr(seconds, kind) for seconds in of_tree] for of_tree in (before, after)]
        each = [statistics.median(of_tree) / rounds for of_tree in values]
        print(f"{name}, {kind}: {ratio(*values)}, {each[0]:.3f} s and {each[1]:.3f} s", flush=True)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Time private runs on two checkouts.")
    parser.add_argument("--before", type=Path, required=True, help="The other checkout.")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument(
        "--rounds", type=int, default=3, help="Of a run of the steps; small ones have ten times as many."
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--torch_layers", action="store_true", help="Give both checkouts PyTorch's norm and PReLU.")
    arguments = parser.parse_args()
    after_tree = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        trees = {"before": arguments.before.resolve(), "after": after_tree}
        checkouts = [Checkout(tree, Path(folder) / name, arguments.torch_layers) for name, tree in trees.items()]
        for part in (part for part in ("small", "steps") if part in arguments.parts):
            small = part == "small"
            rounds = arguments.rounds * (10 if small else 1)
            for method in arguments.methods:
                for checkout in checkouts:
                    checkout.rounds(method, 1, small)
                times = in_turn(checkouts, Checkout.rounds, arguments.repeats, method, rounds, small)
                tell(f"a round of {method}, {part}", times, rounds)
        if "start" in arguments.parts:
            for checkout in checkouts:
                checkout.start("adp_fl_quantile")
            times = in_turn(checkouts, Checkout.start, arguments.repeats, "adp_fl_quantile")
            tell("start until the first round", times, 1)


if __name__ == "__main__":
    main()
