"""Encoder of EfficientNet-Lite0, without batch normalisation: what it scaled and shifted is in the convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from adpfl_bench.errors import CheckpointError

_EPSILON = 1e-3  # of its batch normalisations


class BlockShape(NamedTuple):
    """Shape of an inverted residual block (Sandler et al. 2018, arXiv 1801.04381).

    Attributes:
        kernel: Side of the depthwise kernel.
        stride: Its stride.
        expansion: Channels between the two pointwise convolutions, as a multiple of ``inputs``; 1 has no first one.
        inputs: Channels that come.
        outputs: Channels that go.
    """

    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


LEVELS: tuple[tuple[BlockShape, ...], ...] = (
    (BlockShape(3, 1, 1, 32, 16),),
    (BlockShape(3, 2, 6, 16, 24), BlockShape(3, 1, 6, 24, 24)),
    (BlockShape(5, 2, 6, 24, 40), BlockShape(5, 1, 6, 40, 40)),
    (
        *(BlockShape(3, 2, 6, 40, 80), BlockShape(3, 1, 6, 80, 80), BlockShape(3, 1, 6, 80, 80)),
        *(BlockShape(5, 1, 6, 80, 112), BlockShape(5, 1, 6, 112, 112), BlockShape(5, 1, 6, 112, 112)),
    ),
    (
        *(BlockShape(5, 2, 6, 112, 192), BlockShape(5, 1, 6, 192, 192), BlockShape(5, 1, 6, 192, 192)),
        *(BlockShape(5, 1, 6, 192, 192), BlockShape(3, 1, 6, 192, 320)),
    ),
)
"""Blocks by level; level i has a stride of 2^i, and the stem, of stride 2, stands before the first.

EfficientNet-B0 (Tan and Le 2019, arXiv 1905.11946, table 1) without squeeze and excitation, with ReLU6.
"""

WIDTHS = tuple(level[-1].outputs for level in LEVELS)
"""Channels of each level's features."""


class LiteEncoder(nn.Module):
    """Stem and first levels of EfficientNet-Lite0, from pictures to the features of each level.

    It has parameters and no buffers: each batch normalisation, with the statistics that it was published with, is one
    scale and one shift for each channel, which are part of the convolution before it.

    Args:
        levels: Number of levels, 1 to 5.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.stem = SameConv2d(3, LEVELS[0][0].inputs, 3, stride=2)
        self.levels = nn.ModuleList(nn.ModuleList(map(_Block, level)) for level in LEVELS[:levels])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute features.

        Args:
            image: [B, 3, H, W], pixels of 0 to 255 as (pixel - 127) / 128.

        Returns:
            Of each level i, from 1 on, [B, WIDTHS[i - 1], H / 2^i, W / 2^i], rounded up.
        """
        features, found = functional.relu6(self.stem(image)), []
        for level in self.levels:
            for block in level:  # type: ignore[attr-defined]  # a list of blocks
                features = block(features)
            found.append(features)
        return found

    @torch.no_grad()
    def load_published(self, published: Mapping[str, Tensor]) -> None:
        """Take weights over from the published network, and fold its batch normalisations into them.

        Args:
            published: By the names of the package ``efficientnet_lite_pytorch``.

        Raises:
            CheckpointError: A weight is missing, or has another shape.
        """
        _fold(self.stem, published, "_conv_stem", "_bn0")
        blocks = [block for level in self.levels for block in level]  # type: ignore[attr-defined]  # a list of blocks
        for index, block in enumerate(blocks):
            for name, layer in block.named_children():
                # With a single pointwise convolution the numbers of the norms stay.
                norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}[name]
                _fold(layer, published, f"_blocks.{index}._{name}_conv", f"_blocks.{index}.{norm}")


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's ``same`` padding: of an odd number of zeros the last side has one more."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve [B, C, H, W] to [B, O, H / stride, W / stride], rounded up."""
        padding: list[int] = []
        for axis in (-1, -2):  # torch pads the last axis first
            side, kernel, stride = input.shape[axis], self.kernel_size[axis], self.stride[axis]
            zeros = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            padding += [zeros // 2, zeros - zeros // 2]
        return super().forward(functional.pad(input, padding) if any(padding) else input)


class _Block(nn.Module):
    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        width = shape.inputs * shape.expansion
        if shape.expansion > 1:
            self.expand = SameConv2d(shape.inputs, width, 1)
        self.depthwise = SameConv2d(width, width, shape.kernel, stride=shape.stride, groups=width)
        self.project = SameConv2d(width, shape.outputs, 1)
        self._expands = shape.expansion > 1
        self._adds = shape.stride == 1 and shape.inputs == shape.outputs

    def forward(self, features: Tensor) -> Tensor:
        wide = functional.relu6(self.expand(features)) if self._expands else features
        found: Tensor = self.project(functional.relu6(self.depthwise(wide)))
        return found + features if self._adds else found


def _fold(layer: nn.Conv2d, published: Mapping[str, Tensor], convolution: str, norm: str) -> None:
    """Give a convolution the weights of a published one, and of the batch normalisation that follows it."""
    assert layer.bias is not None
    weight = _published(published, f"{convolution}.weight", layer.weight.shape)
    parts = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (_published(published, f"{norm}.{part}", layer.bias.shape) for part in parts)
    factor = scale / torch.sqrt(variance + _EPSILON)
    layer.weight.copy_(weight * factor[:, None, None, None])
    layer.bias.copy_(shift - mean * factor)


def _published(published: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    """A published weight, in float64."""
    found = published.get(name)
    if not isinstance(found, Tensor) or found.shape != shape:
        what = "none of that name" if found is None else f"one of {list(getattr(found, 'shape', ()))}"
        raise CheckpointError(
            f"The published encoder should have a weight {name} of {list(shape)}, but its file has {what}: install"
            " adpfl-bench[encoder] again."
        )
    return found.double()
