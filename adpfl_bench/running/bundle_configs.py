"""The two configurations of a MONAI bundle of a model of pictures: what it is, and how it segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import monai
import numpy as np
import PIL
import torch
from monai.utils import IgniteInfo

from adpfl_bench.data.new_cases import PICTURES

_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_VERSION = "1.0.0"
_LOWEST, _HIGHEST = -2.0, 2.0


@dataclass(frozen=True)
class PictureNetwork:
    """A network of pictures, and what it takes and gives.

    Attributes:
        definition: The network as MONAI builds it.
        size: (height, width) that pictures are resized to.
        channels: Channels of the image.
        regions: Regions, in the order of the network's channels.
    """

    definition: Mapping[str, Any]
    size: tuple[int, int]
    channels: int
    regions: Sequence[str]


def inference_config(network: PictureNetwork) -> dict[str, Any]:
    """How a folder of pictures becomes masks, for ``python -m monai.bundle run``.

    Pixels are read and resized by Pillow and scaled by public constants as this suite does it; logits are interpolated
    linearly to the picture's own size and cut at 0. A region's mask is a PNG of 0 and 255, ``<picture>_<region>.png``.
    """
    masks = [f"pred_{region}" for region in network.regions]
    return {
        "imports": ["$from pathlib import Path", "$from PIL import Image"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/pictures'",
        "output_dir": "$@bundle_root + '/masks'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "endings": list(PICTURES),
        "pictures": "$sorted(str(path) for path in Path(@dataset_dir).rglob('*') if path.suffix.lower() in @endings)",
        "network_def": dict(network.definition),
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": _preprocessing(network.size)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path, 'size': path} for path in @pictures]",
            "transform": "@preprocessing",
        },
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Lambda", "func": _TO_OWN_SIZE},
                {"_target_": "Transposed", "keys": "pred", "indices": [0, 2, 1]},
                {"_target_": "SplitDimd", "keys": "pred", "dim": 0, "output_postfixes": list(network.regions)},
                *(_saving(key, region) for key, region in zip(masks, network.regions, strict=True)),
            ],
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "initialize": [
            "$@network.load_state_dict(torch.load(@bundle_root + '/models/model.pt', map_location=@device,"
            " weights_only=True))"
        ],
        "run": ["$@evaluator.run()"],
    }


_TO_OWN_SIZE = (
    "$lambda d: {**d, 'pred': torch.nn.functional.interpolate(d['pred'][None].float(),"
    " size=[int(side) for side in d['size']], mode='bilinear', align_corners=False)[0] > 0}"
)


def _preprocessing(size: tuple[int, int]) -> list[dict[str, Any]]:
    height, width = size
    # A large JPEG is decoded at a fraction of its size, as in training; other formats pass over draft.
    resized = (
        f"$lambda picture: (picture.draft(None, ({2 * width}, {2 * height})),"
        f" picture.convert('RGB').resize(({width}, {height}), Image.Resampling.BILINEAR))[1]"
    )
    return [
        {
            "_target_": "LoadImaged",
            "keys": "image",
            "reader": {"_target_": "PILReader", "converter": resized, "reverse_indexing": False},
            "image_only": True,
            "ensure_channel_first": True,
        },
        {"_target_": "Lambdad", "keys": "image", "func": "$lambda pixels: pixels.float() / 63.75 - 2.0"},
        {
            "_target_": "Lambdad",
            "keys": "size",
            "func": "$lambda path: torch.tensor(Image.open(path).size[::-1])",
            "track_meta": False,
        },
    ]


def _saving(key: str, region: str) -> dict[str, Any]:
    return {
        "_target_": "SaveImaged",
        "keys": key,
        "output_dir": "@output_dir",
        "output_postfix": region,
        "output_ext": ".png",
        "output_dtype": "$np.uint8",
        "scale": 255,
        "resample": False,
        "separate_folder": False,
        "print_log": False,
    }


def bundle_metadata(network: PictureNetwork, stated: Mapping[str, str]) -> dict[str, Any]:
    """What the bundle is, by MONAI's schema of ``metadata.json``.

    Args:
        network: The network.
        stated: ``name``, ``task``, ``description``, ``made``, ``authors``, ``copyright``, ``data_source`` and
            ``intended_use``.
    """
    spatial = list(network.size)
    image = {
        "type": "image",
        "format": "RGB",
        "modality": "photograph",
        "num_channels": network.channels,
        "spatial_shape": spatial,
        "dtype": "float32",
        "value_range": [_LOWEST, _HIGHEST],
        "is_patch_data": False,
        "channel_def": dict(zip(map(str, range(network.channels)), ("red", "green", "blue"), strict=False)),
    }
    pred = {
        "type": "image",
        "format": "segmentation",
        "num_channels": len(network.regions),
        "spatial_shape": spatial,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(number): region for number, region in enumerate(network.regions)},
    }
    return {
        "schema": _SCHEMA,
        "version": _VERSION,
        "changelog": {_VERSION: stated["made"]},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"pillow": PIL.__version__, "pytorch-ignite": IgniteInfo.OPT_IMPORT_VERSION},
        "name": stated["name"],
        "task": stated["task"],
        "description": stated["description"],
        "authors": stated["authors"],
        "copyright": stated["copyright"],
        "data_source": stated["data_source"],
        "data_type": "JPEG, PNG, BMP or TIFF, 8 bits a channel",
        "image_classes": "red, green and blue, mapped from 0 to 255 to -2 to 2",
        "label_classes": "none: masks are made, not read",
        "pred_classes": "logits of each region, above 0 inside: " + ", ".join(network.regions),
        "eval_metrics": {},
        "intended_use": stated["intended_use"],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }
