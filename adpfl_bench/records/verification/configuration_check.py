"""Check of the configuration: against its hash, and against what the record says of the run that was made by it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adpfl_bench.records.digests import config_sha256
from adpfl_bench.records.protected import protected
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.verification.config_values import MISSING, arguments, class_name, class_paths, mapping
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

_FEDERATED = (
    "rounds", "seed", "participation", "clients_per_round", "local_epochs", "local_steps", "availability", "dropout",
    "straggling", "straggler_work", "fine_tuning_epochs", "client_optimizer_state", "buffers", "local_parameters",
    "fine_tuning_rate", "pooled",
)  # fmt: skip
_PRIVATE = ("nominal_epsilon", "target_epsilon", "sampling", "secure")


def check_configuration(evidence: Evidence) -> Iterator[Finding]:
    """Compare the configuration with its hash and with the record; runs from Python have none.

    Settings that a configuration of another version does not state are passed over.
    """
    record = evidence.record
    stated = record.config_sha256
    if stated is not None and (found := config_sha256(record.config)) != stated:
        yield Finding("configuration", f"its hash is {found[:8]}, but run.json states {stated[:8]}")
    differences = [
        f"{key} is {_shown(ours)} in run.json and {_shown(theirs)} in its configuration"
        for key, ours, theirs in _pairs(record)
        if theirs is not MISSING and ours != theirs
    ]
    if differences:
        more = f", and {len(differences) - 1} more differ" if len(differences) > 1 else ""
        yield Finding("configuration", f"{differences[0]}{more}")
    word = _protected(record)
    if word is not None and word != record.privacy.protects:
        text = f"the unit {record.privacy.unit} protects one {word}, and not one {record.privacy.protects}"
        yield Finding("configuration", text)


def _protected(record: RunRecord) -> str | None:
    """The dataset's word for the unit; ``None`` where a record does not say what its ids identify."""
    unit, data = record.privacy.unit, record.data
    if record.privacy.protects is None or (
        unit in ("record", "patient") and None in (data.example_is, data.patient_id_is)
    ):
        return None
    return protected(unit, data.example_is or "record", data.patient_id_is or "patient id")


def _pairs(record: RunRecord) -> Iterator[tuple[str, Any, Any]]:
    """What the record and the configuration both state: key, and either's value."""
    config, federated, privacy = record.config, record.federated, record.privacy
    yield "task", record.task, config.get("task", MISSING)
    yield "method", record.method, config.get("method", MISSING)
    yield "seed", record.seed, config.get("seed_everything", MISSING)
    settings = mapping(config.get("federated"))
    yield "seed", record.seed, settings.get("seed", MISSING)
    for name in _FEDERATED:
        if name in federated.model_fields_set:
            yield f"federated.{name}", _plain(getattr(federated, name)), settings.get(name, MISSING)
    if "held_out_clients" in federated.model_fields_set:
        held_out = settings.get("held_out_clients", MISSING) or []
        yield "federated.held_out_clients", list(federated.held_out_clients), held_out
    if federated.aggregation_weights is not None:
        rule = settings.get("aggregation_weights", MISSING)
        yield "federated.aggregation_weights", federated.aggregation_weights.rule, rule
    if federated.client_method is not None:
        yield "federated.client_method", federated.client_method.class_name, _class(settings, "client_method")
    if federated.aggregator is not None:
        yield "federated.aggregator", federated.aggregator.class_name, _class(settings, "aggregator")
    settings = mapping(config.get("privacy"))
    yield "privacy.unit", privacy.unit, settings.get("unit", MISSING)
    yield "privacy.accounted.delta", privacy.accounted.delta, settings.get("delta", MISSING)
    if privacy.unit != "none":
        for name in _PRIVATE:
            if name in privacy.model_fields_set:
                yield f"privacy.{name}", getattr(privacy, name), settings.get(name, MISSING)
        if privacy.target_epsilon is None:
            z = settings.get("noise_multiplier", MISSING)
            yield "privacy.noise_multiplier", privacy.noise_multiplier, z
        yield "privacy.threshold", privacy.threshold, _class(settings, "threshold")
        yield "privacy.mechanism", privacy.mechanism, _class(settings, "mechanism")
        if (views := settings.get("views")) is not None and privacy.views is not None:
            yield "privacy.views", privacy.views, views
        if (steps := settings.get("units_per_step")) is not None and privacy.units_per_step is not None:
            yield "privacy.units_per_step", privacy.units_per_step, steps
    yield "model.class", record.model.class_name, _class(config, "model") if record.model.class_name else MISSING
    yield "data.datamodule", record.data.datamodule, _class(config, "data") if record.data.datamodule else MISSING
    if "split_seed" in record.data.model_fields_set:
        given = arguments(config, "data")
        yield "data.split_seed", record.data.split_seed, given.get("split_seed", MISSING)


def _class(settings: Mapping[str, Any], key: str) -> Any:
    """Name of the class of a setting; missing where the configuration leaves the choice to the suite."""
    return next(map(class_name, class_paths(settings.get(key))), MISSING)


def _plain(value: Any) -> Any:
    """A value as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)
