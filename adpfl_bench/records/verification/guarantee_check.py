"""Check of the guarantee: an epsilon is stated only for what the proof knows, by the recorded configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adpfl_bench.privacy.proofs import KNOWN, PartKind
from adpfl_bench.privacy.rdp_curves import LEAST_NOISE
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.verification.config_values import arguments, class_name, class_paths, mapping
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

_PUBLIC_MONITORS = (None, "epoch", "step")
_PRECISIONS = {"None": "32-true", "32": "32-true", "64": "64-true"}
_STATISTICS = ("AttentionUnet",)
"""Networks that bring running statistics, whatever their arguments."""


def check_guarantee(evidence: Evidence) -> Iterator[Finding]:
    """Object to an epsilon where the record itself says why there can be none.

    What only the run could see, such as a hook or a class under another's name, no record tells.
    """
    record = evidence.record
    accounted = record.privacy.accounted
    if accounted.epsilon is None:
        return
    if reasons := list(_reasons(record)):
        yield Finding("guarantee", f"an epsilon is stated, but {reasons[0]}")


def _reasons(record: RunRecord) -> Iterator[str]:
    privacy = record.privacy
    if privacy.unit == "none":
        yield "the method is not private"
        return
    z = privacy.noise_multiplier
    if z is not None and not z >= LEAST_NOISE:
        yield f"the noise multiplier is {z:g}"
    claimed = {claim.split(" (")[0] for claim in privacy.accounted.claimed}
    for kind, what in _parts(record):
        if class_name(what) not in claimed and not _is_known(kind, what):
            yield f"the proof does not know the {kind} {class_name(what)}"
    task = arguments(record.config, "model")
    if task.get("network") in _STATISTICS or _has_batch_norm(mapping(task.get("network_arguments"))):
        yield "running statistics of the network are computed without noise"
    for what, monitor in _choices(record.config):
        if monitor in _PUBLIC_MONITORS or any(str(monitor) in text for text in privacy.accounted.not_covered):
            continue
        yield f"{what} by {monitor} is not covered"


def _parts(record: RunRecord) -> Iterator[tuple[PartKind, str]]:
    """What the run is made of, by class path or setting, as far as the record says."""
    privacy, config = record.privacy, record.config
    yield "privacy unit", privacy.unit
    settings = mapping(config.get("privacy"))
    for rule in (privacy.threshold, settings.get("threshold")):
        yield from (("threshold rule", path) for path in class_paths(rule))
    for law in (privacy.mechanism, settings.get("mechanism")):
        yield from (("mechanism", path) for path in class_paths(law))
    if privacy.sampling is not None:
        yield "sampling", privacy.sampling
    task = arguments(config, "model")
    federated, trainer = mapping(config.get("federated")), mapping(config.get("trainer"))
    yield from (
        ("local optimizer", path) for path in class_paths(federated.get("client_optimizer") or task.get("optimizer"))
    )
    yield from (("learning-rate schedule", path) for path in class_paths(task.get("lr_scheduler")))
    if privacy.unit == "client":
        yield from (("client method", path) for path in class_paths(federated.get("client_method")))
    yield from (("callback", path) for path in class_paths(trainer.get("callbacks")))
    yield from (("logger", path) for path in class_paths(trainer.get("logger")))
    if trainer:
        precision = str(trainer.get("precision"))
        yield "precision", _PRECISIONS.get(precision, precision)


def _choices(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What callbacks, or the schedule, choose by a number that they watch."""
    callbacks = mapping(config.get("trainer")).get("callbacks") or []
    for callback in callbacks if isinstance(callbacks, list) else [callbacks]:
        settings = mapping(mapping(callback).get("init_args"))
        if "monitor" in settings:
            yield f"a choice of {class_name(str(mapping(callback).get('class_path')))}", settings["monitor"]
    schedule = mapping(arguments(config, "model").get("lr_scheduler"))
    yield "a choice of learning rates", mapping(schedule.get("init_args")).get("monitor")


def _is_known(kind: PartKind, what: str) -> bool:
    """Whether the proof knows a class or setting; a class by its package and name, since modules move."""
    names = [name for proof in KNOWN if proof.kind == kind for name in proof.names]
    if "." not in what:
        return what in {class_name(name) for name in names}
    package, name = what.partition(".")[0], class_name(what)
    return (package, name) in {(known.partition(".")[0], class_name(known)) for known in names}


def _has_batch_norm(arguments: Mapping[str, Any]) -> bool:
    norms = (arguments.get("norm"), arguments.get("norm_name"))
    names = (norm[0] if isinstance(norm, list) and norm else norm for norm in norms)
    return any(str(name).lower().startswith("batch") for name in names)
