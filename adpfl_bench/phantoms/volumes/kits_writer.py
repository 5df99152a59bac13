"""Phantoms in the layout of KiTS: contrast-enhanced CT of kidneys with tumours."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms.site_shift import assign_sites, shift_sites
from adpfl_bench.phantoms.volumes.abdomen import draw_body, paint_abdomen
from adpfl_bench.phantoms.volumes.canvas import Canvas
from adpfl_bench.phantoms.volumes.contrast import FAT, PHASES
from adpfl_bench.phantoms.volumes.ct_scanner import SITES, CtSite, scan
from adpfl_bench.phantoms.volumes.kidneys import draw_kidneys, paint_kidneys
from adpfl_bench.phantoms.volumes.label_maps import (
    digest_label_maps,
    find_label_maps,
    have_cysts,
    place_body,
    read_label_map,
)
from adpfl_bench.phantoms.volumes.space import Space, save_nifti
from adpfl_bench.phantoms.writer import PhantomWriter
from adpfl_bench.seeding import numpy_generator

_KITS23, _KITS19 = "dataset", "data"


@dataclass(frozen=True)
class KitsWriter(PhantomWriter):
    """Writes ``dataset/case_*/{imaging,segmentation}.nii.gz``, ``dataset/kits23.json`` and ``sites.csv``.

    Arrays are stored as KiTS stores them: slices from the head to the feet, rows from the front to the back, columns
    from the patient's right to the left. Labels are 1 kidney (without the fat of its sinus), 2 tumour and 3 cyst.

    Around label maps none of which marks a cyst, the layout is that of KiTS19: ``data`` and ``data/kits.json``.

    Attributes:
        labels: Folder of real label maps to build the images around; ``None`` to invent the anatomy.
    """

    name: ClassVar[str] = "kits"
    default_size: ClassVar[tuple[int, ...]] = (48, 96, 96)
    smallest: ClassVar[int] = 16

    labels: Path | None = None

    def __post_init__(self) -> None:
        if self.labels is not None:
            maps = len(find_label_maps(self.labels))
            if self.cases > maps:
                raise ConfigError(f"There are {maps} label maps in {self.labels}; ask for at most {maps} cases.")

    @property
    def site_sizes(self) -> Mapping[str, int]:
        """Number of cases by site."""
        counts = Counter(self._sites)
        return {name: counts[name] for name in SITES}

    @property
    def labels_digest(self) -> str | None:
        """Hash of the label maps that are used."""
        return digest_label_maps(self._maps) if self._maps else None

    def prepare(self, root: Path) -> None:
        """Make the folders, and write which case is from which site."""
        folder = root / (_KITS23 if not self._maps or have_cysts(self._maps) else _KITS19)
        for index in range(self.cases):
            (folder / self.case_id(index)).mkdir(parents=True)
        with (root / "sites.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("case", "site_id"))
            table.writerows((self.case_id(index), site.removeprefix("site-")) for index, site in enumerate(self._sites))
        cases = [
            {"case_id": self.case_id(index), "site": site, "phase": self.phase(index)}
            for index, site in enumerate(self._sites)
        ]
        path = folder / ("kits23.json" if folder.name == _KITS23 else "kits.json")
        path.write_text(json.dumps(cases, indent=2) + "\n", encoding="utf-8")

    def write_case(self, root: Path, index: int) -> None:
        """Write the image and the label map of one case."""
        image, label, space = self.make_case(index)
        holder = root / _KITS23
        folder = (holder if holder.is_dir() else root / _KITS19) / self.case_id(index)
        dx, dy, dz = space.spacing
        affine = np.array([[0, 0, -dx, 0], [0, -dy, 0, 0], [-dz, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
        save_nifti(_as_stored(image), affine, folder / "imaging.nii.gz")
        save_nifti(_as_stored(label), affine, folder / "segmentation.nii.gz")

    def make_case(self, index: int) -> tuple[NDArray[np.int16], NDArray[np.uint8], Space]:
        """Make the image and the label map of one case, both [X, Y, Z] in RAS+ order, and their grid."""
        anatomy, scanner = self._generator(index, "anatomy"), self._generator(index, "scanner")
        site, phase = self._scanners[self._sites[index]], PHASES[self.phase(index)]
        slices, rows, columns = self.size
        body = draw_body(anatomy)
        if self._maps:
            space, kidneys = read_label_map(self._maps[index], (columns, rows, slices))
            body, origin = place_body(body, kidneys.label, space)
            canvas = Canvas(space, anatomy, FAT, origin)
            room = paint_abdomen(anatomy, canvas, body, phase)
        else:
            space = _field_of_view(scanner, site, 2 * body.half_width, (columns, rows, slices))
            canvas = Canvas(space, anatomy, FAT)
            room = paint_abdomen(anatomy, canvas, body, phase)
            kidneys = draw_kidneys(self._generator(index, "kidneys"), canvas, room)
        paint_kidneys(self._generator(index, "contrast"), canvas, kidneys, phase, room)
        return scan(scanner, canvas.values, space, site), kidneys.label, space

    def case_id(self, index: int) -> str:
        """Name a case; around real label maps, as they are named."""
        return self._maps[index].parent.name if self._maps else f"case_{index:05d}"

    def phase(self, index: int) -> str:
        """Draw the contrast phase of a case."""
        phases = self._scanners[self._sites[index]].phases
        return str(self._generator(index, "phase").choice(list(phases), p=list(phases.values())))

    @cached_property
    def _sites(self) -> list[str]:
        return list(assign_sites(self.cases, SITES))

    @cached_property
    def _scanners(self) -> Mapping[str, CtSite]:
        return shift_sites(SITES, self.shift, lambda site: site.share)

    @cached_property
    def _maps(self) -> list[Path]:
        return find_label_maps(self.labels)[: self.cases] if self.labels is not None else []

    def _generator(self, index: int, purpose: str) -> np.random.Generator:
        return numpy_generator(self.seed, "phantom", self.name, index, purpose)


def _field_of_view(
    generator: np.random.Generator, site: CtSite, body_width: float, shape: tuple[int, int, int]
) -> Space:
    """Choose a field of view that holds the body, as the site does."""
    columns, rows, slices = shape
    extent = max(float(generator.uniform(*site.extent)), 1.03 * body_width)
    return Space(shape, (extent / columns, extent / rows, float(generator.uniform(*site.length)) / slices))


def _as_stored(array: NDArray[Any]) -> NDArray[Any]:
    """Turn [X, Y, Z] in RAS+ order into slices, rows and columns."""
    return np.ascontiguousarray(array[::-1, ::-1, ::-1].transpose(2, 1, 0))
