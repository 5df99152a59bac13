"""Tiny cohorts of volumes in the publishers' own layouts."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

SHAPE = (8, 8, 8)
BRATS_ENDINGS = ("_t1", "_t1ce", "_t2", "_flair", "_seg")
GLI_ENDINGS = ("-t1n", "-t1c", "-t2w", "-t2f", "-seg")


def _image(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 20, shape).astype(np.float32)


def _label(*values: int) -> np.ndarray:
    """A label map with a row of each value."""
    label = np.zeros(SHAPE, dtype=np.uint8)
    for row, value in enumerate(values):
        label[2 + row, 2:5, 3] = value
    return label


def _save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, -1.0, 2.0, 1.0]) if affine is None else affine), path)
    return path


class Cohorts:
    """Writes cases of 8x8x8 voxels; every case has an image of its own."""

    def __init__(self) -> None:
        self._seed = 0
        self.image, self.label, self.save = _image, _label, _save

    def _next(self) -> int:
        self._seed += 1
        return self._seed

    def kits(self, folder: Path, label_file: str = "segmentation.nii.gz", values: tuple[int, ...] = (1, 2)) -> Path:
        """Write a case into its folder."""
        _save(folder / "imaging.nii.gz", _image(self._next()))
        _save(folder / label_file, _label(*values))
        return folder

    def brats(self, folder: Path, values: tuple[int, ...] = (1, 2), suffix: str = ".nii.gz") -> Path:
        """Write a case into its folder, with files named as the folder's release does."""
        *images, seg = GLI_ENDINGS if folder.name.startswith("BraTS-GLI") else BRATS_ENDINGS
        for ending in images:
            _save(folder / f"{folder.name}{ending}{suffix}", _image(self._next()))
        _save(folder / f"{folder.name}{seg}{suffix}", _label(*values))
        return folder

    def msd(self, root: Path, cases: int = 2, **description: dict[str, str]) -> Path:
        """Write Task01 with its dataset.json, of which single entries can be replaced."""
        for number in range(1, cases + 1):
            channels = [_image(self._next()) for _ in range(4)]
            _save(root / f"imagesTr/BRATS_{number:03d}.nii.gz", np.stack(channels, axis=-1))
            _save(root / f"labelsTr/BRATS_{number:03d}.nii.gz", _label(1, 2, 3))
        content = {
            "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
            "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
        }
        (root / "dataset.json").write_text(json.dumps({**content, **description}))
        return root

    def lgg(self, folder: Path, slices: int = 3, first: int = 1, size: tuple[int, int] = (6, 4)) -> Path:
        """Write a patient's slices and masks into its folder."""
        folder.mkdir(parents=True)
        for number in range(first, first + slices):
            pixels = np.random.default_rng(self._next()).integers(0, 255, (*size, 3), dtype=np.uint8)
            mask = np.zeros(size, dtype=np.uint8)
            mask[1, 2] = 255
            tifffile.imwrite(folder / f"{folder.name}_{number}.tif", pixels, photometric="rgb")
            tifffile.imwrite(folder / f"{folder.name}_{number}_mask.tif", mask)
        return folder


@pytest.fixture
def cohorts() -> Cohorts:
    return Cohorts()
