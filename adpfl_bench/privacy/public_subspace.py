"""Public subspace: gradients of units in two parts, along directions of public data and beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adpfl_bench.errors import BenchError
from adpfl_bench.privacy.clipping import clip_factors, group_norms

_RANK = 1e-9  # least eigenvalue of a direction, as a share of the largest: below it there is little but rounding
_COLUMNS = 2**16  # of a matrix of gradients that are taken in float64 at a time


@dataclass(frozen=True)
class SubspaceParts:
    """How the two parts of a gradient are clipped, and what each of them takes of the budget.

    With the threshold C, the embedding is clipped to C and the residual to ``share * C``. What a unit brings is

        sqrt(1 - budget) * embedding + sqrt(budget) / share * residual

    whose norm is at most C, so that noise of one scale hides both; the parts are divided by these weights after the
    noise. That is noise of ``z C / sqrt(1 - budget)`` along each direction and of ``z share C / sqrt(budget)`` beside
    them.

    Attributes:
        share: Threshold of the residual as a share of C; 0 leaves residuals out.
        budget: Share of the privacy budget that residuals take, in (0, 1); 0 leaves them out.
        rate: What a released residual is multiplied by: its step beside that of the embedding.
    """

    share: float
    budget: float
    rate: float = 1.0

    @property
    def weights(self) -> tuple[float, float]:
        """What embedding and residual are multiplied by before the noise; the latter is 0 where it is left out."""
        if self.budget == 0:
            return 1.0, 0.0
        return math.sqrt(1 - self.budget), math.sqrt(self.budget) / self.share


NO_RESIDUAL = SubspaceParts(0.0, 0.0)


class PublicSubspace:
    """Directions of public data that gradients of units are split by before they are clipped; none leave them whole.

    Source: gradient embedding perturbation (Yu et al. 2021, arXiv 2102.12677, Algorithm 1).

    Attributes:
        settings: What they follow from, for the key of the noise; empty where there are none.
        parts: How the parts are clipped.
        basis: Orthonormal directions, [K, P] over the trained numbers in the module's order; ``None`` for none.
    """

    def __init__(self) -> None:
        self.settings: Mapping[str, Any] = {}
        self.parts = NO_RESIDUAL
        self.basis: Tensor | None = None
        self._blocks: dict[int, Tensor] = {}

    @property
    def key(self) -> dict[str, Any]:
        """What they add to the key of the noise: nothing where there are none."""
        return {"subspace": self.settings} if self.settings else {}

    def announce(self, parts: SubspaceParts, settings: Mapping[str, Any]) -> None:
        """State how gradients will be split, before directions are known; no settings for not at all."""
        self.parts, self.settings = parts, settings
        self.basis, self._blocks = None, {}

    def use(self, basis: Tensor, parameters: Sequence[Tensor]) -> None:
        """Take over directions, [K, P], for the trained parameters in the module's order.

        Raises:
            BenchError: They are not finite.
        """
        if not bool(torch.isfinite(basis).all()):
            raise BenchError("A public direction of gradients is not finite: lower the learning rate.")
        self.basis = basis.detach()
        blocks = torch.split(self.basis, [parameter.numel() for parameter in parameters], dim=1)
        self._blocks = {id(parameter): block for parameter, block in zip(parameters, blocks, strict=True)}

    def split_(self, gradients: list[Tensor], threshold: float) -> Tensor:
        """Replace gradients of units, [U, *parameter] in the module's order, by what they bring to the sum.

        Each still has to be clipped to the threshold as a whole: that makes good whatever is lost by rounding, and by
        directions that are not quite orthonormal.

        Args:
            gradients: The gradients; the list is changed.
            threshold: The threshold C; infinity only measures.

        Returns:
            Norms of the embeddings, which C is a threshold of, [U]; those of the gradients where there are no
            directions.
        """
        whole = group_norms(gradients)
        if self.basis is None:
            return whole
        rows, blocks = [gradient.flatten(1) for gradient in gradients], list(self._blocks.values())
        embedding = rows[0] @ blocks[0].to(rows[0]).T
        for row, block in zip(rows[1:], blocks[1:], strict=True):
            embedding.addmm_(row, block.to(row).T)
        norms = group_norms([embedding])
        inner, outer = self.parts.weights
        outer_factors = torch.zeros_like(norms)
        if outer > 0:
            rest = (whole.double().square() - norms.double().square()).clamp(min=0).sqrt()
            outer_factors = outer * clip_factors(rest, threshold * self.parts.share).to(norms)
        # inner * embedding + outer * (gradient - embedding), in one product
        along = embedding * (inner * clip_factors(norms, threshold) - outer_factors)[:, None]
        for i, (row, block) in enumerate(zip(rows, blocks, strict=True)):
            gradients[i] = torch.addmm(row * outer_factors[:, None], along, block.to(row)).view_as(gradients[i])
        return norms

    def join_(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Divide the two parts of a release by their weights, in place: what is made of what was released.

        Args:
            parameters: The trained parameters, in whatever order.
            gradients: Released sum, a tensor for each of them.
        """
        if self.basis is None:
            return
        released = [
            (self._blocks[id(parameter)].to(gradient), gradient)
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
        embedding = torch.stack([block @ gradient.flatten() for block, gradient in released]).sum(0)
        inner, outer = self.parts.weights
        beside = self.parts.rate / outer if outer > 0 else 0.0
        for block, gradient in released:
            along = (block.T @ embedding).view_as(gradient)
            gradient.mul_(beside).add_(along, alpha=1 / inner - beside)


def leading_directions(rows: Tensor, count: int) -> Tensor:
    """Find orthonormal directions that hold most of the energy of some vectors, largest first.

    They are right singular vectors, found from the products of the vectors with one another in float64.

    Args:
        rows: The vectors, [N, P], not all 0.
        count: Number of directions; as many are found as the vectors span, if these are fewer.

    Returns:
        The directions, [K, P].

    Raises:
        BenchError: The vectors are all 0, or not finite.
    """
    blocks = torch.split(rows, _COLUMNS, dim=1)
    products = torch.stack([block.double() @ block.double().T for block in blocks]).sum(0)
    if not bool(torch.isfinite(products).all()) or not bool(products.any()):
        raise BenchError("Gradients of phantoms are not finite, or all 0, so no directions follow from them.")
    values, vectors = torch.linalg.eigh(products)
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    kept = values > _RANK * values[0]
    mixing = (vectors[:, kept] / values[kept].sqrt()).T
    return torch.cat([(mixing @ block.double()).to(rows.dtype) for block in blocks], dim=1)
