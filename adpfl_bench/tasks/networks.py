"""Segmentation networks from MONAI, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import monai.networks.nets as nets
from torch import nn

from adpfl_bench.errors import ConfigError

# MONAI's classifiers take the same arguments, so the networks that segment have to be named.
_NETWORKS: dict[str, Any] = {
    network.__name__: network
    for network in (nets.AttentionUnet, nets.BasicUNet, nets.DynUNet, nets.SegResNet, nets.UNet)
}

# Instance normalisation keeps no running statistics: nothing for a federation to average, and gradients per record
# stay possible. A convolution's bias is cancelled by the norm that follows it; noise on it would be wasted.
_DEFAULTS: dict[str, dict[str, Any]] = {
    # The shape that nnU-Net (Isensee et al. 2021, arXiv 1904.08128) gives patches of about 128 voxels a side.
    "DynUNet": {
        "kernel_size": (3, 3, 3, 3, 3),
        "strides": (1, 2, 2, 2, 2),
        "upsample_kernel_size": (2, 2, 2, 2),
        "filters": (32, 64, 128, 256, 320),
        "norm_name": ("INSTANCE", {"affine": True}),
    },
    "UNet": {
        "channels": (16, 32, 64, 128),
        "strides": (2, 2, 2),
        "norm": ("INSTANCE", {"affine": True}),
        "bias": False,
    },
}


def build_network(
    name: str, spatial_dims: int, in_channels: int, out_channels: int, arguments: Mapping[str, Any] | None = None
) -> nn.Module:
    """Build a MONAI network.

    Args:
        name: One of AttentionUnet, BasicUNet, DynUNet, SegResNet and UNet. AttentionUnet brings batch normalisation,
            whose running statistics ``federated.buffers`` has a policy for.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Number of regions.
        arguments: Further arguments of the network; they override this suite's defaults for it.

    Raises:
        ConfigError: There is no such network, or it does not take these arguments.
    """
    if name not in _NETWORKS:
        raise ConfigError(
            f"model.network is {name}, which is not a segmentation network of this suite; possible are"
            f" {', '.join(sorted(_NETWORKS))}."
        )
    sizes = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
    try:
        network: nn.Module = _NETWORKS[name](**sizes, **{**_DEFAULTS.get(name, {}), **(arguments or {})})
    except (TypeError, ValueError, KeyError) as error:
        accepted = ", ".join(p for p in inspect.signature(_NETWORKS[name]).parameters if p not in sizes)
        raise ConfigError(f"model.network_arguments do not fit {name}: {error}. It accepts {accepted}.") from error
    return network
