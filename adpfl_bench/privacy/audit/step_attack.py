"""Attack on one local step: what is known of it, what is left, and what the canaries would have brought."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adpfl_bench.federation.training_batch import Example, TrainingBatch
from adpfl_bench.privacy.audit.attack import CanaryAttack, batch_factor, linearised
from adpfl_bench.privacy.audit.reference import Reference
from adpfl_bench.privacy.audit.sequence_watch import SeenColumns
from adpfl_bench.privacy.clipping import clip_factors, group_norms
from adpfl_bench.privacy.ledger import Norm
from adpfl_bench.privacy.mechanisms import LaplaceMechanism, Mechanism
from adpfl_bench.privacy.public_scales import PublicScales
from adpfl_bench.privacy.public_subspace import PublicSubspace
from adpfl_bench.privacy.unit_gradients import UnitGradients

_FLIPS = 8  # canaries of a step with and without which it is made once more; those that were flipped least come first


class Planted(Protocol):
    """The canaries as the attack knows them, and their coins, for the check of the sensitivity alone."""

    count: int
    clipped: bool
    included: NDArray[np.bool_]

    def examples_of(self, canary: int) -> Sequence[Example]:
        """Make the examples of a canary."""


class FlatRelease(NamedTuple):
    """A release as one vector of all parameters.

    Attributes:
        exact: The sum without noise, [P]; the attacker does not see it.
        released: The same with noise, [P].
        threshold: The clipping threshold; infinite where nothing is clipped.
        scale: Scale of the noise as it is stated.
        norm: The norm that was clipped, as it is stated.
    """

    exact: Tensor
    released: Tensor
    threshold: float
    scale: float
    norm: Norm = "l2"


Rerun = Callable[[TrainingBatch, int | None, float], Tensor]
"""Makes a step once more, up to its sum before noise, [P]: of a batch with one canary flipped, or none."""


class StepAttack:
    """Attack on releases of the client that the canaries have joined.

    Subtracted from a release is what the other units of its batch bring to it. Whoever knows all other units' data,
    and when each of them is sampled, is an adversary that the guarantee covers: it holds for each unit on its own,
    whatever the others are and do, also with the amplification by its own secret sampling.

    Args:
        task: The module that is trained, with ``example_losses``.
        canaries: The canaries.
        mechanism: States the law of the noise and the norm; ``None`` where there is none.
        memory_budget: MiB that gradients and activations of a chunk of examples may take.
        rounding: How well a gradient can be computed again, as a share of it.
        rerun: Makes a step once more, by the run's own path.
        bands: Coefficients of the noise that is correlated from step to step; 1 alone where it is independent.
        scales: What gradients are multiplied by before they are clipped: public numbers.
        subspace: What they are split by, likewise.

    Attributes:
        moves: How far canaries moved the sum, in units of the threshold: where a step is computed apart, and where it
            is made once more with and without each.
        errors: How far sums were from those of their units, each computed and clipped by itself, and from those of the
            same step made once more, in the same units.
    """

    def __init__(
        self,
        task: Any,
        canaries: Planted,
        mechanism: Mechanism | None,
        memory_budget: float,
        rounding: float,
        rerun: Rerun | None = None,
        bands: Sequence[float] = (1.0,),
        scales: PublicScales | None = None,
        subspace: PublicSubspace | None = None,
    ) -> None:
        gradients = UnitGradients(task, task.example_losses, memory_budget * 2**20, scales=scales)
        self._norm: Norm = mechanism.norm if mechanism is not None else "l2"
        self._laplace = isinstance(mechanism, LaplaceMechanism)
        self._reference = Reference(gradients, canaries.examples_of, self._norm, subspace)
        self._canaries = canaries
        self._attack = CanaryAttack(canaries.count, rounding)
        self._rerun = rerun
        self._bands = bands
        self._columns: dict[str, SeenColumns] = {}
        self._flips: Counter[int] = Counter()
        self.moves: list[float] = []
        self.errors: list[float] = []

    @property
    def evidence(self) -> NDArray[np.float64]:
        """Log-likelihood ratio of in to out for each canary, [m]."""
        return self._attack.evidence

    def see(self, batch: TrainingBatch, seen: FlatRelease) -> None:
        """Learn from one release, that of a step's batch; its exact sum is for :attr:`moves` alone."""
        assert batch.canaries is not None
        slots = list(range(self._canaries.count) if batch.sampling_rate < 1 else batch.canaries.slots)
        if slots and seen.threshold > 0:
            look = self._see_sum if self._canaries.clipped else self._see_mean
            look(batch, slots, seen)
        if slots and 0 < seen.threshold < math.inf:
            self._flip(batch, seen)
        self._again(batch, seen)

    def see_others(self, batch: TrainingBatch, seen: FlatRelease) -> None:
        """Compare the sum of a client without canaries with what its units bring."""
        self._again(batch, seen)
        if self._canaries.clipped and seen.threshold > 0:
            held = batch.image, batch.label, batch.units
            known = self._reference.others(*held, seen.threshold, seen.released, batch.views)
            self.errors += self._distances(seen, [known])
        elif seen.threshold < math.inf:
            self.moves += self._distances(seen, [torch.zeros_like(seen.exact)])  # a mean that is clipped as a whole

    def _again(self, batch: TrainingBatch, seen: FlatRelease) -> None:
        """Make the step once more as it is: what differs comes from an earlier one, and would count there."""
        if self._rerun is not None and 0 < seen.threshold < math.inf:
            self.errors += self._distances(seen, [self._rerun(batch, None, seen.threshold)])

    def _flip(self, batch: TrainingBatch, seen: FlatRelease) -> None:
        """Make the step once more with each of some canaries out that was in, or in that was out."""
        assert batch.canaries is not None
        if self._rerun is not None:
            rarest = sorted(batch.canaries.slots, key=lambda slot: (self._flips[slot], slot))[:_FLIPS]
            self._flips.update(rarest)
            self.moves += self._distances(seen, [self._rerun(batch, slot, seen.threshold) for slot in rarest])

    def _see_sum(self, batch: TrainingBatch, slots: Sequence[int], seen: FlatRelease) -> None:
        """Units are clipped one by one and added up."""
        rate = batch.sampling_rate
        known = self._known(batch, seen.threshold, seen.released)
        rows = self._reference.canaries(slots, seen.threshold, seen.released)
        assert batch.canaries is not None
        places = [slots.index(number) for number in batch.canaries.present]
        total = known + rows[places].sum(0)
        self.moves += self._distances(seen, [total - rows[place] for place in places])
        self.errors += self._distances(seen, [total])
        if len(self._bands) > 1:
            columns = self._columns.setdefault(batch.turn, SeenColumns(self._bands))
            left = (seen.released - known) / seen.threshold
            self._attack.see(*columns.see(slots, rows / seen.threshold, left), seen.scale / seen.threshold)
            return
        signal, deviation = linearised(seen.released - known, rows.sum(0) * rate / 2, seen.scale, self._laplace)
        self._attack.see(slots, rows, signal, deviation, rate)

    def _see_mean(self, batch: TrainingBatch, slots: Sequence[int], seen: FlatRelease) -> None:
        """The mean over a batch is clipped as a whole, or not at all."""
        size = len(batch.units)
        known = self._known(batch, math.inf, seen.released) / size
        rows = self._reference.canaries(slots, math.inf, seen.released) / size
        factor = 1.0
        if seen.threshold < math.inf:
            total = known + rows[[i for i, number in enumerate(slots) if self._canaries.included[number]]].sum(0)
            left = [total - rows[i] for i, number in enumerate(slots) if self._canaries.included[number]]
            self.moves += self._distances(seen, [self._clip(mean, seen.threshold) for mean in left])
            deviation = seen.scale * (math.sqrt(2) if self._laplace else 1)
            factor = batch_factor(known, rows, seen.released, deviation, seen.threshold, self._norm)
        rows, known = factor * rows, factor * known
        signal, deviation = linearised(seen.released - known, rows.sum(0) / 2, seen.scale, self._laplace)
        self._attack.see(slots, rows, signal, deviation)

    def _known(self, batch: TrainingBatch, threshold: float, like: Tensor) -> Tensor:
        assert batch.canaries is not None
        real = batch.canaries.real.to(batch.image.device)
        held = batch.image[real], batch.label[real], batch.units[real]
        return self._reference.others(*held, threshold, like, batch.views)

    def _clip(self, gradient: Tensor, threshold: float) -> Tensor:
        return gradient * clip_factors(group_norms([gradient[None]], self._norm), threshold)

    def _distances(self, seen: FlatRelease, others: Sequence[Tensor]) -> list[float]:
        """How far other sums are from the exact one, in units of the threshold and in the norm that is stated."""
        if not others:
            return []
        distances = group_norms([torch.stack([seen.exact - other.to(seen.exact) for other in others])], seen.norm)
        return [float(distance) / seen.threshold for distance in distances.tolist()]
