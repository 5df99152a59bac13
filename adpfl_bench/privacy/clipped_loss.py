"""A mean loss whose backward pass brings the clipped sum of per-unit gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.ledger import Norm
from adpfl_bench.privacy.public_scales import PublicScales
from adpfl_bench.privacy.public_subspace import PublicSubspace
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.privacy.unit_gradients import ExampleLosses, UnitGradients


class ClippedLoss:
    """The mean loss of a batch, with the clipped sum of per-unit gradients in place of its gradient.

    Args:
        module: What is trained.
        losses: Computes the loss of each example, [B], from images and labels.
        threshold: Rule for the clipping threshold.
        norm: The norm that is clipped.
        memory_budget: Bytes that a chunk's gradients and activations may take.
        views: How often each example is in a batch; their mean is clipped.
        scales: What gradients are multiplied by before they are clipped.
        subspace: What they are split by.
    """

    def __init__(
        self,
        module: nn.Module,
        losses: ExampleLosses,
        threshold: Threshold,
        norm: Norm,
        memory_budget: float,
        views: int = 1,
        scales: PublicScales | None = None,
        subspace: PublicSubspace | None = None,
    ) -> None:
        self.units = UnitGradients(module, losses, memory_budget, views, scales, subspace)
        self._views = views
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._threshold = threshold
        self._norm: Norm = norm
        self._clipped: tuple[Sequence[float], float] | None = None

    def __call__(self, batch: TrainingBatch) -> Tensor:
        """Compute the mean loss of the batch's examples; its backward pass brings the clipped sum.

        Raises:
            BenchError: A unit's gradient is not finite.
            ConfigError: The batch has another number of views than is divided by.
        """
        if batch.views != self._views:
            raise ConfigError(
                f"privacy.views is {self._views}, but the datamodule brings each example {batch.views} times: let"
                " its train_dataloader follow the plan's views."
            )
        inputs = batch.image, batch.label, batch.units
        client = batch.client
        if self._threshold.needs_norms:
            self._threshold.observe(client, self._finite(self.units.norms(*inputs, self._norm), batch))
        threshold = self._threshold.current(client)
        result = self.units.clipped_sum(*inputs, threshold, self._norm)
        self._clipped = self._finite(result.norms, batch), threshold
        loss = result.losses.mean() if len(result.losses) else result.losses.new_tensor(torch.nan)
        carried: Tensor = _Carried.apply(loss, result.gradients, *self._parameters)  # type: ignore[no-untyped-call]
        return carried

    def take(self) -> tuple[Sequence[float], float]:
        """Return the norms of the last step's units before clipping, and their threshold, once.

        Raises:
            BenchError: There was no step since it was taken last.
        """
        clipped, self._clipped = self._clipped, None
        if clipped is None:
            raise BenchError(
                "A local step was skipped, although the ledger counts a release for it; whether a step is skipped would"
                " tell who is in its batch. Let every training_step return its loss."
            )
        return clipped

    @staticmethod
    def _finite(norms: Tensor, batch: TrainingBatch) -> list[float]:
        if not bool(torch.isfinite(norms).all()):
            raise BenchError(not_finite(batch.client, batch.round))
        return [float(norm) for norm in norms.tolist()]


def not_finite(client: str, round_index: int) -> str:
    """Word the error of a gradient that cannot be clipped."""
    return (
        f"The gradient of client {client} in round {round_index + 1} is not finite. Lower the learning rate or the"
        " noise; the last checkpoint holds the round before."
    )


def trained_parameters(optimizer: Optimizer) -> list[Tensor]:
    """Collect all parameters that an optimizer trains."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"] if parameter.requires_grad]


def trained_gradients(optimizer: Optimizer) -> list[Tensor]:
    """Collect the gradients of all trained parameters; one without gets zeros, so that it is noised too."""
    gradients = []
    for parameter in trained_parameters(optimizer):
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients


class _Carried(torch.autograd.Function):
    """A loss whose gradient has been computed already."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = [g.to(p.dtype) for g, p in zip(gradients, parameters, strict=True)]
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        return None, None, *ctx.gradients
