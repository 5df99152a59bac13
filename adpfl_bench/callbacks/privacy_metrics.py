"""Round metrics of releases: thresholds, noise scales, clipping and epsilon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adpfl_bench.privacy.accounting import Accounted
from adpfl_bench.privacy.privacy_engine import StepRelease
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric


def release_metrics(steps: Mapping[str, Sequence[StepRelease]]) -> list[RoundMetric]:
    """Threshold, noise scale, share of clipped units and quantiles of their norms, by client, of a round's releases."""
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


def epsilon_metrics(accounted: Accounted) -> list[RoundMetric]:
    """Accounted epsilon of each client and their maximum; none without a guarantee."""
    if accounted.epsilon is None:
        return []
    return [
        *(RoundMetric(client, "epsilon", epsilon) for client, epsilon in accounted.by_client.items()),
        RoundMetric(ALL_CLIENTS, "epsilon", accounted.epsilon),
    ]
