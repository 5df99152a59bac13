"""Audits among the runs: what they found, and whose privacy they tell of."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.scored_run import progress
from adpfl_bench.privacy.audit.verdict import CONSISTENT, SOUND
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.settings import describe_difference, differences, flatten_settings

_RULES = ("unit", "adjacency", "mechanism", "clipping_norm", "threshold", "sampling", "units_per_step")
_OWNERS = ("runs", "audit")


@dataclass(frozen=True)
class Audit:
    """A lower bound on the epsilon of one client of a run with canaries.

    Attributes:
        folder: Where the audit is.
        record: What its run.json holds.
        epsilon: The bound.
        confidence: Probability that it is not too high.
        delta: The delta that it is stated at.
        canaries: Number of canaries.
        client: Whom they joined.
        accounted: What is accounted for this client of this run; ``None`` where nothing is proved.
        problems: Failed checks by name, and whether the bound exceeds what is accounted.
    """

    folder: Path
    record: dict[str, Any]
    epsilon: float
    confidence: float
    delta: float
    canaries: int
    client: str
    accounted: float | None
    problems: tuple[str, ...]

    @property
    def task(self) -> str:
        """Name of the task."""
        return str(self.record["task"])

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.record["method"])

    @property
    def who(self) -> str:
        """Tells apart the audits of a method."""
        return f"client {self.client}, seed {self.record['seed']}"

    @property
    def bound(self) -> str:
        """The bound as tables show it."""
        return bound_text(self.epsilon, self.confidence, self.canaries)

    @property
    def findings(self) -> str:
        """What was found, in one line."""
        accounted = "none" if self.accounted is None else f"{self.accounted:.4g}"
        outcome = "! " + "; ".join(self.problems) if self.problems else "no check failed"
        return f"epsilon {self.bound} at delta {self.delta:g}, accounted {accounted}; {outcome}"


def bound_text(epsilon: float, confidence: float, canaries: int) -> str:
    """A lower bound, rounded down.

    Example:
        >>> bound_text(1.529, 0.95, 200)
        '>= 1.52 (95 %, 200 canaries)'
    """
    floor = Decimal(repr(epsilon)).quantize(Decimal("0.01"), ROUND_FLOOR)
    return f">= {floor} ({100 * confidence:g} %, {canaries} canaries)"


def audit_record(folder: Path) -> dict[str, Any] | None:
    """The record of an audit; ``None`` for a folder that holds another run, or none that can be read."""
    try:
        record = RunDirectory(folder).read_record()
    except RecordError:
        return None
    data = record.get("data") if isinstance(record, dict) else None
    return record if isinstance(data, dict) and data.get("canaries") is not None else None


def read_audit(folder: Path, record: dict[str, Any]) -> Audit:
    """Take from an audit's record what tables need.

    Args:
        folder: The audit's folder.
        record: What its run.json holds.

    Raises:
        RecordError: Why nothing can be said of it.
    """
    try:
        found = record["privacy"]["audited"]
        if found is None:
            raise RecordError(f"unfinished: {record.get('status')}{progress(record)}")
        accounted = found.get("accounted")
        audit = Audit(
            folder,
            {**record, "task": str(record["task"]), "method": str(record["method"]), "seed": int(record["seed"])},
            float(found["epsilon"]),
            float(found["confidence"]),
            float(found["delta"]),
            int(found["canaries"]),
            str(found["client"]),
            None if accounted is None else float(accounted),
            tuple(_problems(found)),
        )
        privacy_settings(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"its run.json does not say what was found ({error!r})") from None
    if not math.isfinite(audit.epsilon):
        raise RecordError(f"its run.json has no usable bound, but {audit.epsilon}")
    return audit


def _problems(found: Mapping[str, Any]) -> list[str]:
    checks = found.get("checks") or {}
    failed = {name: check.get("reason") for name, check in checks.items() if check.get("passed") is False}
    problems = [f"check {name} failed" + (f" ({reason})" if reason else "") for name, reason in failed.items()]
    epsilon, accounted = found["epsilon"], found.get("accounted")
    if accounted is not None and epsilon > accounted:
        problems.append(f"audited {epsilon:.4g} exceeds accounted {accounted:.4g}")
    verdict = found.get("verdict") or CONSISTENT
    return problems or ([] if verdict in SOUND else [str(verdict)])


def privacy_settings(record: Mapping[str, Any]) -> dict[str, str]:
    """What defines a method's privacy, as JSON by name; what an older record does not state is not in it.

    Noise that is solved for a target is stated by the target, since it depends on the numbers of units.
    """
    privacy = record["privacy"]
    if privacy["unit"] == "none":
        return {"unit": '"none"'}
    values = {name: privacy[name] for name in _RULES if name in privacy}
    target = values["target_epsilon"] = privacy.get("target_epsilon")
    values["secure"] = bool(privacy.get("secure"))
    if target is None:
        values["noise_multiplier"] = privacy.get("noise_multiplier")
    else:
        values["delta"] = privacy["accounted"]["delta"]
    stated = {name: json.dumps(float(v) if type(v) is int else v) for name, v in values.items()}
    for key, value in flatten_settings(record.get("config") or {}).items():
        if key == "privacy.normalize" or (key.startswith("privacy.") and ".init_args" in key):
            stated[key.removeprefix("privacy.")] = value
    return stated


def privacy_differences(record: Mapping[str, Any], audit: Audit) -> list[str]:
    """How the privacy of a run differs from that of an audit; empty where the audit tells of the run.

    Args:
        record: What the run's run.json holds.
        audit: The audit.
    """
    run, audited = privacy_settings(record), privacy_settings(audit.record)
    shared = run.keys() & audited.keys()
    return _described({key: run[key] for key in shared}, {key: audited[key] for key in shared})


def other_differences(record: Mapping[str, Any], audit: Audit) -> list[str]:
    """What else an audit has otherwise than a run: data, network, federation."""
    run, audited = (
        {key: value for key, value in flatten_settings(found.get("config") or {}).items() if not _is_privacy(key)}
        for found in (record, audit.record)
    )
    if not (run and audited):  # made without the command line, so the record has no configuration
        run, audited = {}, {}
    for settings, found in ((run, record), (audited, audit.record)):
        settings["kind of data"] = str(found["data"].get("kind"))
        if record["data"].get("kind") == audit.record["data"].get("kind"):
            settings["fingerprint of the data"] = str(found["data"].get("fingerprint"))[:8]
    return _described(run, audited)


def audits_beside(folder: Path, record: Mapping[str, Any]) -> list[Audit]:
    """Audits that tell of a run and lie where ``adpfl-bench audit`` puts them: next to it.

    Args:
        folder: The run's folder.
        record: What its run.json holds.
    """
    audits = []
    for path in sorted(folder.resolve().parent.glob("*/run.json")):
        found = audit_record(path.parent)
        try:
            audit = read_audit(path.parent, found) if found is not None else None
        except RecordError:
            continue
        if audit is None or (audit.task, audit.method) != (str(record["task"]), str(record["method"])):
            continue
        if not privacy_differences(record, audit):
            audits.append(audit)
    return audits


def strongest(audits: Sequence[Audit]) -> Audit | None:
    """The audit with the largest bound."""
    return max(audits, key=lambda audit: audit.epsilon, default=None)


def contradictions(audits: Sequence[Audit], accounted: float | None, delta: float | None) -> list[str]:
    """What audits hold against the runs that they tell of: failed checks, and bounds above what is accounted.

    Args:
        audits: The audits.
        accounted: The epsilon that is accounted for the runs.
        delta: The delta that it holds at; a bound at a smaller one may be larger.
    """
    found = [f"{problem} in the audit of {audit.who}" for audit in audits for problem in audit.problems]
    for audit in audits:
        above_own = audit.accounted is not None and audit.epsilon > audit.accounted
        if accounted is None or above_own or audit.epsilon <= accounted or audit.delta < (delta or 0.0):
            continue
        own = "nothing" if audit.accounted is None else f"{audit.accounted:.4g}"
        found.append(
            f"audited {audit.epsilon:.4g} exceeds accounted {accounted:.4g} in the audit of {audit.who}, which itself"
            f" accounts for {own}"
        )
    return found


def _is_privacy(key: str) -> bool:
    return key == "privacy" or key.startswith("privacy.")


def _described(run: Mapping[str, str], audited: Mapping[str, str]) -> list[str]:
    found = differences(dict(zip(_OWNERS, (run, audited), strict=True)))
    return [describe_difference(key, values) for key, values in found.items()]
