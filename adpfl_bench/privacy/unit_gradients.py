"""Gradients of privacy units, clipped and summed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from adpfl_bench.privacy.clipping import Norm, clip_factors, group_norms
from adpfl_bench.privacy.example_functions import ExampleFunctions
from adpfl_bench.privacy.full_precision import full_precision
from adpfl_bench.privacy.public_scales import PublicScales
from adpfl_bench.privacy.public_subspace import PublicSubspace

ExampleLosses = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class ClippedSum:
    """Clipped sum of a batch, before noise.

    Attributes:
        gradients: Sum over units of the clipped gradients, one tensor per trainable parameter, in float32 or wider.
        norms: Norm of each unit's gradient before clipping, [U]; of what is along public directions, if there are any.
        losses: Loss of each example, [B].
    """

    gradients: list[Tensor]
    norms: Tensor
    losses: Tensor


class UnitGradients:
    """Per-unit gradients by mapping one example's loss over examples with ``vmap``, a chunk at a time.

    A unit's gradient is the *sum* of its examples' gradients, each the mean over the example's views; it is clipped as
    a whole, so that a unit moves the result by at most the threshold, however many examples it has (Abadi et al. 2016,
    arXiv 1607.00133, Algorithm 1, with the example replaced by the unit).

    All of it is computed in the precision of the weights, whatever the Trainer's is: bfloat16 and TF32 would round an
    example's gradient by who else is in its chunk, and so let one unit move what the others bring.

    Args:
        module: Holds the trainable parameters; the network must not mix the examples of a batch.
        example_losses: Method of ``module`` from ``image`` [B, C, *spatial] and ``label`` [B, R, *spatial] to the loss
            of each example, [B]. It must not pool over the batch.
        memory_budget: Bytes that gradients and activations of a chunk may take. At least one example is processed at
            a time, whatever it takes.
        views: How often each example is there, augmented in another way each time (De et al. 2022, arXiv 2204.13650,
            section 3.2).
        scales: What gradients are multiplied by before they are measured, as public data say at the moment.
        subspace: Directions of public data that gradients are split by before they are clipped.
    """

    def __init__(
        self,
        module: nn.Module,
        example_losses: ExampleLosses,
        memory_budget: float,
        views: int = 1,
        scales: PublicScales | None = None,
        subspace: PublicSubspace | None = None,
    ) -> None:
        self._parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self._losses = _Losses(module, example_losses)
        self._budget = memory_budget
        self._views = views
        self._scales = scales or PublicScales()
        self._subspace = subspace or PublicSubspace()
        self._chunks: dict[tuple[int, ...], int] = {}

    def clipped_sum(self, image: Tensor, label: Tensor, units: Tensor, threshold: float, norm: Norm) -> ClippedSum:
        """Clip the gradient of every unit and add them up.

        Args:
            image: [B, C, *spatial]; B may be 0.
            label: [B, R, *spatial].
            units: Unit of each example, [B]: 0, ..., U - 1 without gaps and in ascending order.
            threshold: Clipping threshold C; infinity only measures.
            norm: The norm that is clipped.

        Returns:
            Sum, norms and losses. Where B is 0 all of them are empty or zero.
        """
        total = [torch.zeros_like(p, dtype=_wide(p)) for p in self._parameters.values()]
        norms, losses = [], []
        with full_precision(image.device):
            for gradients, chunk_losses in self._by_unit(image, label, units):
                chunk_norms, whole = self._measured(gradients, threshold, norm)
                factors = clip_factors(whole, threshold)
                for tensor, gradient in zip(total, gradients, strict=True):
                    tensor += torch.tensordot(factors.to(gradient.dtype), gradient, dims=1)
                norms.append(chunk_norms)
                losses.append(chunk_losses)
        if not norms:
            return ClippedSum(total, image.new_zeros(0), image.new_zeros(0))
        return ClippedSum(total, torch.cat(norms), torch.cat(losses))

    def norms(self, image: Tensor, label: Tensor, units: Tensor, norm: Norm) -> Tensor:
        """Measure the norm of every unit's gradient, [U]; arguments as :meth:`clipped_sum`."""
        with full_precision(image.device):
            made = self._by_unit(image, label, units)
            parts = [self._measured(gradients, torch.inf, norm)[0] for gradients, _ in made]
        return torch.cat(parts) if parts else image.new_zeros(0)

    def _measured(self, gradients: list[Tensor], threshold: float, norm: Norm) -> tuple[Tensor, Tensor]:
        """Norms that the threshold is one of, and those to clip by, each [U]; what is split is changed in place."""
        if self._subspace.basis is None:
            norms = group_norms(gradients, norm)
            return norms, norms
        return self._subspace.split_(gradients, threshold), group_norms(gradients, norm)

    def gradients(self, image: Tensor, label: Tensor, units: Tensor) -> Tensor:
        """Return the gradient of every unit, flat and whole, [U, P]; arguments as :meth:`clipped_sum`."""
        with full_precision(image.device):
            rows = [torch.cat([g.flatten(1) for g in part], dim=1) for part, _ in self._by_unit(image, label, units)]
        width = sum(p.numel() for p in self._parameters.values())
        return torch.cat(rows) if rows else image.new_zeros(0, width)

    def mean_squares(self, image: Tensor, label: Tensor) -> list[Tensor]:
        """Return the mean over examples of the squares of their gradients, one tensor for each trained parameter."""
        total = [torch.zeros_like(p, dtype=_wide(p)) for p in self._parameters.values()]
        with full_precision(image.device):
            for gradients, _ in self._by_unit(image, label, torch.arange(len(image))):
                torch._foreach_add_(total, [gradient.square().sum(0) for gradient in gradients])
        return [squares / len(image) for squares in total]

    def _by_unit(self, image: Tensor, label: Tensor, units: Tensor) -> Iterator[tuple[list[Tensor], Tensor]]:
        """Gradients of whole units, chunk by chunk: tensors [u, *parameter], with the losses of their examples."""
        parameters = {name: p.detach() for name, p in self._parameters.items()}
        held: list[Tensor] = []  # a unit whose examples go on in the next chunk
        held_losses: list[Tensor] = []
        size = self.chunk_size(image, label) if len(image) else 1
        for start in range(0, len(image), size):
            stop = min(start + size, len(image))
            # Outside of autograd: what leaves here is a release, not a node of a graph.
            with torch.no_grad():
                gradients, losses = self._losses.by_example(parameters, image[start:stop], label[start:stop])
                own = units[start:stop]
                gradients = _sum_by_unit(gradients, own - own[0])
                if self._views > 1:
                    gradients = [gradient / self._views for gradient in gradients]
                gradients = self._scales.apply(gradients)
            if held:
                for gradient, before in zip(gradients, held, strict=True):
                    gradient[0] += before[0]
                losses = torch.cat([*held_losses, losses])
                held, held_losses = [], []
            if stop < len(image) and units[stop] == units[stop - 1]:
                held = [gradient[-1:].clone() for gradient in gradients]
                if len(gradients[0]) == 1:
                    held_losses = [losses]
                    continue
                gradients = [gradient[:-1] for gradient in gradients]
            yield gradients, losses

    def chunk_size(self, image: Tensor, label: Tensor) -> int:
        """Count the examples that the budget has room for at a time; the same for all batches of this shape."""
        shape = (*image.shape[1:], *label.shape[1:])
        if shape not in self._chunks:
            self._chunks[shape] = max(1, int(self._budget // self._bytes_per_example(image[:1], label[:1])))
        return self._chunks[shape]

    def _bytes_per_example(self, image: Tensor, label: Tensor) -> int:
        """Gradients (twice, while they are summed) and what the backward pass of one example keeps."""
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        image, label = image.clone(), label.clone()  # what is kept of them is this example's, not the whole batch
        keeping = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        with torch.enable_grad(), full_precision(image.device), keeping:
            loss = self._losses(image, label)
        del loss
        weights = {p.untyped_storage().data_ptr() for p in self._parameters.values()}
        activations = sum(size for place, size in kept.items() if place not in weights)
        gradients = sum(p.numel() * _wide(p).itemsize for p in self._parameters.values())
        # The backward pass has the gradients of the widest layers beside what it still keeps.
        return int(2 * gradients + 1.5 * activations) + 1


class _Losses(nn.Module):
    """Module whose ``forward`` is the loss of examples, for ``functional_call``."""

    def __init__(self, module: nn.Module, example_losses: ExampleLosses) -> None:
        super().__init__()
        self.module = module
        self._example_losses = example_losses
        # A parameter may be used in several places, and a module may be registered under several names. (torch's own
        # `tie_weights` leaves the mapped parameters in such a module, as in MONAI's DynUNet.)
        places: dict[tuple[int, str], str] = {}
        for name, _ in module.named_parameters(remove_duplicate=False):
            owner, _, attribute = name.rpartition(".")
            places.setdefault((id(module.get_submodule(owner)), attribute), name)
        first = {id(p): name for name, p in module.named_parameters()}
        self._names = {name: first[id(module.get_parameter(name))] for name in places.values()}

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        return self._example_losses(image, label)

    def by_example(self, parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> tuple[list[Tensor], Tensor]:
        """Gradients of each example, [b, *parameter], and the losses, [b]."""
        own = {name: p.expand(len(image), *p.shape).requires_grad_() for name, p in parameters.items()}
        with torch.enable_grad():
            with ExampleFunctions():
                losses = vmap(self._one, randomness="different")(own, image, label)
            gradients = torch.autograd.grad(losses.sum(), list(own.values()), materialize_grads=True)
        return [gradient.to(_wide(gradient)) for gradient in gradients], losses.detach()

    def _one(self, parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        """Loss of one example without batch dimension, under the given parameters."""
        own: dict[str, Any] = {
            f"module.{name}": parameters[first] for name, first in self._names.items() if first in parameters
        }
        losses: Tensor = functional_call(self, own, (image[None], label[None]), tie_weights=False)
        return losses[0]


def _sum_by_unit(gradients: list[Tensor], units: Tensor) -> list[Tensor]:
    """Add the examples [b, ...] of the same unit: [u, ...]."""
    count = int(units[-1]) + 1
    if count == len(units):
        return gradients
    return [g.new_zeros(count, *g.shape[1:]).index_add_(0, units.to(g.device), g) for g in gradients]


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
