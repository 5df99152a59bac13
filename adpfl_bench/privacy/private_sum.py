"""Private sum: one release of a client, and what the threshold learns from beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.clipping import clip_, global_norm
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.randomness import Randomness
from adpfl_bench.privacy.thresholds import Threshold


class PrivateSum:
    """Release of clipped sums with noise; the threshold learns from its own noised statistic.

    Sum and statistic are one release with noise multiplier z: each takes its share of the budget
    (:meth:`~adpfl_bench.privacy.mechanisms.Mechanism.split`), so the ledger has one entry for both.

    Args:
        threshold: Rule for the clipping threshold.
        mechanism: Law of the noise.
        noise_multiplier: z of the joint release, at least 0.

    Raises:
        ConfigError: The threshold's statistic would leave nothing of the budget; its share or its sensitivity is out
            of range.
    """

    def __init__(self, threshold: Threshold, mechanism: Mechanism, noise_multiplier: float) -> None:
        self.threshold = threshold
        self.mechanism = mechanism
        self.noise_multiplier = noise_multiplier
        share = threshold.budget_share(mechanism, noise_multiplier)
        _check(type(threshold).__name__, share, threshold.statistic_sensitivity)
        self.sum_multiplier, self.statistic_multiplier = mechanism.split(noise_multiplier, share)

    def clip_(self, client: str, gradient: list[Tensor]) -> tuple[float, float]:
        """Clip one gradient as a whole, in place; a rule that looks at norms is told this one first.

        Returns:
            Its norm before clipping, and the threshold C. Where the norm is not finite nothing was done, and C is 0.
        """
        norm = global_norm(gradient, self.mechanism.norm)
        if not math.isfinite(norm):
            return norm, 0.0
        if self.threshold.needs_norms:
            self.threshold.observe(client, [norm])
        threshold = self.threshold.current(client)
        clip_(gradient, norm, threshold)
        return norm, threshold

    def release_(
        self,
        client: str,
        total: list[Tensor],
        norms: Sequence[float],
        threshold: float,
        units: float,
        source: Randomness,
        sequence: NoiseSequence | None = None,
    ) -> tuple[float, NDArray[np.float64]]:
        """Add noise to a sum in place; release the threshold's statistic with noise and let it learn.

        Args:
            client: Whose sum it is.
            total: Sum of gradients that were each clipped to ``threshold``.
            norms: Their norms before clipping.
            threshold: The threshold C.
            units: Number of units, or the expected number where they are sampled: a public number.
            source: Where the noise comes from, on the device of ``total``.
            sequence: The client's steps so far, where its batches have a fixed order.

        Raises:
            ConfigError: The threshold's statistic would be released without noise.

        Returns:
            Scale of the noise on the sum, and the noised statistic that the threshold learned from, [K].
        """
        scale = 0.0
        if self.noise_multiplier > 0:
            scale = self.mechanism.add_to_sum_(total, threshold, self.sum_multiplier, source, sequence)
        statistic = self.threshold.statistic(client, norms)
        if statistic.size and self.noise_multiplier > 0:
            reach = self.threshold.statistic_sensitivity
            if reach == 0 or math.isinf(self.statistic_multiplier):
                raise ConfigError(
                    f"{type(self.threshold).__name__} has a statistic, so its budget_share and statistic_sensitivity"
                    " must be greater than 0: otherwise it would be released without noise."
                )
            noised = [torch.from_numpy(statistic).to(total[0].device)]
            wanted = self.statistic_multiplier * reach
            width = self.mechanism.widened(reach, statistic.size, wanted, source)
            self.mechanism.add_noise_(noised, self.statistic_multiplier * width, source)
            statistic = noised[0].cpu().numpy()
        self.threshold.learn(client, statistic, units)
        return scale, statistic


def _check(name: str, share: float, sensitivity: float) -> None:
    if not 0 <= share < 1:
        raise ConfigError(
            f"{name}.budget_share is what the threshold takes of the privacy budget and must lie in [0, 1), but it is"
            f" {share}."
        )
    if not 0 <= sensitivity < math.inf:
        raise ConfigError(
            f"{name}.statistic_sensitivity says how far one unit moves the statistic and must be a finite number of at"
            f" least 0, but it is {sensitivity}."
        )
