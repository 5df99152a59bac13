"""Phantoms in the layouts of BraTS 2021, BraTS 2023 (before treatment) and BraTS 2024 (after it)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.brain_writer import BrainWriter
from adpfl_bench.phantoms.volumes.glioma import ET, NETC, RC, SNFH, Kind
from adpfl_bench.phantoms.volumes.space import Space, save_nifti


class BratsWriter(BrainWriter):
    """Writes a folder of NIfTI files for each case, with axes as in BraTS (to the left, to the back, to the head)."""

    endings: ClassVar[Mapping[str, str]]
    """What the name of each file adds to the case's."""
    values: ClassVar[Mapping[int, int]]
    """Label values of the layout."""

    def write_case(self, root: Path, index: int) -> None:
        """Write the sequences and the label map of a case."""
        images, labels, space = self.make_case(index)
        name = self.case_id(index)
        folder = root / name
        folder.mkdir()
        for sequence, image in images.items():
            stored = as_stored(np.rint(image).astype(np.int16))
            save_nifti(stored, affine_of(space), folder / f"{name}{self.endings[sequence]}.nii.gz")
        stored = as_stored(replace_values(labels, self.values))
        save_nifti(stored, affine_of(space), folder / f"{name}{self.endings['seg']}.nii.gz")


class Brats2021Writer(BratsWriter):
    """``BraTS2021_90000/BraTS2021_90000_{t1,t1ce,t2,flair,seg}.nii.gz``; labels 1, 2 and 4."""

    name: ClassVar[str] = "brats2021"
    endings: ClassVar[Mapping[str, str]] = {
        sequence: f"_{sequence}" for sequence in ("t1", "t1ce", "t2", "flair", "seg")
    }
    values: ClassVar[Mapping[int, int]] = {NETC: 1, SNFH: 2, ET: 4}

    def case_id(self, index: int) -> str:
        """Return the name of a case, with a number that BraTS has not given out."""
        return f"BraTS2021_{90_000 + index}"


class Brats2023Writer(BratsWriter):
    """``BraTS-GLI-90000-000/...-{t1n,t1c,t2w,t2f,seg}.nii.gz``; labels 1, 2 and 3; every fifth patient twice."""

    name: ClassVar[str] = "brats2023"
    endings: ClassVar[Mapping[str, str]] = {"t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "flair": "-t2f", "seg": "-seg"}
    values: ClassVar[Mapping[int, int]] = {NETC: 1, SNFH: 2, ET: 3}
    every_second_scan = 5
    first_time_point: ClassVar[int] = 0

    def case_id(self, index: int) -> str:
        """Return the name of a case: the patient's number and the time point."""
        taken = self.scans[index]
        return f"BraTS-GLI-{90_000 + taken.patient}-{self.first_time_point + taken.time_point:03d}"


class Brats2024Writer(Brats2023Writer):
    """The same after an operation: label 4 is the cavity, about half lack label 1; every third patient twice."""

    name: ClassVar[str] = "brats2024"
    values: ClassVar[Mapping[int, int]] = {NETC: 1, SNFH: 2, ET: 3, RC: 4}
    kind: ClassVar[Kind] = "operated"
    every_second_scan = 3
    first_time_point = 100


def replace_values(labels: NDArray[np.uint8], values: Mapping[int, int]) -> NDArray[np.uint8]:
    """Replace the label values of BraTS 2024 by those of a layout."""
    table = np.zeros(256, dtype=np.uint8)
    for old, new in values.items():
        table[old] = new
    return table[labels]


def as_stored(array: NDArray[Any]) -> NDArray[Any]:
    """Turn RAS+ order into that of BraTS: to the left, to the back, to the head."""
    return np.ascontiguousarray(array[::-1, ::-1])


def affine_of(space: Space) -> NDArray[np.float64]:
    """Affine of BraTS' files, whose first voxel is at the right and in front."""
    edge = space.spacing[0]
    return np.array(
        [[-edge, 0, 0, 0], [0, -edge, 0, (space.shape[1] - 1) * edge], [0, 0, edge, 0], [0, 0, 0, 1]], dtype=np.float64
    )
