"""Made-up runs of any number and size, as the suite's own record classes write them, for :mod:`tables_at_scale`.

A run has run.json with digests, a chain of its rounds, a configuration of the usual size and an epsilon that its ledger
amounts to; cases.csv, rounds.csv and partition.csv. Verification finds nothing wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.partitioning.partition_file import partition_bytes
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.chain import ChainBlock, run_origin
from adpfl_bench.records.digests import config_sha256, file_sha256, json_sha256
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.records.run_record import DigestsBlock, RunRecord
from adpfl_bench.records.seal import seal

DELTA = 1e-4
TRAINED = 3
"""Training cases of a client for each of its test cases, of which there is one validation case to ten."""


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


@dataclass(frozen=True)
class Planned:
    """One run that is to be written."""

    shape: Shape
    task: int
    method: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the method; the first are the tables' references."""
        return ("fedavg", "local")[self.method] if self.method < 2 else f"method{self.method:03d}"

    @property
    def private(self) -> bool:
        """Whether it makes releases."""
        return self.method >= max(2, self.shape.methods // 2)

    @property
    def own(self) -> bool:
        """Whether it leaves clients models of their own."""
        return self.method == 1

    @property
    def noise_multiplier(self) -> float:
        """The noise multiplier z."""
        return 1.0 + self.method / 10


def write_runs(root: Path, shape: Shape) -> None:
    """Write all run folders."""
    for task in range(shape.tasks):
        difficulty = np.random.default_rng(task).normal(0, 0.06, (shape.cases, shape.regions))
        for method in range(shape.methods):
            for seed in range(shape.seeds):
                run = Planned(shape, task, method, seed)
                write_run(root / f"task{task}" / run.name / f"seed{seed}", run, difficulty)


def write_run(folder: Path, run: Planned, difficulty: Any) -> None:
    """Write one run."""
    directory = RunDirectory(folder)
    noise = np.random.default_rng([run.task, run.method, run.seed])
    federation = clients_of(run.shape)
    directory.write_partition(partition(run.shape))
    record = RunRecord.model_validate_json(json.dumps(content_of(run, federation)), strict=True)
    origin = run_origin(run.seed, "phantom", record.data.fingerprint, file_sha256(directory.partition_file))
    chain, ledger = ChainBlock(origin=origin), PrivacyLedger()
    for number in range(1, run.shape.rounds + 1):
        for client in federation if run.private else ():
            ledger.add(client.name, Release("GaussianMechanism", run.noise_multiplier))
        lines = directory.append_rounds(RoundRow(*row) for row in round_rows(number, run, federation, noise))
        weights = json_sha256([run.task, run.method, run.seed, number])
        chain = chain.extended(number, lines, ledger.state_dict(), weights)
    directory.write_cases(scores_of(run, federation, difficulty, noise))
    record.digests = DigestsBlock(chain=chain)
    if run.private:
        account(record, ledger)
    seal(record, directory, closed=True)
    directory.write_record(record)


@cache
def clients_of(shape: Shape) -> tuple[Client, ...]:
    """The federation, of which each case is a patient of its own."""
    found = []
    for place, tested in enumerate(np.array_split(np.arange(shape.cases), shape.clients)):
        name = f"client-{place + 1}"
        sizes = {"train": TRAINED * len(tested), "validation": 1 + len(tested) // 10}
        split = {
            kind: tuple(Case(f"{kind}-{place}-{n:06d}", f"{kind}-p{place}-{n:06d}", (), None) for n in range(size))
            for kind, size in sizes.items()
        }
        test = tuple(Case(f"case{number:06d}", f"patient{number:06d}", (), None) for number in tested)
        found.append(Client(name, **split, test=test))
    return tuple(found)


@cache
def partition(shape: Shape) -> bytes:
    """The content of partition.csv."""
    return partition_bytes(Path("partition.csv"), clients_of(shape))


def scores_of(run: Planned, federation: tuple[Client, ...], difficulty: Any, noise: Any) -> list[CaseScore]:
    """Scores of all test cases."""
    level = 0.85 - 0.2 * run.private - 0.002 * run.method + noise.normal(0, 0.005)
    dice = np.clip(level + difficulty + noise.normal(0, 0.02, difficulty.shape), 0, 1)
    owners = [(case, client.name) for client in federation for case in client.test]
    rows = []
    for (case, client), of_case in zip(owners, dice.tolist(), strict=True):
        for region, score in enumerate(of_case):
            values = {"dice": score, "iou": score / (2 - score), "hd95": 40 * (1 - score), "nsd": score**2}
            named = (case.case_id, case.patient_id, client, "test", f"region{region}")
            rows.append(CaseScore(*named, values, "mm", score == 0, client if run.own else "global"))
    return rows


def round_rows(
    number: int, run: Planned, federation: tuple[Client, ...], noise: Any
) -> Iterator[tuple[int, str, str, float]]:
    """Lines of rounds.csv, as a run leaves them after a round."""
    names = ["train_loss", "delta_norm", "val_dice"]
    if run.private:
        names += ["clipping_threshold", "noise_scale", "clipped_fraction"]
        names += ["gradient_norm_p10", "gradient_norm_p50", "gradient_norm_p90"]
    for client in federation:
        for name in names:
            yield number, client.name, name, float(noise.random() + 1 / number)
    for name in ("learning_rate", "train_loss", "val_dice"):
        yield number, "all", name, float(noise.random() / 10 + 1 - 1 / number)


def account(record: RunRecord, ledger: PrivacyLedger) -> None:
    """Bring the ledger into the record, and what it amounts to."""
    record.privacy.ledger = {client: tuple(map(tuple, own)) for client, own in ledger.state_dict().items()}
    accounted, clients = record.privacy.accounted, list(record.data.clients)
    epsilon = client_epsilon(ledger.events(clients[0]), DELTA)  # all clients release the same
    accounted.epsilon, accounted.by_client = epsilon, dict.fromkeys(clients, epsilon)
    accounted.accountant, accounted.reason = accountant(ledger.events(clients[0]), DELTA), None


def content_of(run: Planned, federation: tuple[Client, ...]) -> dict[str, Any]:
    """The record of a run before it is accounted for, with a configuration as long as that of real ones."""
    shape = run.shape
    privacy: dict[str, Any] = {"unit": "none", "nominal_epsilon": None}
    privacy["accounted"] = {"epsilon": None, "delta": DELTA, "reason": "the method is not private"}
    settings: dict[str, Any] = {"unit": "none"}
    if run.private:
        threshold = {"class_path": "adpfl_bench.FixedThreshold", "init_args": {"value": 1.0}}
        settings = {"unit": "record", "threshold": threshold, "noise_multiplier": run.noise_multiplier}
        settings |= {"mechanism": {"class_path": "adpfl_bench.GaussianMechanism"}, "delta": DELTA}
        privacy |= {"unit": "record", "adjacency": "zero-out", "mechanism": "GaussianMechanism", "clipping_norm": "l2"}
        privacy |= {"threshold": "FixedThreshold", "noise_multiplier": run.noise_multiplier, "sampling": "shuffle"}
        privacy |= {"units_per_step": 16, "secure": False}
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.002, "eps": 1e-8, "weight_decay": 0.01}}
    config = {
        "seed_everything": run.seed,
        "task": f"task{run.task}",
        "method": run.name,
        "trainer": {**{f"option{number}": None for number in range(40)}, "precision": None, "max_epochs": shape.rounds},
        "model": {"class_path": "adpfl_bench.SkinLesionTask", "init_args": {"optimizer": optimizer}},
        "data": {"init_args": {f"option{number}": number for number in range(24)}},
        "federated": {"rounds": shape.rounds, "seed": run.seed, **{f"option{number}": 0.0 for number in range(24)}},
        "privacy": settings,
    }
    sizes = {c.name: {s: len(getattr(c, s)) for s in ("train", "validation", "test")} for c in federation}
    versions = {"python": "3.11.7", "torch": "2.9.0", "lightning": "2.6.6", "monai": "1.6.1", "numpy": "2.4.6"}
    return {
        "format_version": 1,
        "run": f"{run.task}-{run.method}-{run.seed}",
        **{"task": f"task{run.task}", "method": run.name, "seed": run.seed, "status": "finished"},
        "data": {"kind": "phantom", "fingerprint": f"{run.task:064x}", "clients": sizes},
        "federated": {"rounds": shape.rounds, "seed": run.seed, "headline": "own" if run.own else "global"},
        "privacy": privacy,
        "rounds_completed": shape.rounds,
        "model": {
            **{"class": "SkinLesionTask", "parameters": 22462, "scored_round": shape.rounds},
            "surface_tolerance": {f"region{region}": 2.0 for region in range(shape.regions)},
        },
        **{"started": f"2026-01-01T00:{run.seed:02d}:00+00:00", "wall_seconds": 60.0, "peak_memory_mb": 500.0},
        **{"versions": versions, "git_revision": f"{1:040x}", "config_sha256": config_sha256(config)},
        "config": config,
    }
