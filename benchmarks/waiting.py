"""What users wait for, on one checkout over another: ratios of wall time, and of processor time, in one run.

    git worktree add ../before COMMIT
    OMP_WAIT_POLICY=PASSIVE python benchmarks/waiting.py --before ../before

Each wait is that of a process of its own, and both checkouts take turns, so that both see the same machine:

* ``dry run``: ``benchmark --dry_run`` of ``configs/headline.yaml``, 168 runs of 56 configurations.
* ``first line``, ``first round`` and ``exit`` of a ``fit`` with ``configs/smoke.yaml``: from the start to the first
  line, and to that of the first round, with phantoms and caches still to be made; from the last line to the end.
* ``help``: ``fit --help``.
* ``leaderboard`` and ``report`` of the 168 runs in ``results/runs``.

Ratios are those of medians, with the span of the ratios of neighbours. Wall time is what a user waits, and means
something on a quiet machine; processor time hardly depends on other work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
_MAIN = "import sys; from adpfl_bench.cli import main; sys.exit(main())"
WAITS = ("help", "dry run", "fit", "leaderboard", "report")


class Line(NamedTuple):
    """A line that a process wrote: after how many seconds on the clock, and how many of processors."""

    wall: float
    processor: float | None
    text: str


class Waited(NamedTuple):
    """Seconds of a process: the whole of it on the clock and of processors, and its lines."""

    wall: float
    processor: float
    lines: list[Line]


def used_by(process: int) -> float | None:
    """Seconds of processors that a process has used so far; ``None`` where nothing tells, as outside of Linux."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(tree: Path, words: Sequence[str], folder: Path) -> Waited:
    """Run a command of a checkout, with a folder as its working directory."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONUNBUFFERED": "1", "ADPFL_CACHE": str(folder / "cache")}
    before, began = os.times(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _MAIN, *words],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[Line] = []

    def listen(stream: IO[str]) -> None:
        lines.extend(Line(time.perf_counter() - began, used_by(process.pid), line) for line in stream)

    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    listeners = [threading.Thread(target=listen, args=[stream]) for stream in streams]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join()
    status = process.wait()
    wall, after = time.perf_counter() - began, os.times()
    if status:
        said = "".join(line.text for line in sorted(lines))
        raise SystemExit(f"{tree}: adpfl-bench {' '.join(words)} ended with {status}:\n{said}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Waited(wall, used, sorted(lines))


def waits_of(wait: str, tree: Path) -> dict[str, tuple[float, float | None]]:
    """Seconds on the clock, and of processors, by what is waited for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if wait == "help":
            waited = wait_for(tree, ["fit", "--help"], folder)
            return {"fit --help": (waited.wall, waited.processor)}
        if wait == "dry run":
            waited = wait_for(tree, ["benchmark", "--config", "configs/headline.yaml", "--dry_run", "true"], folder)
            return {wait: (waited.wall, waited.processor)}
        if wait in ("leaderboard", "report"):
            output = folder / ("tables" if wait == "leaderboard" else "report.html")
            words = [wait, str(REPOSITORY / "results" / "runs"), "--output", str(output)]
            waited = wait_for(tree, words, folder)
            return {wait: (waited.wall, waited.processor)}
        files = ("tasks/isic.yaml", "callbacks/adp_fl.yaml", "configs/smoke.yaml")
        waited = wait_for(tree, ["fit", *(word for file in files for word in ("--config", file))], folder)
        first, last = waited.lines[0], waited.lines[-1]
        round_ = next(line for line in waited.lines if line.text.startswith("round 1/"))
        return {
            "first line": (first.wall, first.processor),
            "first round": (round_.wall, round_.processor),
            "exit": (waited.wall - last.wall, None),
            "whole smoke run": (waited.wall, waited.processor),
        }


def ratio(before: Sequence[float], after: Sequence[float]) -> str:
    """Ratio of the medians, and the span of the ratios of neighbours."""
    pairs = sorted(b / a for a, b in zip(before, after, strict=True))
    return f"{statistics.median(after) / statistics.median(before):.2f} ({pairs[0]:.2f} to {pairs[-1]:.2f})"


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Time what users wait for, on two checkouts.")
    parser.add_argument("--before", type=Path, required=True, help="The other checkout.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--waits", nargs="+", choices=WAITS, default=list(WAITS))
    arguments = parser.parse_args()
    trees = (arguments.before.resolve(), REPOSITORY)
    with tempfile.TemporaryDirectory() as folder:
        for tree in trees:  # so that the first does not read from a disk what the others find in memory
            wait_for(tree, ["fit", "--help"], Path(folder))
    for wait in arguments.waits:
        pairs = [[waits_of(wait, tree) for tree in trees] for _ in range(arguments.repeats)]
        for name, (_, processor) in pairs[0][0].items():
            walls = [[of_tree[name][0] for of_tree in pair] for pair in pairs]
            medians = [statistics.median(of_tree) for of_tree in zip(*walls, strict=True)]
            text = f"{name}: {ratio(*map(list, zip(*walls, strict=True)))} of the wall time"
            seconds = f"{medians[0]:.2f} to {medians[1]:.2f} s"
            if processor is not None:
                used = [[of_tree[name][1] or 0.0 for of_tree in pair] for pair in pairs]
                text += f", {ratio(*map(list, zip(*used, strict=True)))} of the processor time"
                medians = [statistics.median(of_tree) for of_tree in zip(*used, strict=True)]
                seconds += f" on the clock, {medians[0]:.2f} to {medians[1]:.2f} s of a processor"
            print(f"{text}; {seconds}", flush=True)


if __name__ == "__main__":
    main()
