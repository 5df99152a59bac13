"""Segmentation networks from MONAI, by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import monai.networks.nets as nets
from torch import nn

from adpfl_bench.errors import ConfigError

# Instance normalisation keeps no running statistics: nothing for a federation to average, and gradients per record
# stay possible. A convolution's bias is cancelled by the norm that follows it; noise on it would be wasted.
_DEFAULTS: dict[str, dict[str, Any]] = {
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
        name: Class name in ``monai.networks.nets`` of a network with the arguments ``spatial_dims``, ``in_channels``
            and ``out_channels``.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Number of regions.
        arguments: Further arguments of the network; they override this suite's defaults for it.

    Raises:
        ConfigError: There is no such network, or it does not take these arguments.
    """
    known = _segmentation_networks()
    if name not in known:
        raise ConfigError(
            f"model.network is {name}, which is not a segmentation network of MONAI; possible are"
            f" {', '.join(sorted(known))}."
        )
    sizes = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
    try:
        network: nn.Module = known[name](**sizes, **{**_DEFAULTS.get(name, {}), **(arguments or {})})
    except (TypeError, ValueError, KeyError) as error:
        accepted = ", ".join(p for p in inspect.signature(known[name]).parameters if p not in sizes)
        raise ConfigError(f"model.network_arguments do not fit {name}: {error}. It accepts {accepted}.") from error
    return network


def _segmentation_networks() -> dict[str, Any]:
    wanted = {"spatial_dims", "in_channels", "out_channels"}
    classes = {name: value for name, value in vars(nets).items() if inspect.isclass(value)}
    return {
        name: value
        for name, value in classes.items()
        if issubclass(value, nn.Module) and wanted <= set(inspect.signature(value).parameters)
    }
