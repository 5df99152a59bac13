"""Bundles of volumes: each is turned, cropped, resampled and scaled, and becomes a label map on its own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib

from adpfl_bench.data.evaluation.sliding_window import SlidingWindow
from adpfl_bench.data.volumes.preparation import Preparation
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.running.bundled_network import BundledNetwork
from adpfl_bench.text import times


@dataclass(frozen=True)
class VolumeNetwork(BundledNetwork):
    """A network of windows of volumes.

    A volume is brought to RAS+, cut to the box of what is not air (CT) or not 0 (MRI), scaled, and resampled as
    :func:`~adpfl_bench.data.volumes.preparation.prepare_image` does it. Logits go back the same way, are cut at 0, and
    are painted region by region with the release's values.

    Attributes:
        release: What the files hold.
        how: Spacing and intensities.
        window: The sliding window.
        painting: Value in the label map by region, later ones over earlier ones.
    """

    release: VolumeRelease
    how: Preparation
    window: SlidingWindow
    painting: Sequence[int]

    @property
    def channels(self) -> Sequence[str]:
        """Those of the release."""
        return self.release.channels

    @property
    def takes(self) -> str:
        """Windows of a spacing."""
        spacing = "" if self.how.spacing is None else f" at {' x '.join(f'{e:g}' for e in self.how.spacing)} mm"
        return f"windows of {times(self.size)} voxels{spacing} of {self.release.modality} ({', '.join(self.channels)})"

    @property
    def needs(self) -> str:
        """NiBabel reads and writes."""
        return "fire,ignite,nibabel"

    @property
    def instructions(self) -> str:
        """How files are called, and what becomes of them."""
        ways = " or ".join(" ".join(way) for way in self._endings if any(way))
        values = ", ".join(f"{value} {name}" for value, name in self.release.labels.items())
        called = f", called as a case but for {ways}," if ways else ""
        return (
            f"NIfTI files of a folder, {len(self.channels)} for each case{called} become label maps ({values})\n"
            "on the files' grid. A file that cannot be read ends the run."
        )

    @property
    def _endings(self) -> Sequence[Sequence[str]]:
        """Ways to end the names of a case's files, each with an ending for every channel."""
        if len(self.channels) == 1:
            return [[""]]
        return [[f"_{number:04d}" for number in range(len(self.channels))], *map(list, self.release.endings)]

    def inference(self) -> Mapping[str, Any]:
        """Read, place, scale and resample, segment by windows, and bring a label map back."""
        suffixes = sorted({"_0000", *(way[0] for way in self._endings if way[0])}, key=len, reverse=True)
        return {
            "imports": [
                "$import re",
                "$from functools import reduce",
                "$from pathlib import Path",
                "$from monai.data import MetaTensor",
                "$from monai.utils import convert_to_tensor",
            ],
            "dataset_dir": "$@bundle_root + '/volumes'",
            "endings": [list(way) for way in self._endings],
            "cases": _CASES,
            "placing": {
                "_target_": "Compose",
                "transforms": [
                    {
                        "_target_": "LoadImaged",
                        "keys": "image",
                        "reader": "NibabelReader",
                        "image_only": True,
                        "ensure_channel_first": True,
                    },
                    {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": None},
                    {
                        "_target_": "CropForegroundd",
                        "keys": "image",
                        "source_key": "image",
                        "select_fn": f"$lambda x: ({self._foreground}) | ~({self._foreground}).any()",
                        "allow_smaller": True,
                        "start_coord_key": "box_start",
                        "end_coord_key": "box_stop",
                    },
                ],
            },
            "preprocessing": {
                "_target_": "Compose",
                "transforms": [
                    "@placing",
                    self._scaling(),
                    {"_target_": "Lambda", "func": self._to_network(), "track_meta": False},
                ],
            },
            "inferer": {
                "_target_": "SlidingWindowInferer",
                "roi_size": list(self.window.size),
                "sw_batch_size": self.window.batch_size,
                "overlap": self.window.overlap,
                "mode": "gaussian",
                "padding_mode": "constant",
                "cval": self.window.background,
            },
            "values": list(self.painting),
            "postprocessing": {
                "_target_": "Compose",
                "transforms": [
                    {"_target_": "Lambda", "func": _TO_BOX, "track_meta": False},
                    {"_target_": "Lambda", "func": _PAINT, "track_meta": False},
                    {
                        "_target_": "Invertd",
                        "keys": "pred",
                        "transform": "@placing",
                        "orig_keys": "image",
                        "nearest_interp": False,
                    },
                    {"_target_": "Lambda", "func": _PLACED, "track_meta": False},
                    {
                        "_target_": "SaveImaged",
                        "keys": "pred",
                        "output_dir": "@output_dir",
                        "output_postfix": "",
                        "output_ext": ".nii.gz",
                        "output_dtype": "$np.uint8",
                        "resample": True,
                        "separate_folder": False,
                        "print_log": False,
                        "output_name_formatter": (
                            "$lambda meta, saver: {'subject': re.sub('(" + "|".join(suffixes) + ")(?=[.]nii([.]gz)?$)',"
                            " '', str(meta['filename_or_obj']), flags=re.IGNORECASE), 'idx': None}"
                        ),
                    },
                ],
            },
        }

    @property
    def _foreground(self) -> str:
        return f"x > {self.how.window[0]}" if self.release.modality == "CT" else "x != 0"

    def _scaling(self) -> dict[str, Any]:
        if self.release.modality == "CT":
            low, high = self.how.window
            ends = {"a_min": low, "a_max": high, "b_min": -1.0, "b_max": 1.0}
            return {"_target_": "ScaleIntensityRanged", "keys": "image", **ends, "clip": True}
        return {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}

    def _to_network(self) -> str:
        """The wanted spacing, outer faces where they are, in the 16 bits that cases are kept in."""
        image = "d['image'].as_tensor()"
        if self.how.spacing is not None:
            size = (
                "[max(1, round(side * float(edge) / wanted)) for side, edge, wanted in zip(d['image'].shape[1:],"
                " np.linalg.norm(np.asarray(d['image'].affine)[:3, :3], axis=0),"
                f" {[float(edge) for edge in self.how.spacing]})]"
            )
            image = (
                f"torch.nn.functional.interpolate({image}[None].double(), size={size}, mode='trilinear',"
                " align_corners=False)[0].float()"
            )
        return (
            f"$lambda d: {{**d, 'image': MetaTensor({image}.half().float(), meta=d['image'].meta,"
            " applied_operations=d['image'].applied_operations)}"
        )

    def image_format(self) -> Mapping[str, Any]:
        """Intensities, scaled."""
        ct = self.release.modality == "CT"
        return {
            "format": "hounsfield" if ct else "magnitude",
            "modality": "CT" if ct else "MR",
            "value_range": [-1, 1] if ct else [],
            "is_patch_data": True,
        }

    def stated(self) -> Mapping[str, Any]:
        """Files, values and what the logits mean."""
        low, high = self.how.window
        scaled = f"{low:g} to {high:g} HU, mapped to -1 to 1"
        if self.release.modality != "CT":
            scaled = "each with mean 0 and standard deviation 1 over its voxels other than 0"
        return {
            "packages": {"nibabel": nib.__version__},
            "data_type": "NIfTI, a file for each channel",
            "image_classes": f"{', '.join(self.channels)}: {scaled}",
            "pred_classes": "logits of each region, above 0 inside: " + ", ".join(self.regions),
        }


_CASES = (
    "$[{'image': [path[: len(path) - len(way[0] + end)] + part + end for part in way]} for way in @endings"
    " for end in ('.nii.gz', '.nii') for path in sorted(map(str, Path(@dataset_dir).rglob('[!.]*' + way[0] + end)))]"
)

_TO_BOX = (
    "$lambda d: {**d, 'pred': torch.nn.functional.interpolate(convert_to_tensor(d['pred'])[None].float(),"
    " size=[int(stop) - int(start) for start, stop in zip(d['box_start'], d['box_stop'])], mode='trilinear',"
    " align_corners=False)[0] > 0}"
)

_PAINT = (
    "$lambda d: {**d, 'pred': MetaTensor(reduce(lambda made, region: made.masked_fill(region[0], region[1]),"
    " zip(d['pred'], @values), torch.zeros_like(d['pred'][0], dtype=torch.uint8))[None])}"
)

# Without what the image's own metadata say of channels, of which a label map has one. It lies where it should, so that
# nothing is resampled; but only with a grid to go to, MONAI takes a map for a volume.
_PLACED = (
    "$lambda d: {**d, 'pred': MetaTensor(d['pred'].as_tensor(), affine=d['pred'].affine,"
    " meta={name: d['image'].meta[name] for name in ('filename_or_obj', 'original_affine', 'spatial_shape')})}"
)
