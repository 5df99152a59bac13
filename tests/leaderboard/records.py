"""Hand-written run records."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adpfl_bench.leaderboard.scored_run import ScoredRun, scored_run
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.digests import config_sha256
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.records.run_record import RunRecord, parse_record
from adpfl_bench.records.verification.evidence import Evidence

PATIENTS = {"a1": ("P", "north"), "a2": ("P", "north"), "b": ("Q", "south"), "c": ("R", "east")}
NOT_PRIVATE = {
    "unit": "none",
    "nominal_epsilon": None,
    "accounted": {"epsilon": None, "delta": 1e-4, "reason": "the method is not private"},
}


def private(epsilon: float | None = 8.5, nominal: float | None = 0.001) -> dict[str, Any]:
    """A privacy block; without ``epsilon`` it says that nothing is proved."""
    reason = None if epsilon is not None else "the threshold is raw"
    return {
        "unit": "batch",
        "adjacency": "zero-out",
        "mechanism": "LaplaceMechanism",
        "threshold": "FixedThreshold",
        "noise_multiplier": 0.25,
        "nominal_epsilon": nominal,
        "accounted": {"epsilon": epsilon, "delta": 1e-4, "reason": reason},
    }


def by_target(**changes: Any) -> dict[str, Any]:
    """The privacy block of a method with a target, with all keys that a record has today."""
    block = {
        **private(8.0, None),
        "unit": "record",
        "clipping_norm": "l2",
        "target_epsilon": 8.0,
        "sampling": "shuffle",
        "units_per_step": 32,
        "secure": False,
        "audited": None,
        **changes,
    }
    more = {"accountant": "zCDP", "by_client": {"north": 8.0, "south": 7.0}, "not_covered": []}
    return {**block, "accounted": {**more, **block["accounted"]}}


def write_audit(
    folder: Path, method: str, epsilon: float = 1.529, privacy: Mapping[str, Any] | None = None, **record: Any
) -> Path:
    """Write an audit of client south; keys of what was found are taken from ``record`` too."""
    found = {
        "epsilon": epsilon,
        "confidence": 0.95,
        "delta": 1e-4,
        "canaries": 200,
        "client": "south",
        "accounted": 7.0,
        "checks": {"noise scale": {"passed": True, "reason": None}, "threshold": {"passed": None, "reason": "fixed"}},
        "verdict": "consistent",
    }
    found = {key: record.pop(key, value) for key, value in found.items()}
    canaries = {"client": found["client"], "count": found["canaries"], "included": 90, "records": 1}
    data = {"kind": "phantom", "fingerprint": "f" * 64, "canaries": canaries}
    block = {**(by_target() if privacy is None else privacy), "audited": found}
    return write_run(folder, method, None, privacy=block, **{"status": "trained", "data": data, **record})


def case_row(case: str, dice: float | None, region: str = "lesion", split: str = "test", **changes: Any) -> CaseScore:
    """One line of cases.csv; patient and client follow from the case's name."""
    owners = dict(zip(("patient", "client"), PATIENTS.get(case, (case, "north")), strict=True))
    score = dice or 0.0
    values = {
        "dice": dice,
        "iou": None if dice is None else dice / (2 - dice),
        "hd95": 10 * (1 - score),
        "nsd": score / 4,
    }
    values |= {name: changes.pop(name) for name in values if name in changes}
    found = {name: value for name, value in values.items() if value is not None}
    others = {"distance_unit": "px", "missed": dice == 0, **changes}
    return CaseScore(**{**owners, "case": case, "split": split, "region": region, "values": found, **others})


def record_content(method: str = "m", seed: int = 0, **record: Any) -> dict[str, Any]:
    """What run.json holds of a run made before records had a format version, with no more than must be there."""
    content = {
        "task": "toy",
        "method": method,
        "seed": seed,
        "status": "finished",
        "data": {"kind": "phantom", "fingerprint": "f" * 64},
        "privacy": NOT_PRIVATE,
        "rounds_completed": 3,
        "model": {"scored_round": 3, "parameters": 1234, "surface_tolerance": {"lesion": 2.0}},
        "started": "2026-01-01T00:00:00+00:00",
    }
    return {**content, **record, "federated": {"rounds": 3, **record.get("federated", {})}}


def record_of(**record: Any) -> RunRecord:
    """The same as the package reads it."""
    return parse_record(json.dumps(record_content(**record)).encode(), Path("run.json"))


def scored(folder: Path) -> ScoredRun:
    """Read a run with its scores."""
    return scored_run(Evidence.of(RunDirectory(folder)))


def write_run(
    folder: Path,
    method: str,
    dice: Mapping[str, float] | Sequence[CaseScore] | None,
    seed: int = 0,
    privacy: Mapping[str, Any] = NOT_PRIVATE,
    kind: str = "phantom",
    fingerprint: str | None = None,
    learning_rate: float = 0.1,
    **record: Any,
) -> Path:
    """Write a run with the given test Dice by case, or the given rows, or no scores."""
    directory = RunDirectory(folder)
    content = {
        "data": {"kind": kind, "fingerprint": fingerprint or ("f" if kind == "phantom" else "a") * 64},
        "privacy": privacy,
        "wall_seconds": 10.0 + seed,
        "peak_memory_mb": 100.0 + seed,
        "peak_gpu_memory_mb": None,
        "versions": {"python": "3.11", "torch": "2.9"},
        "git_revision": "0123456789abcdef",
        "config": {
            "seed_everything": seed,
            "model": {"init_args": {"lr": learning_rate}},
            "data": {"init_args": {"root": str(folder)}},
            "federated": {"rounds": 3, "seed": seed},
            "privacy": {"unit": privacy["unit"]},
        },
        **record,
    }
    content["config_sha256"] = config_sha256(content["config"])
    folder.mkdir(parents=True, exist_ok=True)
    directory.record_file.write_text(json.dumps(record_content(method, seed, **content), indent=2) + "\n")
    if dice is not None:
        rows = [case_row(*item) for item in dice.items()] if isinstance(dice, Mapping) else list(dice)
        directory.write_cases(rows)
    return folder


def write_rounds(
    folder: Path, clients: Sequence[str] = ("north", "south"), thresholds: bool = False, step: float = 0.2
) -> None:
    """Three rounds with a loss, a Dice that rises by ``step`` and, if asked for, each client's threshold and noise."""
    rows = []
    seed = RunDirectory(folder).read_record().seed
    for number in (1, 2, 3):
        rows += [
            RoundRow(number, "all", "val_dice", step * number),
            RoundRow(number, "all", "train_loss", step / number + 1e-6 * seed),  # no two seeds have the same
        ]
        if thresholds:
            rows += [RoundRow(number, name, "clipping_threshold", number + i) for i, name in enumerate(clients)]
            rows += [RoundRow(number, name, "noise_scale", (number + i) / 4) for i, name in enumerate(clients)]
    RunDirectory(folder).append_rounds(rows)


def write_examples(
    folder: Path,
    cases: Sequence[str],
    regions: int = 1,
    channels: int = 3,
    depth: int | None = None,
    models: Sequence[str] | None = None,
) -> None:
    """Write examples.npz with a square as the truth and a shifted one as the prediction of each region.

    Without ``models`` the file is as before models had a name.
    """
    grid = (16, 20) if depth is None else (16, 20, depth)
    truth = np.zeros((len(cases), regions, *grid), dtype=bool)
    truth[:, :, 4:10, 4:12] = True
    np.savez_compressed(
        RunDirectory(folder).examples_file,
        case=list(cases),
        client=[PATIENTS[case][1] for case in cases],
        image=np.random.default_rng(0).normal(size=(len(cases), channels, *grid)).astype(np.float32),
        truth=truth,
        prediction=np.roll(truth, 2, axis=2),
        **({} if models is None else {"model": list(models)}),
    )


def toy_runs(root: Path) -> Path:
    """The three methods of the golden table: fedavg with two seeds, dp_fl and adp_fl with one."""
    write_run(root / "fedavg0", "fedavg", {"a1": 0.9, "a2": 0.7, "b": 0.5})
    write_run(root / "fedavg1", "fedavg", {"a1": 0.8, "a2": 0.8, "b": 0.6}, seed=1)
    write_run(root / "dp", "dp_fl", {"a1": 0.6, "a2": 0.6, "b": 0.3}, privacy=private())
    write_run(root / "adp", "adp_fl", {"a1": 0.7, "a2": 0.7, "b": 0.4}, privacy=private(None))
    return root


def edit_record(folder: Path, **changes: Any) -> None:
    """Replace keys of a run.json; ``None`` removes one. Another configuration has its own hash."""
    path = folder / "run.json"
    if "config" in changes:
        changes = {"config_sha256": config_sha256(changes["config"]), **changes}
    record = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in record.items() if value is not None}))
