"""Guarantee of a run and why there is none: the one place that decides whether an epsilon is printed.

It fails closed: only for what :data:`~adpfl_bench.privacy.proofs.KNOWN` lists, or an author vouches for, is an epsilon
printed. Everything else runs as well, and claims nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from torch import nn

from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.ledger import CLAIMED, PLANNED, PrivacyUnit, Sampling
from adpfl_bench.privacy.lineage import PUBLIC
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.proofs import KNOWN, PartKind, ProofLine, find_proof
from adpfl_bench.privacy.rdp_curves import LEAST_NOISE
from adpfl_bench.privacy.thresholds import Threshold

THE_CLOCK = "the clock"
ONE_CLIENT = "what a single client sends, since the noise is that of a trusted sum over honest clients"
"""What an epsilon of a trusted sum is not about."""

_PUBLIC_MONITORS = (None, "epoch", "step")
_KNOWN_NAMES = frozenset(name.rpartition(".")[2] for proof in KNOWN for name in proof.names)
_T = TypeVar("_T")


class Part(NamedTuple):
    """A part of a run that the proof must know.

    Attributes:
        kind: What it is to the run.
        what: Its exact class, or a setting.
    """

    kind: PartKind
    what: type | str


class MonitoredChoice(NamedTuple):
    """A choice that a run makes by a number.

    Attributes:
        what: The choice, such as *stopping early*.
        monitor: Name of the number.
    """

    what: str
    monitor: str | None


@dataclass(frozen=True)
class PrivacySetting:
    """All that the proof has to know of a run.

    Attributes:
        unit: The privacy unit.
        threshold: Rule for the clipping threshold.
        mechanism: Law of the noise.
        noise_multiplier: z; ``None`` where it is yet to be solved for.
        sampling: How units are drawn into steps.
        parts: What else the run is made of, by exact class or setting.
        statistics: Layers of the network whose running statistics training changes.
        choices: What is chosen by a number that was computed from data.
        faults: What else was found that no line of the proof covers, a clause each.
        not_covered: What private data is used for besides.
        summed: Whether the sum of a round's deltas was found to be one that shared noise is proved for.
    """

    unit: PrivacyUnit
    threshold: Threshold | None
    mechanism: Mechanism | None
    noise_multiplier: float | None
    sampling: Sampling = "shuffle"
    parts: tuple[Part, ...] = ()
    statistics: tuple[str, ...] = ()
    choices: tuple[MonitoredChoice, ...] = ()
    faults: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    summed: bool = False


@dataclass(frozen=True)
class Guarantee:
    """What a proof supports of a run, or the reasons why nothing. During a run it can only become less.

    Attributes:
        lines: Lines of the proof that the run rests on.
        reasons: Why there is no guarantee, a clause each; empty where there is one.
        not_covered: What private data is used for that the guarantee does not cover.
        claimed: What authors state of their own classes, a clause each.
    """

    lines: tuple[ProofLine, ...] = ()
    reasons: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()

    @property
    def reason(self) -> str | None:
        """Why there is no guarantee, or ``None`` where there is one."""
        return "; ".join(self.reasons) or None

    @property
    def admitted(self) -> tuple[str, ...]:
        """What the guarantee does not cover, with what it rests on that is only claimed."""
        return (*self.not_covered, *(f"{CLAIMED} {claim}" for claim in self.claimed))

    def withdrawn(self, reason: str) -> Guarantee:
        """Return what is left when this was found."""
        return replace(self, reasons=_joined(self.reasons, (reason,)))

    def state_dict(self) -> dict[str, list[str]]:
        """Return what must not be forgotten, as plain lists."""
        names = ("reasons", "not_covered", "claimed")
        return {name: list(getattr(self, name)) for name in names}

    @classmethod
    def restored(cls, state: Mapping[str, Sequence[str]]) -> Guarantee:
        """Return what :meth:`state_dict` holds."""
        return cls(
            reasons=tuple(state.get("reasons", ())),
            not_covered=tuple(state.get("not_covered", ())),
            claimed=tuple(state.get("claimed", ())),
        )

    def with_earlier(self, other: Guarantee) -> Guarantee:
        """Return what holds for a run that had another guarantee before."""
        return Guarantee(
            _joined(other.lines, self.lines),
            _joined(other.reasons, self.reasons),
            _joined(other.not_covered, self.not_covered),
            _joined(other.claimed, self.claimed),
        )


def guarantee(setting: PrivacySetting) -> Guarantee:
    """Decide what a proof supports of a run with this setting."""
    threshold, mechanism = setting.threshold, setting.mechanism
    if setting.unit == "none" or threshold is None or mechanism is None:
        return Guarantee(reasons=("the method is not private: no noise is added",))
    z = setting.noise_multiplier
    if z is not None and not z >= LEAST_NOISE:
        return Guarantee(reasons=(f"the noise multiplier is {z:g}: clipping alone is not private",))
    parts = (Part("privacy unit", setting.unit), Part("sampling", setting.sampling), *setting.parts)
    by_norms = _by_norms(threshold)
    reasons = [by_norms] if by_norms else []
    if setting.statistics:
        reasons.append(
            f"running statistics of the network ({_names(setting.statistics)}) are computed from training images"
            " without noise"
        )
    fixed, known = setting.sampling == "fixed", setting.unit in ("record", "patient")
    if isinstance(mechanism, CorrelatedGaussianMechanism) and not (fixed and known):
        reasons.append("correlated noise is proved for the sampling fixed of the units record and patient alone")
    if mechanism.trust == "sum" and not setting.summed and not setting.faults:
        reasons.append(
            "noise that clients share is proved for the sum of a federation's updates alone, and nothing is of what"
            " each client sends, which an account counts"
        )
    reasons += [fault for part in (mechanism, threshold) for fault in replaced_methods(part)]
    lines = []
    for part in (Part("mechanism", type(mechanism)), Part("threshold rule", type(threshold)), *parts):
        line = find_proof(*part)
        if line is not None:
            lines.append(line)
        elif part.kind == "mechanism":
            reasons.append(f"no bound is known here for the noise of {_called(part.what)}")
        elif part.kind != "threshold rule" or not by_norms:
            reasons.append(f"the proof does not know the {part.kind} {_called(part.what)}")
    chosen = [] if mechanism.trust == "server" else [ONE_CLIENT]
    for choice in setting.choices:
        if choice.monitor in _PUBLIC_MONITORS:
            continue
        if str(choice.monitor).startswith("val_") or choice.monitor == THE_CLOCK:
            chosen.append(f"{choice.what} by {choice.monitor}")
        else:
            reasons.append(f"{choice.what} by {choice.monitor} follows a number that no noise covers")
    claimed = tuple(f"{line.name} ({line.statement.rstrip('.')})" for line in lines if line.claimed)
    return Guarantee(
        tuple(lines), _joined(reasons, setting.faults), _joined(chosen, setting.not_covered), _joined(claimed)
    )


def replaced_methods(part: object) -> Iterator[str]:
    """Name the methods of an object that are not its class's any more, a clause each."""
    kind = type(part)
    for name in vars(part):
        if callable(getattr(kind, name, None)):
            yield f"{name} of {kind.__name__} was replaced by another one"


def not_covered(
    unit: PrivacyUnit,
    settings: FederatedSettings,
    module: nn.Module,
    started_from: str | None,
    planned_on: str | None = None,
) -> tuple[str, ...]:
    """Name what a federation uses private data for that no epsilon of it covers.

    ``started_from`` says which data its weights started from, and ``planned_on`` which its settings were planned on, if
    any.
    """
    free = started_from in (None, "phantom", PUBLIC)
    weights = () if free else (f"weights that started from {started_from} data",)
    own_models = unit == "client" and settings.scored_models(module).headline != "global"
    planned = (PLANNED,) if planned_on not in (None, "public", "phantom") else ()
    return (*weights, *planned, *(("the clients' own models, if they leave them",) if own_models else ()))


def _by_norms(threshold: Threshold) -> str | None:
    """Why a rule proves nothing, if it says so or looks at norms as they are; no claim of its author outweighs that."""
    if threshold.unaccounted_reason is not None:
        return threshold.unaccounted_reason
    if threshold.needs_norms:
        return f"the threshold rule {_called(type(threshold))} sees the norms of gradients as they are"
    return None


def _called(what: type | str) -> str:
    """Name a class; with its module where it could be taken for a known one of the same name."""
    if isinstance(what, str):
        return what
    return f"{what.__module__}.{what.__qualname__}" if what.__name__ in _KNOWN_NAMES else what.__name__


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _joined(*groups: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(one for group in groups for one in group))
