"""Bundle check: what a bundle does beside its network, compared with what this suite does, on a made-up image."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.utils import convert_to_dst_type
from PIL import Image

from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase, collate_cases
from adpfl_bench.errors import ConfigError
from adpfl_bench.running.bundled_network import BundledNetwork
from adpfl_bench.running.trained_model import TrainedModel
from adpfl_bench.running.volume_bundle import VolumeNetwork
from adpfl_bench.seeding import numpy_generator

_CLOSE = 5e-3
"""Largest difference of a prepared image's values: a few steps of the 16-bit floats that volumes are kept in."""


def check_bundle(config: Mapping[str, Any], network: BundledNetwork, made: TrainedModel, release: str | None) -> None:
    """Refuse a bundle that prepares images, or writes masks, in another way than the model's own datamodule.

    Args:
        config: The bundle's configuration.
        network: What is in it.
        made: The model.
        release: Name of the release that it was trained on.

    Raises:
        ConfigError: As above.
    """
    with tempfile.TemporaryDirectory() as scratch, redirect_stdout(io.StringIO()):
        folder = Path(scratch)
        for name in ("images", "theirs", "ours"):
            (folder / name).mkdir()
        if isinstance(network, VolumeNetwork):
            _write_volume(folder / "images", network)
        else:
            _write_picture(folder / "images", network.size, len(network.channels))
        data = made.datamodule
        (case,) = data.find_new([folder / "images"], release).cases
        brought: EvaluationCase = data.new_case(case)
        parser = ConfigParser({**config, "dataset_dir": str(folder / "images"), "output_dir": str(folder / "theirs")})
        (sample,) = parser.get_parsed_content("dataset")
        image = np.asarray(sample["image"], dtype=np.float32)
        if image.shape != tuple(brought.image.shape) or not np.allclose(image, brought.image, atol=_CLOSE):
            raise ConfigError(
                f"{type(data).__name__} prepares images in another way than a bundle can state; export a model of a"
                " datamodule that does not."
            )
        shape = (len(network.regions), *brought.image.shape[1:])
        logits = torch.from_numpy(numpy_generator(0, "bundle").normal(size=shape).astype(np.float32))
        parser.get_parsed_content("postprocessing")({**sample, "pred": convert_to_dst_type(logits, sample["image"])[0]})
        batch = collate_cases([brought], [""], [""], "new", "test")
        masks = made.model.masks_of(logits[None], batch)[0]
        data.write_prediction(folder / "ours", case.case_id, masks, network.regions, brought.grid)
        if _contents(folder / "ours") != _contents(folder / "theirs"):
            raise ConfigError(
                f"{type(data).__name__} writes masks in another way than a bundle can state; export a model of a"
                " datamodule that does not."
            )


def _write_picture(folder: Path, size: tuple[int, ...], channels: int) -> None:
    height, width = size
    pixels = numpy_generator(0, "picture").integers(0, 256, (height + 7, width + 3, channels), dtype=np.uint8)
    Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(folder / "made.png")


def _write_volume(folder: Path, network: VolumeNetwork) -> None:
    """A small volume with axes in an order of their own, voxels of no round size, and nothing around its middle."""
    affine = np.array([[0, 0, 2.3, -7], [-1.1, 0, 0, 30], [0, 1.7, 0, 5], [0, 0, 0, 1.0]])
    outside = -1000.0 if network.release.modality == "CT" else 0.0
    for number in range(len(network.channels)):
        values = np.full((17, 19, 14), outside, dtype=np.float32)
        inside = numpy_generator(number, "volume").normal(100, 80, (11, 13, 9)).astype(np.float32)
        values[3:14, 2:15, 4:13] = inside
        nib.save(nib.Nifti1Image(values, affine), folder / f"made_{number:04d}.nii.gz")


def _contents(folder: Path) -> dict[str, Any]:
    """What images hold, by the files' endings and names, as plain values."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".png":
            found[path.name] = np.asarray(Image.open(path)).tolist()
        else:  # the name of a label map is as a challenge wants it
            image: Any = nib.load(path)
            found["label map"] = np.asarray(image.dataobj).tolist(), np.round(image.affine, 4).tolist()
    return found
