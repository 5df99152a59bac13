"""Noise that clients share, where nobody sees more of a round than the sum of what they send."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch.optim import SGD, Optimizer

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.privacy.ledger import PrivacyUnit, Sampling
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.randomness import Randomness
from adpfl_bench.privacy.thresholds import FixedThreshold, Threshold


class SummedGaussianMechanism(GaussianMechanism):
    """Gaussian noise of which each client adds a part: only their sum has as much as is accounted.

    A *trust model of its own*: it holds where a secure aggregation shows the server, and everybody else, nothing of a
    round but the sum of what its clients send, and at least ``honest_clients`` of these tell nobody their noise.
    Each adds ``1 / sqrt(honest_clients)`` of the scale, so that theirs together has all of it. What a single client
    sends protects little. The suite simulates such a sum and makes none; ``privacy.secure`` and deployments refuse it.
    Proof, and the runs that it is about, in docs/privacy.md.

    Source: distributed noise (Dwork et al. 2006, Our Data, Ourselves; Kairouz et al. 2021, arXiv 2102.06387).
    Recommended: all participants, less those who may drop out or collude. Costs: the trust.

    Args:
        honest_clients: Number of clients of each round whose noise nobody else knows, the unit's own among them.

    Raises:
        ConfigError: There is none.
    """

    trust = "sum"

    def __init__(self, honest_clients: int) -> None:
        if honest_clients < 1:
            raise ConfigError(f"SummedGaussianMechanism.honest_clients must be at least 1, but it is {honest_clients}.")
        self.honest_clients = honest_clients

    def add_to_sum_(
        self,
        total: list[Any],
        threshold: float,
        multiplier: float,
        source: Randomness,
        sequence: NoiseSequence | None = None,
    ) -> float:
        """Add one client's part of the noise; see :meth:`Mechanism.add_to_sum_`."""
        return super().add_to_sum_(total, threshold, multiplier / math.sqrt(self.honest_clients), source, sequence)


def sum_faults(
    mechanism: SummedGaussianMechanism,
    unit: PrivacyUnit,
    threshold: Threshold | None,
    sampling: Sampling,
    settings: FederatedSettings,
    optimizer: Optimizer,
    sizes: Mapping[str, int],
    units: Mapping[str, int],
    units_per_step: int,
) -> Iterator[str]:
    """Say why the sum of a round's deltas is not a sum over units under all of the noise, a clause each.

    Args:
        mechanism: The mechanism.
        unit: The privacy unit.
        threshold: Rule for the clipping threshold.
        sampling: How units are drawn into steps.
        settings: The federation.
        optimizer: The clients' optimizer.
        sizes: Number of training examples by client.
        units: Number of units by client.
        units_per_step: Units of a step.
    """
    schedule = settings.schedule
    if type(threshold) is not FixedThreshold:
        yield "a trusted sum is proved for a FixedThreshold alone: what other rules learn from is in no sum"
    if type(settings.aggregator) is not WeightedMean:
        yield "a trusted sum is proved for the aggregator WeightedMean alone"
    if type(settings.client_method) is not ClientMethod or settings.local_parameters or schedule.fine_tuning_epochs:
        yield "a trusted sum is proved for plain clients that keep nothing for themselves alone"
    rounds = range(schedule.rounds)
    fewest = min(len(schedule.participants(index, list(sizes))) for index in rounds)
    if fewest < mechanism.honest_clients:
        yield (
            f"a round has {fewest} participants, but the noise is shared by {mechanism.honest_clients} honest clients"
        )
    if unit == "client":
        if settings.aggregation_weights.rule != "uniform":
            yield "a trusted sum of clients is proved for federated.aggregation_weights: uniform alone"
        return
    if unit not in ("record", "patient") or sampling != "shuffle":
        yield "a trusted sum is proved for the units client, and record and patient that are shuffled, alone"
    steps = {
        visit.steps(units[visit.client], units_per_step) for i in rounds for visit in schedule.visits(i, list(units))
    }
    if steps != {1} or any(count > units_per_step for count in units.values()):
        yield "a trusted sum of units is proved for one step a turn on all units of the client alone"
    if dict(sizes) != dict(units) or settings.aggregation_weights.rule != "cases":
        yield "a trusted sum of units is proved where each is one example and clients weigh by their examples alone"
    groups = optimizer.param_groups if type(optimizer) is SGD else [{"momentum": True}]
    if any(group["momentum"] or group["weight_decay"] for group in groups):
        yield "a trusted sum of units is proved for clients with plain SGD alone, whose step is the release itself"
