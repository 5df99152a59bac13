"""Training batch: what a client trains on in one local step.

The classes are not frozen: Lightning converts a copy of a batch in place where the precision is ``64-true``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adpfl_bench.federation.round_schedule import Turn


class Example(NamedTuple):
    """One training example, or several of them stacked.

    Attributes:
        image: What the network sees, [C, *spatial].
        label: What it should say of it: regions [R, *spatial] or, in other tasks than segmentation, of another shape.
    """

    image: Tensor
    label: Tensor


@dataclass
class PlannedCanaries:
    """The canaries of an audit that are planned for a batch.

    Attributes:
        slots: Those that were planned for it, whether in or out, ascending.
        owners: The canary that each example of the batch belongs to; ``None`` for real ones, [B].
    """

    slots: Sequence[int]
    owners: Sequence[int | None]

    @property
    def real(self) -> Tensor:
        """Which examples are real, [B]."""
        return torch.tensor([owner is None for owner in self.owners], dtype=torch.bool)

    @property
    def present(self) -> list[int]:
        """The canaries that are in the batch, ascending."""
        return sorted({owner for owner in self.owners if owner is not None})


class SequencePlace(NamedTuple):
    """A step's place among all that a client makes with one kind of model, where its batches have a fixed order.

    Attributes:
        step: Number of the client's steps before it, over all rounds.
        batches: Number of batches that take turns.
    """

    step: int
    batches: int


@dataclass(kw_only=True)
class StepPlace:
    """A local step of a client: its place in the round, and its public numbers.

    Attributes:
        client: Whose step it is.
        turn: What the client trains: the global model or its own.
        local_epoch: The client's pass over its examples in this round, counted from 0 and on through its turns. Batches
            do not straddle passes, so an example is in at most one batch of a pass.
        last: Whether this is the last step of the client's turn.
        planned_units: Number of units of the step, expected where they are sampled.
        divisor: What a private sum over the units is divided by, the same at every step of the client.
        pass_steps: Number of steps of this pass.
        sampling_rate: Probability of each unit to be in the batch; 1 where a pass visits every unit.
        canaries: The canaries that an audit has planned for the step, if there is one.
        sequence: Its place in the client's own order of batches; ``None`` where that is drawn anew for each pass.
        views: How often each example is there, side by side, augmented in another way each time.
    """

    client: str
    turn: Turn
    local_epoch: int
    last: bool
    planned_units: int
    divisor: int
    pass_steps: int
    sampling_rate: float = 1.0
    canaries: PlannedCanaries | None = None
    sequence: SequencePlace | None = None
    views: int = 1


@dataclass(kw_only=True)
class TrainingBatch(StepPlace):
    """The examples of one local step of a client, and its place in the round.

    Attributes:
        image: [B, C, *spatial]; B is 0 where Poisson sampling drew nobody.
        label: [B, ...].
        units: Unit of each example, [B]: 0, ..., U - 1 without gaps and in ascending order.
        round: Round, counted from 0.
        weights: Weight of each example in the mean loss, [B]; ``None`` where all count alike.
    """

    image: Tensor
    label: Tensor
    units: Tensor
    round: int
    weights: Tensor | None = None

    def to(self, device: torch.device, **arguments: Any) -> TrainingBatch:
        """Return the batch on a device; how Lightning moves it."""
        moved = {name: getattr(self, name).to(device, **arguments) for name in ("image", "label", "units")}
        weights = self.weights.to(device, **arguments) if self.weights is not None else None
        return replace(self, **moved, weights=weights)
