"""What a change costs: time of private runs on one checkout over that on another, in one run.

    git worktree add ../before COMMIT
    OMP_WAIT_POLICY=PASSIVE python benchmarks/between_commits.py --before ../before

Two processes, one on each checkout, run the same commands in turn, so that both see the same machine. ``steps`` is one
`fit` of some rounds on phantoms of dermoscopy, without scoring, in a process that has run it before; ``start`` is a
new process from its first instruction to the end of a round of seconds. Seconds are those of the processor, which other
work on the machine hardly changes; what counts is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

METHODS = ("dp_fl", "adp_fl", "adp_fl_quantile", "client_dp")
_CHILD = """
import contextlib, io, json, sys, time
from adpfl_bench.cli import main
for line in sys.stdin:
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        status = main(json.loads(line))
    print(json.dumps([status, time.process_time() - started]), flush=True)
"""


def command(folder: Path, method: str, rounds: int) -> list[str]:
    """Command line of a run."""
    files = ("tasks/isic.yaml", f"callbacks/{method}.yaml", "configs/phantom.yaml")
    delta = ["--privacy.delta=0.01"] if method == "client_dp" else []
    return [
        "fit",
        *(word for file in files for word in ("--config", file)),
        f"--federated.rounds={rounds}",
        "--score=false",
        "--record.overwrite=true",
        f"--data.phantom_directory={folder / 'phantoms'}",
        f"--trainer.default_root_dir={folder / 'run'}",
        "--trainer.enable_progress_bar=false",
        *delta,
    ]


class Checkout:
    """One checkout, with a process that runs commands in it."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree, self.folder = tree, folder
        folder.mkdir()
        self._environment = {**os.environ, "PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            cwd=folder,
            text=True,
        )

    def steps(self, method: str, rounds: int) -> float:
        """Processor seconds of a run in the process that goes on."""
        untyped: Any = self._process
        untyped.stdin.write(json.dumps(command(self.folder, method, rounds)) + "\n")
        untyped.stdin.flush()
        status, seconds = json.loads(untyped.stdout.readline())
        if status:
            raise SystemExit(f"{self.tree}: the run of {method} ended with {status}")
        return float(seconds)

    def start(self, method: str) -> float:
        """Processor seconds of a run of one round in a process of its own."""
        words = [*command(self.folder, method, 1), "--config", "configs/smoke.yaml"]
        before = os.times()
        code = f"import sys; from adpfl_bench.cli import main; sys.exit(main({words!r}))"
        subprocess.run(
            [sys.executable, "-c", code], env=self._environment, cwd=self.folder, check=True, capture_output=True
        )
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system


def ratio(before: list[float], after: list[float]) -> str:
    """Ratio of the medians, and the span of the ratios of neighbours."""
    pairs = sorted(b / a for a, b in zip(before, after, strict=True))
    return f"{statistics.median(after) / statistics.median(before):.3f} ({pairs[0]:.3f} to {pairs[-1]:.3f})"


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Time private runs on two checkouts.")
    parser.add_argument("--before", type=Path, required=True, help="The other checkout.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    after_tree = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        trees = {"before": arguments.before.resolve(), "after": after_tree}
        checkouts = [Checkout(tree, Path(folder) / name) for name, tree in trees.items()]
        for method in METHODS:
            for checkout in checkouts:
                checkout.steps(method, 1)
            times = [[c.steps(method, arguments.rounds) for c in checkouts] for _ in range(arguments.repeats)]
            print(f"steps of {method}: {ratio(*map(list, zip(*times, strict=True)))}", flush=True)
        times = [[checkout.start("adp_fl_quantile") for checkout in checkouts] for _ in range(arguments.repeats)]
        print(f"start and one round: {ratio(*map(list, zip(*times, strict=True)))}", flush=True)


if __name__ == "__main__":
    main()
