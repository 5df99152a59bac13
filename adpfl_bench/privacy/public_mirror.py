"""Public mirror: what was released is mixed with gradients of public data, before anybody steps on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adpfl_bench.errors import BenchError
from adpfl_bench.federation.training_batch import Example, TrainingBatch
from adpfl_bench.privacy.clipping import Norm
from adpfl_bench.privacy.public_scales import PublicScales
from adpfl_bench.privacy.unit_gradients import ExampleLosses, UnitGradients
from adpfl_bench.seeding import derive_seed, numpy_generator

_BUDGET = 256 * 2**20  # bytes for a chunk of public examples


@dataclass(frozen=True)
class MirrorPlan:
    """The public examples, and how much they count in which round.

    Attributes:
        examples: Images [N, C, *spatial] and labels [N, ...].
        batch_size: Number of examples of a step, at most N.
        horizon: Rounds after which released gradients would count for nothing, but for ``least``.
        least: What they count for at least, in [0, 1].
        seed: What the examples, and those of a step, follow from.
        cases: Number of cases that the examples were made of.
    """

    examples: Example
    batch_size: int
    horizon: int
    least: float
    seed: int
    cases: int

    @property
    def settings(self) -> dict[str, Any]:
        """What the examples and the rest follow from, for the key of the noise."""
        return {name: getattr(self, name) for name in ("cases", "batch_size", "horizon", "least", "seed")}

    def weight(self, round_index: int) -> float:
        """What a released gradient counts for in a round: ``cos(pi t / (2 horizon))``, and at least ``least``."""
        return max(self.least, math.cos(math.pi * min(round_index, self.horizon) / (2 * self.horizon)))

    def draw(self, *place: int | str) -> Tensor:
        """Return the places of a step's examples, [batch_size], without repetition, ascending."""
        generator = numpy_generator(self.seed, "public batch", *place)
        drawn = generator.choice(len(self.examples.image), self.batch_size, replace=False)
        return torch.from_numpy(drawn).sort().values


class PublicMirror:
    """Mixes gradients of public data into released ones: a step goes along ``a g + (1 - a) p``.

    Here g is the release, divided by public numbers, and p the mean over a step's public examples of their gradients at
    the weights of the moment, each scaled and clipped to C as a unit's is, and divided by C where g is. So both are
    alike in size, and p is a function of releases and public data: mixing is post-processing.

    Source: PDA-DPMD (Amid et al. 2022, arXiv 2112.00193), mirror descent with the loss of public data as the mirror
    map, to first order.

    Args:
        plan: The public examples, and how much they count.
        module: What is trained: its parameters' gradients are mixed.
        losses: Its loss of each example, [B], from images and labels.
        scales: What gradients of units are multiplied by before they are clipped.
        norm: The norm that is clipped.
        normalize: Whether releases are divided by C.
    """

    def __init__(
        self,
        plan: MirrorPlan,
        module: nn.Module,
        losses: ExampleLosses,
        scales: PublicScales,
        norm: Norm,
        normalize: bool,
    ) -> None:
        self.plan = plan
        self._scales, self._norm, self._normalize = scales, norm, normalize
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._units = UnitGradients(module, losses, _BUDGET, scales=scales)
        self._turn: tuple[int, str, str] | None = None
        self._step = 0

    def of(self, module: nn.Module, losses: ExampleLosses) -> PublicMirror:
        """Return the same for a copy of what is trained."""
        return PublicMirror(self.plan, module, losses, self._scales, self._norm, self._normalize)

    def mix_(self, batch: TrainingBatch, threshold: float) -> None:
        """Mix the released gradients of a step with those of public examples, in place.

        Args:
            batch: The step's batch, of which its place in the run alone is used.
            threshold: The threshold C of its release.

        Raises:
            BenchError: A public gradient is not finite.
        """
        turn = (batch.round, batch.client, batch.turn)
        self._step = self._step + 1 if turn == self._turn else 0
        self._turn = turn
        weight = self.plan.weight(batch.round)
        if weight == 1:
            return
        gradients = self._public(threshold, *turn, self._step)
        for parameter, public in zip(self._parameters, gradients, strict=True):
            if parameter.grad is not None:  # or it is none of the optimizer's
                parameter.grad.mul_(weight).add_(public.to(parameter.grad.dtype), alpha=1 - weight)

    def _public(self, threshold: float, *place: int | str) -> list[Tensor]:
        """The mean of the clipped gradients of a step's public examples."""
        like = self._parameters[0]
        places = self.plan.draw(*place)
        image, label = (part[places].to(like.device) for part in self.plan.examples)
        with torch.random.fork_rng():  # layers may draw, and nobody else's chance moves by it
            torch.manual_seed(derive_seed(self.plan.seed, "public step", *place))
            units = torch.arange(len(places), device=like.device)
            found = self._units.clipped_sum(image.to(like.dtype), label, units, threshold, self._norm)
        if not bool(torch.isfinite(found.norms).all()):
            raise BenchError("The gradient of a public example is not finite: lower the learning rate.")
        divisor = len(places) * (threshold if self._normalize and threshold > 0 else 1.0)
        return [gradient / divisor for gradient in found.gradients]
