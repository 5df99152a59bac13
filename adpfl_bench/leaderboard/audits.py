"""Audits among the runs: what they found, and whose privacy they tell of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import cached_property
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.audit.verdict import SOUND
from adpfl_bench.records.blocks import AuditedBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.settings import describe_difference, differences, flatten_settings

_NETWORK = ("model.init_args.network", "model.class_path")
_OWNERS = ("runs", "audit")
_RULES = ("unit", "adjacency", "mechanism", "clipping_norm", "threshold", "sampling", "units_per_step", "views")


@dataclass(frozen=True)
class Audit:
    """A lower bound on the epsilon of one client of a run with canaries.

    Attributes:
        folder: Where the audit is.
        record: What its run.json holds.
        found: What was found.
    """

    folder: Path
    record: RunRecord
    found: AuditedBlock

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Failed checks by name, and whether the bound exceeds what is accounted."""
        found = self.found
        failed = {name: check.reason for name, check in found.checks.items() if check.passed is False}
        problems = [f"check {name} failed" + (f" ({reason})" if reason else "") for name, reason in failed.items()]
        if found.accounted is not None and found.epsilon > found.accounted:
            problems.append(f"audited {found.epsilon:.4g} exceeds accounted {found.accounted:.4g}")
        if problems or found.verdict is None or found.verdict in SOUND:
            return tuple(problems)
        return (found.verdict,)

    @property
    def who(self) -> str:
        """Tells apart the audits of a method."""
        return f"client {self.found.client}, seed {self.record.seed}"

    @property
    def bound(self) -> str:
        """The bound as tables show it."""
        return bound_text(self.found.epsilon, self.found.confidence, self.found.canaries)

    @property
    def findings(self) -> str:
        """What was found, in one line."""
        accounted = "none" if self.found.accounted is None else f"{self.found.accounted:.4g}"
        outcome = "! " + "; ".join(self.problems) if self.problems else "no check failed"
        return f"epsilon {self.bound} at delta {self.found.delta:g}, accounted {accounted}; {outcome}"


def bound_text(epsilon: float, confidence: float, canaries: int) -> str:
    """Return a lower bound, rounded down.

    Example:
        >>> bound_text(1.529, 0.95, 200)
        '>= 1.52 (95 %, 200 canaries)'
    """
    floor = Decimal(repr(epsilon)).quantize(Decimal("0.01"), ROUND_FLOOR)
    return f">= {floor} ({100 * confidence:g} %, {canaries} canaries)"


def privacy_settings(record: RunRecord) -> dict[str, str]:
    """Take what defines a method's privacy, as JSON by name, leaving out what an older record does not state.

    Noise that is solved for a target is stated by the target, since it depends on the numbers of units.
    """
    privacy = record.privacy
    if privacy.unit == "none":
        return {"unit": '"none"'}
    values: dict[str, object] = {name: getattr(privacy, name) for name in _RULES if name in privacy.model_fields_set}
    if privacy.units_per_step is not None:
        values["units_per_step"] = float(privacy.units_per_step)
    values["target_epsilon"] = privacy.target_epsilon
    values["secure"] = bool(privacy.secure)
    if privacy.target_epsilon is None:
        values["noise_multiplier"] = privacy.noise_multiplier
    else:
        values["delta"] = privacy.accounted.delta
    stated = {name: json.dumps(value) for name, value in values.items()}
    for key, value in flatten_settings(record.config).items():
        if key == "privacy.normalize" or (key.startswith("privacy.") and ".init_args" in key):
            stated[key.removeprefix("privacy.")] = value
    return stated


def privacy_differences(record: RunRecord, audit: Audit) -> list[str]:
    """Say how a run's privacy differs from an audit's; empty where the audit tells of the run."""
    return _described(privacy_settings(record), privacy_settings(audit.record), shared=True)


def audit_differences(record: RunRecord, audit: Audit) -> list[str]:
    """Say why an audit does not tell of a run: other privacy, data or network; empty where it tells of it."""
    return [*privacy_differences(record, audit), *_described(_subject(record), _subject(audit.record), shared=True)]


def other_differences(record: RunRecord, audit: Audit) -> list[str]:
    """Say what an audit that tells of a run has otherwise all the same: learning rates, federation, place."""
    run, audited = (
        {key: value for key, value in flatten_settings(found.config).items() if not _is_privacy(key)}
        for found in (record, audit.record)
    )
    if not (run and audited):  # made without the command line, so the record has no configuration
        return []
    return _described(run, audited)


def _subject(record: RunRecord) -> dict[str, str]:
    """What a run is about, by name, as far as its record states it: whose numbers they are, and of which network."""
    data, model = record.data, record.model
    found = {
        "kind of data": data.kind,
        "fingerprint of the data": data.fingerprint[:8],
        "contents of the data": None if data.contents is None else data.contents.root[:8],
        "class of the task": model.class_name,
        "number of parameters": model.parameters,
    }
    settings = flatten_settings(record.config)
    networks = {key: value for key, value in settings.items() if key.startswith(_NETWORK)}
    return {**{name: str(value) for name, value in found.items() if value is not None}, **networks}


def audits_beside(folder: Path, record: RunRecord) -> list[Audit]:
    """Audits that tell of a run and lie where ``adpfl-bench audit`` puts them: next to it."""
    audits = []
    for path in sorted(folder.resolve().parent.glob("*/run.json")):
        try:
            other = RunDirectory(path.parent).read_record()
        except RecordError:
            continue
        if other.privacy.audited is None:
            continue
        audit = Audit(path.parent, other, other.privacy.audited)
        if (other.task, other.method) == (record.task, record.method) and not audit_differences(record, audit):
            audits.append(audit)
    return audits


def strongest(audits: Sequence[Audit]) -> Audit | None:
    """Return the audit with the largest bound."""
    return max(audits, key=lambda audit: audit.found.epsilon, default=None)


def contradictions(audits: Sequence[Audit], accounted: float | None, delta: float | None) -> list[str]:
    """List what audits hold against the runs that they tell of: failed checks, bounds above what is accounted.

    Args:
        audits: The audits.
        accounted: The epsilon that is accounted for the runs.
        delta: The delta that it holds at; a bound at a smaller one may be larger.
    """
    found = [f"{problem} in the audit of {audit.who}" for audit in audits for problem in audit.problems]
    for audit in audits:
        own, bound = audit.found.accounted, audit.found.epsilon
        above_own = own is not None and bound > own
        if accounted is None or above_own or bound <= accounted or audit.found.delta < (delta or 0.0):
            continue
        found.append(
            f"audited {bound:.4g} exceeds accounted {accounted:.4g} in the audit of {audit.who}, which itself"
            f" accounts for {'nothing' if own is None else f'{own:.4g}'}"
        )
    return found


def _is_privacy(key: str) -> bool:
    return key == "privacy" or key.startswith("privacy.")


def _described(run: Mapping[str, str], audited: Mapping[str, str], shared: bool = False) -> list[str]:
    """Put differences into words; ``shared``: of what both state alone."""
    if shared:
        names = run.keys() & audited.keys()
        run, audited = ({name: own[name] for name in names} for own in (run, audited))
    found = differences(dict(zip(_OWNERS, (run, audited), strict=True)))
    return [describe_difference(key, values) for key, values in found.items()]
