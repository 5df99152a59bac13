"""Guarantee of a method and why there is none: the one place that decides whether an epsilon is printed."""

from __future__ import annotations

from torch import nn

from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.rdp_curves import ACCOUNTED_MECHANISMS, LEAST_NOISE
from adpfl_bench.privacy.thresholds import Threshold


def no_guarantee(
    unit: PrivacyUnit,
    threshold: Threshold | None,
    mechanism: Mechanism | None,
    noise_multiplier: float,
    sends_buffers: bool,
) -> str | None:
    """Say why nothing can be accounted for a method, or return ``None``.

    ``sends_buffers`` says whether running statistics of the network leave the client.
    """
    if unit == "none" or threshold is None or mechanism is None:
        return "the method is not private: no noise is added"
    if noise_multiplier < LEAST_NOISE:
        return f"the noise multiplier is {noise_multiplier:g}: clipping alone is not private"
    if sends_buffers:
        return "running statistics of the network leave the client without noise"
    if type(mechanism).__name__ not in ACCOUNTED_MECHANISMS:
        return f"no bound is known here for the noise of {type(mechanism).__name__}"
    return threshold.unaccounted_reason


def not_covered(
    unit: PrivacyUnit, settings: FederatedSettings, module: nn.Module, started_from: str | None
) -> tuple[str, ...]:
    """Name what a federation uses private data for that no epsilon of it covers.

    ``started_from`` says which data its weights started from, if any.
    """
    weights = (f"weights that started from {started_from} data",) if started_from not in (None, "phantom") else ()
    own_models = unit == "client" and settings.scored_models(module).headline != "global"
    return (*weights, *(("the clients' own models, if they leave them",) if own_models else ()))
