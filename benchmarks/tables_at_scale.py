"""Leaderboard and report of many runs: seconds and peak memory of the whole command, and ratios to another checkout.

    OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE python benchmarks/tables_at_scale.py
    git worktree add ../before COMMIT
    python benchmarks/tables_at_scale.py --before ../before --shapes runs --repeats 3
    python benchmarks/tables_at_scale.py --before ../before --runs results/runs

Runs are made up, but their folders are written by the suite's own record classes: run.json with a configuration of the
usual size, cases.csv, rounds.csv and partition.csv. Two shapes: ``runs`` is 1,000 runs with some hundred scores each,
``scores`` a million scores of a hundred runs; every size can be given. Each command is a process of its own. Seconds of
the processor (of all its threads) hardly depend on what else the machine does; peak memory is the largest resident set
that the operating system saw. With ``--before`` both checkouts take turns, and ratios are those of the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from made_up_runs import SHAPES, Shape, write_runs

COMMANDS = ("leaderboard", "report")
_CHILD = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
wall, processor = time.perf_counter() - begin, used.ru_utime + used.ru_stime
print(json.dumps([status, wall, processor, used.ru_maxrss / 1024]))
"""
_MAIN = "import sys; from adpfl_bench.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Measured:
    """What a command took: seconds on the clock, seconds of the processor, and MiB."""

    wall: float
    processor: float
    memory: float


def measure(tree: Path, command: str, runs: Path, output: Path) -> Measured:
    """Run a command of a checkout as a process of its own."""
    out = output / ("tables" if command == "leaderboard" else "report.html")
    words = [sys.executable, "-c", _CHILD, sys.executable, "-c", _MAIN, command, str(runs), "--output", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(words, env=environment, cwd=output, check=True, capture_output=True, text=True)
    status, *figures = json.loads(done.stdout.splitlines()[-1])
    if status:
        raise SystemExit(f"{tree}: adpfl-bench {command} ended with {status}: {done.stderr}")
    return Measured(*figures)


def compare(trees: dict[str, Path], runs: Path, commands: list[str], repeats: int) -> None:
    """Run the commands of all checkouts in turn, and print what they took."""
    with tempfile.TemporaryDirectory() as folder:
        for command in commands:
            found: dict[str, list[Measured]] = {name: [] for name in trees}
            for _ in range(repeats):
                for name, tree in trees.items():
                    found[name].append(measure(tree, command, runs, Path(folder)))
            medians = {
                name: Measured(*(statistics.median(getattr(m, f) for m in of_tree) for f in Measured.__annotations__))
                for name, of_tree in found.items()
            }
            for name, median in medians.items():
                print(
                    f"{command:12} {name:7} {median.wall:8.1f} s wall, {median.processor:8.1f} s processor,"
                    f" {median.memory:7,.0f} MiB",
                    flush=True,
                )
            if len(medians) == 2:
                before, after = medians.values()
                print(
                    f"{command:12} after / before: wall {after.wall / before.wall:.3f},"
                    f" processor {after.processor / before.processor:.3f}, memory {after.memory / before.memory:.3f}",
                    flush=True,
                )


def main() -> None:
    """Make the runs and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", default=list(SHAPES), choices=SHAPES)
    for name in Shape.__annotations__:
        parser.add_argument(f"--{name}", type=int, help="In place of the shape's.")
    parser.add_argument("--commands", nargs="*", default=list(COMMANDS), choices=COMMANDS)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--before", type=Path, help="Another checkout to compare with.")
    parser.add_argument("--runs", type=Path, help="A folder of runs to measure on in place of made-up ones.")
    parser.add_argument("--keep", type=Path, help="Where to keep made-up runs, or find those that were kept.")
    options = parser.parse_args()
    trees = {"before": options.before.resolve()} if options.before else {}
    trees["after"] = Path(__file__).resolve().parents[1]
    if options.runs:
        compare(trees, options.runs.resolve(), options.commands, options.repeats)
        return
    sizes = {name: getattr(options, name) for name in Shape.__annotations__}
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.shapes:
            shape = replace(SHAPES[name], **{size: value for size, value in sizes.items() if value is not None})
            runs = (options.keep or Path(scratch)).resolve() / name
            if not runs.exists():
                started = time.perf_counter()
                write_runs(runs, shape)
                print(f"{name}: wrote {shape} in {time.perf_counter() - started:.0f} s", flush=True)
            compare(trees, runs, options.commands, options.repeats)


if __name__ == "__main__":
    main()
