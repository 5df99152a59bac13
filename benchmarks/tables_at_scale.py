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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

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
class Shape:
    """How many runs there are, and of what size.

    Attributes:
        tasks: Number of tasks: of comparable groups.
        methods: Methods of each; the second half of them is private.
        seeds: Runs of each method.
        cases: Test cases of each run, one patient's each.
        regions: Regions of each case.
        rounds: Rounds of each run.
        clients: Clients of each run.
    """

    tasks: int
    methods: int
    seeds: int
    cases: int
    regions: int
    rounds: int
    clients: int

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.tasks * self.methods * self.seeds

    def __str__(self) -> str:
        return (
            f"{self.runs:,} runs ({self.tasks} tasks x {self.methods} methods x {self.seeds} seeds) of"
            f" {self.cases * self.regions:,} scores, {self.rounds} rounds, {self.clients} clients"
        )


SHAPES = {
    "runs": Shape(tasks=4, methods=50, seeds=5, cases=150, regions=2, rounds=20, clients=8),
    "scores": Shape(tasks=1, methods=20, seeds=5, cases=10_000, regions=1, rounds=20, clients=8),
}


def write_runs(root: Path, shape: Shape) -> None:
    """Write all run folders."""
    for task in range(shape.tasks):
        cases = np.random.default_rng(task).normal(0, 0.06, (shape.cases, shape.regions))
        for method in range(shape.methods):
            for seed in range(shape.seeds):
                write_run(root / f"task{task}" / method_name(method) / f"seed{seed}", shape, task, method, seed, cases)


def method_name(method: int) -> str:
    """Name of a method; the first are the tables' references."""
    return ("fedavg", "local")[method] if method < 2 else f"method{method:03d}"


def write_run(folder: Path, shape: Shape, task: int, method: int, seed: int, difficulty: Any) -> None:
    """Write one run."""
    from adpfl_bench.records.case_score import CaseScore
    from adpfl_bench.records.run_directory import RoundRow, RunDirectory

    noise = np.random.default_rng([task, method, seed])
    clients = [f"client-{number + 1}" for number in range(shape.clients)]
    private, own = method >= shape.methods // 2 and method > 1, method == 1
    level = 0.85 - 0.2 * private - 0.002 * method + noise.normal(0, 0.005)
    dice = np.clip(level + difficulty + noise.normal(0, 0.02, difficulty.shape), 0, 1)
    rows = []
    for (case, region), value in np.ndenumerate(dice):
        client = clients[case * shape.clients // shape.cases]
        score = float(value)
        values = {"dice": score, "iou": score / (2 - score), "hd95": 40 * (1 - score), "nsd": score**2}
        owners = (f"case{case:06d}", f"patient{case:06d}", client, "test", f"region{region}")
        rows.append(CaseScore(*owners, values, "mm", score == 0, client if own else "global"))
    directory = RunDirectory(folder)
    directory.write_record(record_of(shape, task, method, seed, clients, private, own))
    directory.write_cases(rows)
    lines = (f"{row.case},{row.patient},{row.client},test" for row in rows)
    directory.write_partition("\n".join(["case,patient,client,split", *lines, ""]).encode())
    directory.append_rounds(RoundRow(*row) for row in round_rows(shape.rounds, clients, private, noise))


def round_rows(rounds: int, clients: list[str], private: bool, noise: Any) -> Iterator[tuple[int, str, str, float]]:
    """Lines of rounds.csv, as a run leaves them."""
    own = ("train_loss", "delta_norm", "val_dice")
    of_private = ("clipping_threshold", "noise_scale", "clipped_fraction")
    of_private += ("gradient_norm_p10", "gradient_norm_p50", "gradient_norm_p90")
    for number in range(1, rounds + 1):
        for client in clients:
            for name in (*own, *(of_private if private else ())):
                yield number, client, name, float(noise.random() + 1 / number)
        for name in ("learning_rate", "train_loss", "val_dice"):
            yield number, "all", name, float(noise.random() / 10 + 1 - 1 / number)


def record_of(shape: Shape, task: int, method: int, seed: int, clients: list[str], private: bool, own: bool) -> Any:
    """The record of a run, with a configuration as long as those of real ones."""
    from adpfl_bench.records.run_record import RunRecord

    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.002, "eps": 1e-8, "weight_decay": 0.01}}
    privacy: dict[str, Any] = {
        "unit": "none",
        "nominal_epsilon": None,
        "accounted": {"epsilon": None, "delta": 1e-4, "reason": "the method is not private"},
    }
    if private:
        release = ["GaussianMechanism", 1.0 + method / 10, 2.0, 1.0, "l2", shape.rounds]
        privacy = {
            **{"unit": "record", "adjacency": "zero-out", "mechanism": "GaussianMechanism", "clipping_norm": "l2"},
            **{"threshold": "QuantileThreshold", "noise_multiplier": 1.0 + method / 10, "sampling": "shuffle"},
            **{"units_per_step": 16, "secure": False, "nominal_epsilon": None},
            "accounted": {"epsilon": 40.0 / (1 + method), "delta": 1e-4, "reason": None, "accountant": "zCDP"},
            "ledger": {client: [release] for client in clients},
        }
    content = {
        "format_version": 1,
        **{"task": f"task{task}", "method": method_name(method), "seed": seed, "status": "finished"},
        "data": {
            **{"kind": "phantom", "fingerprint": f"{task:064x}", "cases": 8 * shape.cases},
            "clients": {client: {"train": 300, "validation": 50, "test": 100} for client in clients},
        },
        "federated": {"rounds": shape.rounds, "seed": seed, "headline": "own" if own else "global"},
        "privacy": privacy,
        "rounds_completed": shape.rounds,
        "model": {
            **{"class": "SkinLesionTask", "parameters": 22462, "scored_round": shape.rounds},
            "surface_tolerance": {f"region{region}": 2.0 for region in range(shape.regions)},
        },
        **{"started": f"2026-01-01T00:{seed:02d}:00+00:00", "wall_seconds": 60.0 + method, "peak_memory_mb": 500.0},
        "versions": {"python": "3.11.7", "torch": "2.9.0", "lightning": "2.6.6", "monai": "1.6.1", "numpy": "2.4.6"},
        **{"git_revision": f"{1:040x}", "config_sha256": f"{task + method:064x}"},
        "config": {
            "seed_everything": seed,
            "trainer": {**{f"option{number}": None for number in range(40)}, "precision": None, "max_epochs": 25},
            "model": {"class_path": "adpfl_bench.SkinLesionTask", "init_args": {"optimizer": optimizer}},
            "data": {"init_args": {f"option{number}": number for number in range(24)}},
            "federated": {"rounds": shape.rounds, "seed": seed, **{f"option{number}": 0.0 for number in range(24)}},
            "privacy": {"unit": privacy["unit"], **({"noise_multiplier": 1.0 + method / 10} if private else {})},
        },
    }
    return RunRecord.model_validate_json(json.dumps(content), strict=True)


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
