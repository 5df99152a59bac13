"""Checks of a private run at its start, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Trainer
from torch import nn

from adpfl_bench.errors import ConfigError, check_choice
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.release_plan import PRIVACY_UNITS, SAMPLINGS
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.text import count

_LARGEST_DELTA = 0.01


def check_settings(
    unit: str,
    sampling: str,
    delta: float,
    units_per_step: int | None,
    memory_budget: float,
    nominal_epsilon: float | None,
    views: int = 1,
) -> None:
    """Refuse, by a ConfigError, values that are out of range, whatever the method."""
    check_choice("privacy.unit", unit, PRIVACY_UNITS)
    check_choice("privacy.sampling", sampling, SAMPLINGS)
    if not 0 < delta < 1:
        raise ConfigError(f"privacy.delta must lie between 0 and 1, but it is {delta}.")
    if units_per_step is not None and units_per_step < 1:
        raise ConfigError(f"privacy.units_per_step must be at least 1, but it is {units_per_step}.")
    if views < 1:
        raise ConfigError(f"privacy.views must be at least 1, but it is {views}.")
    if views > 1 and unit not in ("record", "patient"):
        raise ConfigError(
            f"privacy.views is {views}, but with privacy.unit {unit} no example's gradient is clipped by itself: leave"
            " it at 1, or use the unit record or patient."
        )
    if not 0 < memory_budget < math.inf:
        raise ConfigError(f"privacy.memory_budget is a finite number of MiB above 0, but it is {memory_budget}.")
    if nominal_epsilon is not None and not 0 < nominal_epsilon < math.inf:
        raise ConfigError(
            f"privacy.nominal_epsilon is what a method's authors state, a finite number above 0, but it is"
            f" {nominal_epsilon}; where they state none it is null."
        )


def check_method(
    unit: str,
    threshold: Threshold | None,
    mechanism: Mechanism | None,
    noise_multiplier: float | None,
    target_epsilon: float | None,
    sampling: str,
) -> None:
    """Refuse, by a ConfigError, settings of a private method that do not go together."""
    if threshold is None or mechanism is None:
        raise ConfigError(f"privacy.unit is {unit}, so privacy.threshold and privacy.mechanism must be given too.")
    if (noise_multiplier is None) == (target_epsilon is None):
        raise ConfigError(
            "The noise is set either by privacy.noise_multiplier or by privacy.target_epsilon: give one and leave the"
            f" other null; they are {noise_multiplier} and {target_epsilon}."
        )
    if noise_multiplier is not None and not (noise_multiplier >= 0 and math.isfinite(noise_multiplier)):
        raise ConfigError(
            "privacy.noise_multiplier is a noise scale in units of the threshold and must be at least 0, but it is"
            f" {noise_multiplier}."
        )
    if target_epsilon is not None and not 0 < target_epsilon < math.inf:
        raise ConfigError(f"privacy.target_epsilon must be greater than 0 and finite, but it is {target_epsilon}.")
    if sampling == "poisson" and unit not in ("record", "patient"):
        raise ConfigError(
            f"privacy.sampling is poisson, but with privacy.unit {unit} nothing is gained by sampling: use shuffle, or"
            " the unit record or patient."
        )
    if sampling == "fixed" and unit not in ("record", "patient"):
        raise ConfigError(
            f"privacy.sampling is fixed, which keeps units in their batches, but privacy.unit is {unit}: use the unit"
            " record or patient, or shuffle."
        )
    if isinstance(mechanism, CorrelatedGaussianMechanism) and sampling != "fixed":
        raise ConfigError(
            "CorrelatedGaussianMechanism needs to know when a unit comes again, but privacy.sampling is"
            f" {sampling}: use fixed, with the unit record or patient."
        )
    if unit == "batch" and threshold.statistic_sensitivity > 0:
        raise ConfigError(
            f"{type(threshold).__name__} counts units, but with privacy.unit batch there is one gradient for all of"
            " them: use the unit record, patient or client."
        )


def check_plain(unit: str, views: int) -> None:
    """Refuse, by a ConfigError, what a run on a plain DataLoader cannot do."""
    if unit not in ("batch", "record"):
        raise ConfigError(
            f"privacy.unit is {unit}, but without a FederatedLoop only an example is known: use record (or batch), or"
            " add a FederatedLoop to the Trainer's callbacks and give it a FederatedDataModule."
        )
    if views > 1:
        raise ConfigError(
            f"privacy.views is {views}, but a DataLoader of one's own brings each example once: leave it at 1, or train"
            " under a FederatedLoop."
        )


def check_delta(delta: float, unit: str, sizes: Mapping[str, int], word: str, called: str = "privacy.delta") -> None:
    """Refuse a delta at which units might be published outright, by the number of units of each client.

    An (epsilon, delta)-DP method may publish each unit with probability delta, so delta is at most one in a hundred,
    and so small that fewer than half a unit of any client's may be expected to be. ``word`` is the dataset's for one,
    ``called`` what delta is called.

    Raises:
        ConfigError: delta is above 1/100, or above 1 / (2 units of the largest client); for clients, 1 / (2 clients).
    """
    largest, units = max(sizes.items(), key=lambda item: item[1])
    who = f"client {largest} has {count(units, f'training {word}')}"
    if unit == "client":
        units, who = len(sizes), f"there are {len(sizes)} clients"
    limit = min(_LARGEST_DELTA, 1 / (2 * units))
    if delta > limit:
        because = "it is the probability" if limit == _LARGEST_DELTA else f"{who}, and it is the probability"
        raise ConfigError(
            f"{called} is {delta}, but it must be at most {limit:.2g}: {because} with which a unit might be"
            " published outright."
        )


def check_private_trainer(trainer: Trainer) -> None:
    """Refuse Trainer settings that would change what a privacy mechanism releases.

    Raises:
        ConfigError: Gradient clipping by the Trainer, or a precision that scales the loss.
    """
    settings: Any = trainer
    if settings.gradient_clip_val is not None:
        raise ConfigError(
            f"trainer.gradient_clip_val is {settings.gradient_clip_val} and privacy.unit is not none; the Trainer would"
            " clip again after the noise. Remove it: privacy.threshold does the clipping."
        )
    if settings.precision == "16-mixed":
        raise ConfigError(
            "trainer.precision is 16-mixed, but private gradients need 32-true, 64-true or bf16-mixed: the loss scaling"
            " of fp16 skips steps and scales what is clipped."
        )


def check_private_task(task: FederatedTask) -> None:
    """Refuse a task whose examples cannot be told apart in its gradient.

    Raises:
        ConfigError: A layer mixes the examples of a batch.
    """
    for name, layer in task.named_modules():
        # Instance normalisation is of the same base class, and mixes nothing unless it keeps running statistics.
        mixes = isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.SyncBatchNorm)
        if mixes or (isinstance(layer, nn.modules.batchnorm._NormBase) and layer.track_running_stats):
            raise ConfigError(
                f"{name} is {type(layer).__name__}, whose statistics mix the examples of a batch, so that a single"
                " unit's gradient is not defined; use instance or group normalisation"
                " (model.network_arguments.norm: INSTANCE)."
            )


def check_room(engine: PrivacyEngine, module: nn.Module, sizes: Mapping[str, int]) -> None:
    """Refuse sums that do not fit into what carries them; ``sizes`` are the clients' numbers of units.

    Raises:
        ConfigError: The mechanism has no room for them.
    """
    assert engine.sums is not None
    if engine.sums.noise_multiplier > 0:
        coordinates = sum(p.numel() for p in module.parameters() if p.requires_grad)
        units = len(sizes) if engine.unit == "client" else sum(sizes.values())
        engine.sums.mechanism.check_room(engine.sums.sum_multiplier, coordinates, len(sizes), units)


def check_private_federation(unit: str, federation: FederatedSettings) -> None:
    """Refuse a federation whose clients send, or keep, what the unit's noise does not reach.

    Raises:
        ConfigError: The unit is the client and clients do not send (only) a delta, or there are no clients.
    """
    reason = federation.client_method.refused_units.get(unit)
    if reason is not None:
        raise ConfigError(
            f"{type(federation.client_method).__name__} cannot be combined with privacy.unit {unit}: {reason}. Use a"
            " unit whose noise is added to the gradients, record or patient."
        )
    if unit == "client" and federation.pooled:
        raise ConfigError(
            "privacy.unit is client, but with federated.pooled there are no clients: use the unit record or patient."
        )
