"""Bundles of pictures: each is resized, and becomes a mask of its own size for each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import PIL

from adpfl_bench.data.new_cases import PICTURES
from adpfl_bench.running.bundled_network import BundledNetwork
from adpfl_bench.text import times

_LOWEST, _HIGHEST = -2.0, 2.0


@dataclass(frozen=True)
class PictureNetwork(BundledNetwork):
    """A network of pictures.

    Pixels are read and resized by Pillow and scaled by public constants as this suite does it; logits are interpolated
    linearly to the picture's own size and cut at 0. A region's mask is a PNG of 0 and 255, ``<picture>_<region>.png``.

    Attributes:
        colours: Names of the image's channels: red, green and blue, or grey.
    """

    colours: Sequence[str] = ("red", "green", "blue")

    @property
    def channels(self) -> Sequence[str]:
        """The colours."""
        return self.colours

    @property
    def takes(self) -> str:
        """Pictures of one size."""
        return f"pictures of {times(self.size)} pixels"

    @property
    def needs(self) -> str:
        """Pillow reads and writes."""
        return "fire,ignite,pillow"

    @property
    def instructions(self) -> str:
        """What becomes of a picture."""
        return (
            "Each picture of a folder (JPEG, PNG, BMP, TIFF) becomes a PNG of 0 and 255 of its own size for each\n"
            "region. A picture that cannot be read ends the run."
        )

    def inference(self) -> Mapping[str, Any]:
        """Read, resize, segment, and write each region."""
        masks = [f"pred_{region}" for region in self.regions]
        return {
            "imports": ["$from pathlib import Path", "$from PIL import Image"],
            "dataset_dir": "$@bundle_root + '/pictures'",
            "endings": list(PICTURES),
            "pictures": "$sorted(str(p) for p in Path(@dataset_dir).rglob('*') if p.suffix.lower() in @endings)",
            "cases": "$[{'image': path, 'size': path} for path in @pictures]",
            "preprocessing": {"_target_": "Compose", "transforms": self._preprocessing()},
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "Lambda", "func": _TO_OWN_SIZE},
                    {"_target_": "Transposed", "keys": "pred", "indices": [0, 2, 1]},
                    {"_target_": "SplitDimd", "keys": "pred", "dim": 0, "output_postfixes": list(self.regions)},
                    *(_saving(key, region) for key, region in zip(masks, self.regions, strict=True)),
                ],
            },
        }

    def _preprocessing(self) -> list[dict[str, Any]]:
        height, width = self.size
        mode = "RGB" if len(self.colours) == 3 else "L"
        # A large JPEG is decoded at a fraction of its size, as in training; other formats pass over draft.
        resized = (
            f"$lambda picture: (picture.draft(None, ({2 * width}, {2 * height})),"
            f" picture.convert('{mode}').resize(({width}, {height}), Image.Resampling.BILINEAR))[1]"
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

    def image_format(self) -> Mapping[str, Any]:
        """Colours, scaled."""
        return {
            "format": "RGB" if len(self.colours) == 3 else "magnitude",
            "modality": "photograph",
            "value_range": [_LOWEST, _HIGHEST],
            "is_patch_data": False,
        }

    def stated(self) -> Mapping[str, Any]:
        """Files, values and what the logits mean."""
        return {
            "packages": {"pillow": PIL.__version__},
            "data_type": "JPEG, PNG, BMP or TIFF, 8 bits a channel",
            "image_classes": f"{', '.join(self.colours)}, mapped from 0 to 255 to -2 to 2",
            "pred_classes": "logits of each region, above 0 inside: " + ", ".join(self.regions),
        }


_TO_OWN_SIZE = (
    "$lambda d: {**d, 'pred': torch.nn.functional.interpolate(d['pred'][None].float(),"
    " size=[int(side) for side in d['size']], mode='bilinear', align_corners=False)[0] > 0}"
)


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
