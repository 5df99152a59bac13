"""Segmentation networks: MONAI's and the suite's own by name, and any other by its class path."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import monai.networks.nets as nets
from torch import nn

from adpfl_bench.errors import ConfigError
from adpfl_bench.tasks.layers import GROUPED_INSTANCE, ONE_SLOPE
from adpfl_bench.tasks.public_encoder_unet import PublicEncoderUNet
from adpfl_bench.trust import check_class_path

# MONAI's classifiers take the same arguments, so the networks that segment have to be named.
NETWORKS: Mapping[str, str] = MappingProxyType(
    {
        "AttentionUnet": "U-Net with attention gates (Oktay et al. 2018, arXiv 1804.03999); has batch normalisation",
        "BasicUNet": "U-Net of two convolutions a level (Falk et al. 2019)",
        "DynUNet": "nnU-Net's network (Isensee et al. 2021, arXiv 1904.08128), shaped for patches of 128 voxels",
        "PublicEncoderUNet": "The suite's own, on features of EfficientNet-Lite0 as published; needs the extra encoder",
        "SegResNet": "Residual encoder and decoder without skips' concatenation (Myronenko 2018, arXiv 1810.11654)",
        "UNet": "U-Net with residual units (Kerfoot et al. 2019); the suite's instance norm and PReLU, fast on a CPU",
    }
)
"""The networks that are known by name, and what each is; all but the suite's own are MONAI's."""

_OWN: Mapping[str, Any] = MappingProxyType({"PublicEncoderUNet": PublicEncoderUNet})
_NETWORKS: dict[str, Any] = {name: _OWN.get(name) or getattr(nets, name) for name in NETWORKS}

_PUBLIC_LAYERS = {GROUPED_INSTANCE: "INSTANCE", ONE_SLOPE: "PRELU"}
"""MONAI's names of the layers of PyTorch that this suite's compute the values of."""

# Instance normalisation keeps no running statistics: nothing for a federation to average, and gradients per example
# stay possible. A convolution's bias is cancelled by the norm that follows it; noise on it would be wasted.
_DEFAULTS: dict[str, dict[str, Any]] = {
    # The shape that nnU-Net (Isensee et al. 2021, arXiv 1904.08128) gives patches of about 128 voxels a side.
    "DynUNet": {
        "kernel_size": (3, 3, 3, 3, 3),
        "strides": (1, 2, 2, 2, 2),
        "upsample_kernel_size": (2, 2, 2, 2),
        "filters": (32, 64, 128, 256, 320),
        "norm_name": (GROUPED_INSTANCE, {"affine": True}),
    },
    "UNet": {
        "channels": (16, 32, 64, 128),
        "strides": (2, 2, 2),
        "norm": (GROUPED_INSTANCE, {"affine": True}),
        "act": ONE_SLOPE,
        "bias": False,
    },
}


def build_network(
    name: str, spatial_dims: int, in_channels: int, out_channels: int, arguments: Mapping[str, Any] | None = None
) -> nn.Module:
    """Build a network from [B, C, *spatial] to logits [B, R, *spatial].

    Args:
        name: One of AttentionUnet, BasicUNet, DynUNet, SegResNet and UNet of MONAI, PublicEncoderUNet, or the class
            path of any ``torch.nn.Module``. AttentionUnet brings batch normalisation, whose running statistics
            ``federated.buffers`` has a policy for.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Number of regions.
        arguments: Of a network by name its further arguments, which override this suite's defaults; of a class path
            all of them.

    Raises:
        ConfigError: There is no such network, or it does not take these arguments.
    """
    sizes = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
    known = name in _NETWORKS
    network = _NETWORKS[name] if known else _import_network(name)
    defaults = {**sizes, **_DEFAULTS.get(name, {})} if known else {}
    try:
        built: nn.Module = network(**{**defaults, **(arguments or {})})
    except (TypeError, ValueError, KeyError) as error:
        accepted = ", ".join(p for p in inspect.signature(network).parameters if not known or p not in sizes)
        raise ConfigError(f"model.network_arguments do not fit {name}: {error}. It accepts {accepted}.") from error
    return built


def monai_definition(
    name: str, spatial_dims: int, in_channels: int, out_channels: int, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A network as MONAI alone can build it, with PyTorch's layers in place of this suite's, which compute the same.

    Args:
        name: As :func:`build_network`, as for all further arguments.
        spatial_dims: 2 or 3.
        in_channels: Channels of the image.
        out_channels: Number of regions.
        arguments: Further arguments of the network.

    Returns:
        The network's name as ``_target_`` and its arguments, as a MONAI configuration has them.

    Raises:
        ConfigError: The network is not one of MONAI's by name.
    """
    if name not in _NETWORKS or name in _OWN:
        whose = "this suite" if name in _OWN else "your own code"
        raise ConfigError(
            f"The network is {name}, which only {whose} can build; what leaves for MONAI is one of"
            f" {', '.join(sorted(_NETWORKS.keys() - _OWN.keys()))}."
        )
    sizes = {"spatial_dims": spatial_dims, "in_channels": in_channels, "out_channels": out_channels}
    stated: dict[str, Any] = _with_public_layers({**sizes, **_DEFAULTS.get(name, {}), **(arguments or {})})
    return {"_target_": name, **stated}


def _with_public_layers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_public_layers(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_public_layers(part) for part in value]
    return _PUBLIC_LAYERS.get(value, value) if isinstance(value, str) else value


def _import_network(path: str) -> type[nn.Module]:
    module, _, name = path.rpartition(".")
    if module:
        check_class_path(path, "model.network")
    try:
        network = getattr(importlib.import_module(module), name) if module else None
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"model.network is {path}, which cannot be imported: {error}. Put the folder of its file on PYTHONPATH."
        ) from error
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise ConfigError(
            f"model.network is {path}, which is not a segmentation network of this suite; possible are"
            f" {', '.join(sorted(_NETWORKS))}, and the class path of any torch.nn.Module."
        )
    return network
