"""Runs as the recorder leaves them, made in milliseconds: with digests, a chain, a journal and a partition."""

import json
from pathlib import Path

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.partitioning.partition_file import partition_bytes
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.journal import LedgerJournal, Session
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.chain import ChainBlock, run_origin
from adpfl_bench.records.digests import config_sha256, file_sha256, json_sha256
from adpfl_bench.records.file_digests import ALGORITHM, FileDigest, contents_root
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.records.run_record import DigestsBlock, RunRecord, parse_record
from adpfl_bench.records.seal import seal

ROUNDS = 3
DELTA = 1e-4
Z = 1.5
CLIENTS = {"east": (6, 2, 3), "north": (8, 2, 4), "south": (5, 1, 3)}
"""Training, validation and test cases by client."""

FIXED = {"class_path": "adpfl_bench.FixedThreshold", "init_args": {"value": 1.0}}
PERCENTILE = {"class_path": "adpfl_bench.PercentileThreshold", "init_args": {"percentile": 50.0, "window": 50}}
SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}


def write_sealed_run(folder, method="dp", seed=0, kind="phantom", threshold=FIXED, started="2026-01-01T00:00:00+00:00"):
    """Write a finished run of three rounds; with another threshold than a fixed one it has no guarantee."""
    directory = RunDirectory(folder)
    config = configuration(method, seed, threshold, kind)
    partition = partition_bytes(directory.partition_file, clients())
    directory.write_partition(partition)
    files = [FileDigest(c, f"images/{c}.png", 100 + n, f"{n:064x}") for n, c in enumerate(sorted(all_cases()))]
    directory.write_data(files)
    record = parse_record(json.dumps(content(method, seed, kind, config, files)).encode(), directory.record_file)
    origin = run_origin(seed, kind, record.data.fingerprint, file_sha256(directory.partition_file))
    record.digests = DigestsBlock(chain=ChainBlock(origin=origin), elsewhere=0)
    releases = PrivacyLedger()
    for number in range(1, ROUNDS + 1):
        for client in CLIENTS:
            releases.add(client, Release("GaussianMechanism", Z))
        lines = directory.append_rounds(rounds(number, seed, method))
        record.digests.chain = record.digests.chain.extended(
            number, lines, releases.state_dict(), json_sha256([method, seed, number])
        )
    LedgerJournal(folder).raise_to(Session(record.run, "key"), releases)
    directory.write_cases(scores(seed, method))
    state(record, releases, threshold)
    seal(record, directory, closed=True)
    directory.write_record(record)
    return Path(folder)


def all_cases():
    """Ids of all cases, with client and split."""
    splits = ("train", "validation", "test")
    return {
        f"{client}-{split}-{number}": (client, split)
        for client, sizes in CLIENTS.items()
        for split, size in zip(splits, sizes, strict=True)
        for number in range(size)
    }


def clients():
    """The federation, of which each case is a patient of its own."""
    found = []
    for name in CLIENTS:
        cases = {
            split: tuple(
                Case(c, f"p-{c}", (), None, name) for c, place in all_cases().items() if place == (name, split)
            )
            for split in ("train", "validation", "test")
        }
        found.append(Client(name, **cases))
    return found


def configuration(method, seed, threshold, kind):
    """The resolved configuration, as far as anything looks at it."""
    return {
        "seed_everything": seed,
        "task": "toy",
        "method": method,
        "trainer": {"precision": None, "callbacks": None, "logger": False, "limit_test_batches": None},
        "model": {"class_path": "adpfl_bench.ToyTask", "init_args": {"network": "UNet", "optimizer": SGD}},
        "data": {
            "class_path": "adpfl_bench.ToyData",
            "init_args": {"root": "phantom" if kind == "phantom" else "data/toy", "split_seed": 0},
        },
        "federated": {
            "rounds": ROUNDS,
            "seed": seed,
            "participation": 1.0,
            "local_epochs": 1,
            "held_out_clients": None,
        },
        "privacy": {
            "unit": "record",
            "threshold": threshold,
            "mechanism": {"class_path": "adpfl_bench.GaussianMechanism"},
            "noise_multiplier": Z,
            "target_epsilon": None,
            "delta": DELTA,
            "sampling": "shuffle",
            "secure": False,
            "nominal_epsilon": None,
        },
    }


def content(method, seed, kind, config, files):
    """The record of a run that has not accounted for anything yet."""
    sizes = {
        client: dict(zip(("train", "validation", "test"), sizes, strict=True)) for client, sizes in CLIENTS.items()
    }
    return {
        "format_version": 1,
        "run": f"{method}-{seed}-id",
        "task": "toy",
        "method": method,
        "seed": seed,
        "status": "finished",
        "data": {
            "datamodule": "ToyData",
            "kind": kind,
            "fingerprint": "f" * 64,
            "contents": {
                "algorithm": ALGORITHM,
                "root": contents_root(files),
                "test_root": contents_root(row for row in files if "-test-" in row.case),
                "files": len(files),
                "bytes": sum(row.size for row in files),
            },
            "cases": len(files),
            "clients": sizes,
            "split_seed": 0,
            "canaries": None,
            "example_is": "image",
            "patient_id_is": "patient",
        },
        "federated": {
            "rounds": ROUNDS,
            "seed": seed,
            "participation": 1.0,
            "local_epochs": 1,
            "total_rounds": ROUNDS,
            "held_out_clients": [],
        },
        "privacy": {
            "unit": "record",
            "protects": "image",
            "units_per_person": 1,
            "adjacency": "zero-out",
            "mechanism": "GaussianMechanism",
            "clipping_norm": "l2",
            "threshold": "FixedThreshold",
            "noise_multiplier": Z,
            "target_epsilon": None,
            "sampling": "shuffle",
            "units_per_step": 4,
            "secure": False,
            "nominal_epsilon": None,
            "accounted": {"epsilon": None, "delta": DELTA, "reason": "nothing yet"},
        },
        "rounds_completed": ROUNDS,
        "model": {
            "class": "ToyTask",
            "parameters": 1234,
            "scored_round": ROUNDS,
            "selection": "last round",
            "started_from": None,
            "surface_tolerance": {"lesion": 2.0},
        },
        "started": "2026-01-01T00:00:00+00:00",
        "wall_seconds": 1.5,
        "versions": {"python": "3.11"},
        "config_sha256": config_sha256(config),
        "config": config,
    }


def state(record: RunRecord, releases, threshold):
    """Bring the ledger into the record, and what it amounts to where the threshold has a proof."""
    record.privacy.ledger = {client: tuple(map(tuple, own)) for client, own in releases.state_dict().items()}
    accounted = record.privacy.accounted
    if threshold is not FIXED:
        record.privacy.threshold = "PercentileThreshold"
        accounted.reason = "the clipping threshold is a raw percentile"
        return
    accounted.by_client = {client: client_epsilon(releases.events(client), DELTA) for client in CLIENTS}
    accounted.epsilon = accounted.group_epsilon = max(accounted.by_client.values())
    accounted.accountant, accounted.reason = accountant(releases.events("north"), DELTA), None


def rounds(number, seed, method):
    """The numbers of a round, of each client and of all."""
    value = number / 10 + seed / 100 + len(method) / 1000
    return [
        RoundRow(number, "all", "val_dice", value),
        *(RoundRow(number, client, "train_loss", value + place) for place, client in enumerate(CLIENTS)),
    ]


def scores(seed, method):
    """Scores of all validation and test cases."""
    found = []
    for place, (case, (client, split)) in enumerate(sorted(all_cases().items())):
        if split == "train":
            continue
        dice = 0.5 + place / 100 + seed / 1000 + len(method) / 10_000
        values = {"dice": dice, "iou": dice / (2 - dice), "hd95": 3.0 + place, "nsd": dice / 2}
        found.append(CaseScore(case, f"p-{case}", client, split, "lesion", values, "px", False))
    return found


def reseal(folder, rounds=True):
    """Compute all digests of a record again, as somebody would who knows how; of ``rounds`` too unless they stay."""
    directory = RunDirectory(folder)
    record = directory.read_record()
    if record.config_sha256 is not None:
        record.config_sha256 = config_sha256(record.config)
    if rounds:
        record.digests.chain = chain_again(directory, record)
    seal(record, directory, closed=True)
    directory.write_record(record)


def chain_again(directory, record):
    """Make a chain of what the files have now."""
    partition = file_sha256(directory.partition_file) if directory.partition_file.exists() else ""
    chain = ChainBlock(origin=run_origin(record.seed, record.data.kind, record.data.fingerprint, partition))
    lines, ledger = directory.round_lines(), record.model_dump()["privacy"]["ledger"]
    old = {link.round: link for link in record.digests.chain.links}
    for number in sorted(lines):
        chain = chain.extended(number, lines[number], ledger, old[number].weights if number in old else "w")
    return chain
