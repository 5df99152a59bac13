"""What is written down of a run's privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adpfl_bench.records.privacy_block import AccountedBlock, PrivacyBlock
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric

if TYPE_CHECKING:
    from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy


class StepRelease(NamedTuple):
    """One release of a client, for the round's metrics.

    Attributes:
        norms: Norm of each unit's gradient before clipping.
        threshold: The threshold C.
        scale: Scale of the noise.
    """

    norms: Sequence[float]
    threshold: float
    scale: float


def describe_privacy(privacy: DifferentialPrivacy) -> PrivacyBlock:
    """The privacy block of a run record."""
    private = privacy.unit != "none"
    accounted = privacy.accounted
    settings: dict[str, Any] = {
        "adjacency": "zero-out",
        "mechanism": type(privacy.mechanism).__name__,
        "clipping_norm": privacy.mechanism.norm if privacy.mechanism is not None else None,
        "threshold": type(privacy.threshold).__name__,
        "noise_multiplier": privacy.noise_multiplier,
        "target_epsilon": privacy.target_epsilon,
        "sampling": privacy.sampling,
        "units_per_step": privacy.plan.units_per_step if privacy.plan is not None else None,
        "secure": privacy.secure,
        "nominal_epsilon": privacy.nominal_epsilon,
    }
    return PrivacyBlock(
        unit=privacy.unit,
        **{name: value if private else None for name, value in settings.items()},
        accounted=AccountedBlock(
            epsilon=accounted.epsilon,
            delta=accounted.delta,
            reason=accounted.reason,
            accountant=accounted.accountant,
            by_client=dict(accounted.by_client),
            not_covered=accounted.not_covered,
        ),
        audited=privacy.audited,
        ledger=privacy.books.spent.state_dict(),
    )


def planned_privacy(privacy: DifferentialPrivacy) -> str:
    """What a run promises, in one line for its start."""
    if privacy.unit == "none":
        return "none, and none claimed"
    threshold, mechanism = type(privacy.threshold).__name__, type(privacy.mechanism).__name__
    rule = f"unit {privacy.unit}, {threshold}, {mechanism} with z = {privacy.noise_multiplier:.4g}"
    if privacy.accounted.epsilon is None:
        return f"{rule}; accounted epsilon: none, since {privacy.accounted.reason}"
    if privacy.target_epsilon is None:
        return f"{rule}; epsilon is accounted at delta {privacy.delta:g} as the run goes on"
    return f"{rule}, for epsilon {privacy.target_epsilon:g} at delta {privacy.delta:g} after the last round"


def release_metrics(steps: Mapping[str, Sequence[StepRelease]]) -> list[RoundMetric]:
    """Threshold, noise scale, share of clipped units and quantiles of their norms, by client.

    Args:
        steps: The round's releases of each client.
    """
    metrics: list[RoundMetric] = []
    for client, releases in steps.items():
        norms = np.concatenate([release.norms for release in releases])
        limits = np.concatenate([np.full(len(release.norms), release.threshold) for release in releases])
        metrics += [
            RoundMetric(client, "clipping_threshold", releases[-1].threshold),
            RoundMetric(client, "noise_scale", releases[-1].scale),
        ]
        if norms.size:
            metrics.append(RoundMetric(client, "clipped_fraction", float(np.mean(norms > limits))))
            metrics += [
                RoundMetric(client, f"gradient_norm_p{quantile}", float(np.percentile(norms, quantile)))
                for quantile in (10, 50, 90)
            ]
    return metrics


def epsilon_metrics(privacy: DifferentialPrivacy) -> list[RoundMetric]:
    """Accounted epsilon of each client and their maximum; none without a guarantee."""
    if (accounted := privacy.accounted).epsilon is None:
        return []
    return [
        *(RoundMetric(client, "epsilon", epsilon) for client, epsilon in accounted.by_client.items()),
        RoundMetric(ALL_CLIENTS, "epsilon", accounted.epsilon),
    ]
