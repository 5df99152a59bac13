"""Bundled network: what leaves as a MONAI bundle, and the two configurations that say what it is and how it runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import monai
import numpy as np
import torch
from monai.utils import IgniteInfo

_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_VERSION = "1.0.0"


@dataclass(frozen=True)
class BundledNetwork(ABC):
    """A network, and how images become what it takes and what it gives becomes masks.

    Attributes:
        definition: The network as MONAI builds it.
        size: Shape of its input: (height, width) that pictures are resized to, or that of the sliding window.
        regions: Regions, in the order of its channels.
    """

    definition: Mapping[str, Any]
    size: tuple[int, ...]
    regions: Sequence[str]

    @property
    @abstractmethod
    def channels(self) -> Sequence[str]:
        """Names of the image's channels."""

    @property
    @abstractmethod
    def takes(self) -> str:
        """What it takes, after ``which takes``."""

    @property
    @abstractmethod
    def needs(self) -> str:
        """Extras of MONAI that its runner needs."""

    @property
    @abstractmethod
    def instructions(self) -> str:
        """What somebody who runs the bundle has to know."""

    @abstractmethod
    def inference(self) -> Mapping[str, Any]:
        """Keys of the configuration beside those that all bundles have.

        They are ``imports``, ``dataset_dir``, ``cases`` (a list of samples with ``image``), ``preprocessing``,
        ``inferer`` and ``postprocessing``.
        """

    @abstractmethod
    def image_format(self) -> Mapping[str, Any]:
        """What the network's input is, in the words of ``metadata.json``."""

    @abstractmethod
    def stated(self) -> Mapping[str, Any]:
        """``data_type``, ``image_classes`` and ``pred_classes`` of ``metadata.json``, and versions of ``packages``."""


def inference_config(network: BundledNetwork) -> dict[str, Any]:
    """How a folder of images becomes masks, for ``python -m monai.bundle run``."""
    return {
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/masks'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        **network.inference(),
        "network_def": dict(network.definition),
        "network": "$@network_def.to(@device)",
        "dataset": {"_target_": "Dataset", "data": "@cases", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
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


def bundle_metadata(network: BundledNetwork, stated: Mapping[str, str]) -> dict[str, Any]:
    """What the bundle is, by MONAI's schema of ``metadata.json``.

    Args:
        network: The network.
        stated: ``name``, ``task``, ``description``, ``made``, ``authors``, ``copyright``, ``data_source`` and
            ``intended_use``.
    """
    image = {
        "type": "image",
        "num_channels": len(network.channels),
        "spatial_shape": list(network.size),
        "dtype": "float32",
        "channel_def": {str(number): name for number, name in enumerate(network.channels)},
        **network.image_format(),
    }
    pred = {
        "type": "image",
        "format": "segmentation",
        "num_channels": len(network.regions),
        "spatial_shape": list(network.size),
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": image["is_patch_data"],
        "channel_def": {str(number): region for number, region in enumerate(network.regions)},
    }
    own = dict(network.stated())
    packages = {**own.pop("packages"), "pytorch-ignite": IgniteInfo.OPT_IMPORT_VERSION}
    return {
        "schema": _SCHEMA,
        "version": _VERSION,
        "changelog": {_VERSION: stated["made"]},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": packages,
        "name": stated["name"],
        "task": stated["task"],
        "description": stated["description"],
        "authors": stated["authors"],
        "copyright": stated["copyright"],
        "data_source": stated["data_source"],
        "label_classes": "none: masks are made, not read",
        **own,
        "eval_metrics": {},
        "intended_use": stated["intended_use"],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
    }
