"""Phantoms in the layout of TCGA-LGG (Buda et al.): slices of lower-grade gliomas as TIFF pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import tifffile
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.brain import EXTENT
from adpfl_bench.phantoms.volumes.brain_writer import BrainWriter
from adpfl_bench.phantoms.volumes.glioma import Kind
from adpfl_bench.phantoms.volumes.mri_scanner import MRI_SITES, MriSite
from adpfl_bench.phantoms.volumes.space import Space, Volume

_HEIGHT = 125.0  # mm that the slices cover
#: Institutions of TCGA-LGG in about their real proportions, each with one of the scanners.
_INSTITUTIONS = {"DU": 0.41, "HT": 0.31, "CS": 0.14, "FG": 0.13, "EZ": 0.01}


class LggWriter(BrainWriter):
    """Writes ``kaggle_3m/TCGA_<site>_<patient>_<date>/..._<slice>.tif`` and ``..._mask.tif``.

    ``size`` is (slices, rows, columns), as the files have them. The pictures' colours are the sequences before
    contrast, FLAIR, and after contrast; masks are the whole abnormality in FLAIR.
    """

    name: ClassVar[str] = "lgg"
    default_size: ClassVar[tuple[int, ...]] = (24, 96, 96)
    smallest: ClassVar[int] = 8
    kind: ClassVar[Kind] = "low grade"
    sequences: ClassVar[tuple[str, ...]] = ("t1", "flair", "t1ce")
    sites: ClassVar[Mapping[str, MriSite]] = MappingProxyType(
        {
            name: replace(site, share=share)
            for (name, share), site in zip(_INSTITUTIONS.items(), MRI_SITES.values(), strict=True)
        }
    )

    def prepare(self, root: Path) -> None:
        """Make a folder for each patient; their names say where they are from."""
        for index in range(self.cases):
            (root / "kaggle_3m" / self.case_id(index)).mkdir(parents=True)

    def case_id(self, index: int) -> str:
        """Return the name of a patient, with a number that TCGA has not given out and a date without meaning."""
        return f"TCGA_{self.site_of(index)}_{9001 + index}_19000101"

    def space_of(self, index: int) -> Space:
        """Grid of a patient: square pixels and thick slices."""
        slices, rows, columns = self.size
        edge = EXTENT[1] / min(rows, columns)
        return Space((columns, rows, slices), (edge, edge, _HEIGHT / slices))

    def write_case(self, root: Path, index: int) -> None:
        """Write the slices and masks of a patient."""
        images, labels, _ = self.make_case(index)
        colours = [_to_bytes(images[sequence]) for sequence in self.sequences]
        name = self.case_id(index)
        for number in range(labels.shape[2]):
            picture = np.stack([_slice(colour, number) for colour in colours], axis=-1)
            mask = np.where(_slice(labels, number) > 0, 255, 0).astype(np.uint8)
            stem = root / "kaggle_3m" / name / f"{name}_{number + 1}"
            tifffile.imwrite(stem.with_name(f"{stem.name}.tif"), picture, photometric="rgb", compression="zlib")
            tifffile.imwrite(stem.with_name(f"{stem.name}_mask.tif"), mask, compression="zlib")


def _slice(volume: NDArray[Any], number: int) -> NDArray[Any]:
    """Return an axial slice as a picture: rows from front to back, columns from the patient's right to the left."""
    return np.ascontiguousarray(volume[::-1, ::-1, number].T)


def _to_bytes(image: Volume) -> NDArray[np.uint8]:
    brightest = np.percentile(image[image > 0], 99.8) if (image > 0).any() else 1.0
    scaled: NDArray[np.uint8] = np.clip(np.rint(image * (255 / brightest)), 0, 255).astype(np.uint8)
    return scaled
