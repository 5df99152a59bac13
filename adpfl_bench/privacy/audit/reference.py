"""Reference gradients: what a step's units bring to its sum, computed apart from the run's own path."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from adpfl_bench.federation.training_batch import Example
from adpfl_bench.privacy.clipping import Norm, clip_factors, group_norms
from adpfl_bench.privacy.public_subspace import PublicSubspace
from adpfl_bench.privacy.unit_gradients import UnitGradients


class Reference:
    """Gradients of units one by one, each clipped by itself, by the definition.

    Args:
        gradients: Computes gradients of units, at the weights of the moment.
        examples_of: Makes the examples of a canary.
        norm: The norm that is clipped.
        subspace: Directions that gradients are split by before.
    """

    def __init__(
        self,
        gradients: UnitGradients,
        examples_of: Callable[[int], Sequence[Example]],
        norm: Norm,
        subspace: PublicSubspace | None = None,
    ) -> None:
        self._gradients = gradients
        self._subspace = subspace or PublicSubspace()
        self._examples_of = examples_of
        self._norm: Norm = norm

    def canaries(self, numbers: Sequence[int], threshold: float, like: Tensor) -> Tensor:
        """Return the clipped gradient of each of some canaries, [k, P], whether it is in or out.

        Args:
            numbers: Which; at least one.
            threshold: What they are clipped to; infinity leaves them as they are.
            like: Of the device and type that the module computes with.
        """
        made = [self._examples_of(number) for number in numbers]
        image, label = (torch.stack(values).to(like) for values in zip(*(e for own in made for e in own), strict=True))
        sizes = torch.tensor([len(own) for own in made])
        return self._clipped(image, label, torch.arange(len(numbers)).repeat_interleave(sizes), threshold)

    def others(
        self, image: Tensor, label: Tensor, units: Tensor, threshold: float, like: Tensor, views: int = 1
    ) -> Tensor:
        """Return the sum of the clipped gradients of the units of a batch, [P].

        Args:
            image: [B, C, *spatial]; B may be 0.
            label: [B, R, *spatial].
            units: Unit of each example in ascending order, [B]; there may be gaps.
            threshold: What they are clipped to.
            like: Of the shape and type of the sum, [P].
            views: How often each example is there.
        """
        total = torch.zeros_like(like)
        if len(image) == 0:
            return total
        sizes = torch.unique_consecutive(units, return_counts=True)[1].tolist()
        room = self._gradients.chunk_size(image, label)
        start = 0
        while sizes:
            number = min(room, len(sizes))  # as many gradients as fit for a chunk of examples
            stop = start + sum(sizes[:number])
            own = torch.arange(number).repeat_interleave(torch.tensor(sizes[:number]))
            total += self._clipped(image[start:stop], label[start:stop], own, threshold, views).sum(0)
            start, sizes = stop, sizes[number:]
        return total

    def _clipped(self, image: Tensor, label: Tensor, units: Tensor, threshold: float, views: int = 1) -> Tensor:
        rows = self._gradients.gradients(image, label, units.to(image.device)) / views
        if self._subspace.basis is not None:
            rows = _in_parts(rows, self._subspace, threshold)
        return rows * clip_factors(group_norms([rows], self._norm), threshold)[:, None].to(rows.dtype)


def _in_parts(rows: Tensor, subspace: PublicSubspace, threshold: float) -> Tensor:
    """Clip embeddings and residuals, [U, P], each by itself, and weigh them, by the definition."""
    assert subspace.basis is not None
    basis, (inner, outer) = subspace.basis.to(rows), subspace.parts.weights
    embedding = rows @ basis.T
    made = inner * (embedding * clip_factors(group_norms([embedding]), threshold)[:, None]) @ basis
    if outer > 0:
        residual = rows - embedding @ basis
        factors = clip_factors(group_norms([residual]), threshold * subspace.parts.share)
        made += outer * residual * factors[:, None]
    return made


def joined(released: Tensor, subspace: PublicSubspace) -> Tensor:
    """What a step makes of a release, [P]: its part along the directions, and that beside them, each by its weight."""
    if subspace.basis is None:
        return released
    basis, (inner, outer) = subspace.basis.to(released), subspace.parts.weights
    along = (basis @ released) @ basis
    return along / inner + (subspace.parts.rate / outer * (released - along) if outer > 0 else 0.0)
