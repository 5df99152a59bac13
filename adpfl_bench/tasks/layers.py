"""Layers that compute what PyTorch's do, sooner on a processor; MONAI's networks take them by name."""

from __future__ import annotations

import torch
from monai.networks.layers import Act, Norm
from torch import Tensor, nn
from torch.nn import functional

from adpfl_bench.privacy.example_functions import one_slope_prelu

ONE_SLOPE = "ONE_SLOPE_PRELU"
"""Name of :class:`OneSlopePReLU` among MONAI's activations."""

GROUPED_INSTANCE = "GROUPED_INSTANCE"
"""Name of :class:`GroupedInstanceNorm2d` and :class:`GroupedInstanceNorm3d` among MONAI's norms."""


_FEW = 2**15
"""Values of an image below which PyTorch's PReLU is the faster one; at this number they take the same time."""


class OneSlopePReLU(nn.PReLU):
    """PReLU with one slope for all channels, ``nn.PReLU()``, that goes backwards as a leaky ReLU on a processor.

    Values are the same to the bit; the slope's gradient may be added up in another order. PyTorch's own way back is
    several times as slow there.
    """

    def __init__(self) -> None:
        super().__init__(num_parameters=1)

    def forward(self, input: Tensor) -> Tensor:
        """Activate an image of any shape."""
        # What only runs forwards, is compiled or is exported takes PyTorch's own, as does an image of few values, of
        # which a call from Python takes longer than what it saves.
        if input.device.type != "cpu" or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return super().forward(input)
        if input.numel() < _FEW:
            return super().forward(input)
        return one_slope_prelu(input, self.weight)


class GroupedInstanceNorm2d(nn.InstanceNorm2d):
    """``nn.InstanceNorm2d`` without running statistics, as a group norm with a group for each channel.

    Its kernel is faster on a processor.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, H, W]."""
        return _grouped(self, input) if _faster(input) else super().forward(input)


class GroupedInstanceNorm3d(nn.InstanceNorm3d):
    """The same of volumes."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, D, H, W]."""
        return _grouped(self, input) if _faster(input) else super().forward(input)


def _faster(input: Tensor) -> bool:
    """Whether a group norm is faster; of a single element PyTorch's own says that it cannot be normalised."""
    return input.device.type == "cpu" and input.shape[2:].numel() > 1


def _grouped(layer: nn.InstanceNorm2d | nn.InstanceNorm3d, input: Tensor) -> Tensor:
    return functional.group_norm(input, layer.num_features, layer.weight, layer.bias, layer.eps)


@Norm.factory_function(GROUPED_INSTANCE)
def _norm_of(dimensions: int) -> type[nn.Module]:
    return {2: GroupedInstanceNorm2d, 3: GroupedInstanceNorm3d}[dimensions]


Act.add_factory_class(ONE_SLOPE, OneSlopePReLU)
