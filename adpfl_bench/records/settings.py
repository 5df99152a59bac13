"""Settings of runs: which are shared, and which differ."""

import json
from collections.abc import Mapping
from typing import Any

from adpfl_bench.public_names import with_public_names
from adpfl_bench.records.digests import json_sha256

_SECTIONS = ("model", "data", "federated", "privacy")
_TRAINER = ("precision", "limit_train_batches", "overfit_batches", "accumulate_grad_batches", "gradient_clip_val")
_CLASS = ".class_path"
_MANY = 6
SEED = "federated.seed"
ACCOUNT = "privacy.account"
SPEED = (
    "data.init_args.cache_directory",
    "data.init_args.memory_budget_gib",
    "data.init_args.num_workers",
    "data.init_args.evaluation_batch_size",
    "data.init_args.phantom_directory",
)
"""Settings that change how fast a run is, and not what comes out."""

# Where a run was made or accounted, not what it computes; the data themselves are compared by their fingerprint, and
# what cross_scores changes in what a run is judged by is its headline. Scores of challenges stand beside the others.
_PLACE = (
    SEED,
    ACCOUNT,
    "federated.cross_scores",
    "model.init_args.challenge_scores",
    "data.init_args.root",
    *SPEED,
)


def flatten_settings(config: Mapping[str, Any], as_written: bool = False) -> dict[str, str]:
    """Flatten what can change the scores of a resolved configuration, the seed left out.

    Args:
        config: The ``config`` of a run record.
        as_written: Leave class paths as the record has them, in place of their public names.

    Returns:
        Values as JSON, by dotted key.
    """
    return {key: value for key, value in flatten_config(config, as_written).items() if key not in _PLACE}


def flatten_config(config: Mapping[str, Any], as_written: bool = False) -> dict[str, str]:
    """As :func:`flatten_settings`, with the seed, and with what says where a run is made and how fast."""
    flat: dict[str, str] = {}
    for section in _SECTIONS:
        _flatten(section, config.get(section), flat)
    trainer = config.get("trainer") or {}
    for name in _TRAINER:
        if name in trainer:
            _flatten(f"trainer.{name}", trainer[name], flat)
    return {key: flat[key] if as_written else with_public_names(flat[key]) for key in sorted(flat)}


def settings_digest(settings: Mapping[str, str]) -> str:
    """Eight hexadecimal digits that tell settings apart."""
    return json_sha256(settings)[:8]


def differences(named: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Find the settings that are not the same everywhere.

    Returns:
        By key, each name's value; ``unset`` stands for a key that it does not have.
    """
    keys = sorted({key for settings in named.values() for key in settings})
    table = {key: {name: settings.get(key, "unset") for name, settings in named.items()} for key in keys}
    return {key: values for key, values in table.items() if len(set(values.values())) > 1}


def object_differences(named: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """As :func:`differences`, with one entry for objects of other classes, whose arguments cannot be compared singly.

    Returns:
        By key, each name's value. Such an object is shown as ``torch.optim.SGD(lr=0.3)``, without arguments that are
        false or null.
    """
    found = differences(named)
    for path in sorted((key for key in found if key.endswith(_CLASS)), key=len):
        if path in found:
            prefix = path.removesuffix(_CLASS)
            found = {key: values for key, values in found.items() if not key.startswith(f"{prefix}.")}
            found[prefix] = {name: _object(settings, prefix) for name, settings in named.items()}
    return {key: found[key] for key in sorted(found)}


def describe_difference(key: str, values: Mapping[str, str]) -> str:
    """Say in words who has which value of a setting."""
    owners: dict[str, list[str]] = {}
    for name, value in values.items():
        owners.setdefault(value, []).append(name)
    most = max(owners.values(), key=len)
    if len(owners) > 1 and len(most) > _MANY:
        others = {value: names for value, names in owners.items() if names is not most}
        owners = {**others, values[most[0]]: [f"the other {len(most)}"]}
    return f"{key} is " + ", ".join(f"{value} ({', '.join(names)})" for value, names in owners.items())


def _object(settings: Mapping[str, str], prefix: str) -> str:
    if f"{prefix}{_CLASS}" not in settings:
        return settings.get(prefix, "unset")
    start = f"{prefix}.init_args."
    shown = (key for key in sorted(settings) if key.startswith(start) and settings[key] not in ("false", "null"))
    arguments = ", ".join(f"{key.removeprefix(start)}={settings[key]}" for key in shown)
    return f"{json.loads(settings[prefix + _CLASS])}({arguments})"


def _flatten(key: str, value: Any, flat: dict[str, str]) -> None:
    if isinstance(value, Mapping) and value:
        for name, below in value.items():
            _flatten(f"{key}.{name}", below, flat)
    else:
        flat[key] = json.dumps(value, default=str)
