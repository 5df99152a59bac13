"""Base of the writers of brain layouts: patients, time points, sites, and scans of them."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.site_shift import assign_sites, shift_sites
from adpfl_bench.phantoms.volumes.brain import EXTENT, draw_brain
from adpfl_bench.phantoms.volumes.glioma import Kind, draw_glioma
from adpfl_bench.phantoms.volumes.mri_scanner import MRI_SITES, SEQUENCES, MriSite, scan
from adpfl_bench.phantoms.volumes.space import Space, Volume
from adpfl_bench.phantoms.writer import PhantomWriter
from adpfl_bench.seeding import numpy_generator


@dataclass(frozen=True)
class Scan:
    """One scan: of which patient, and at which of its time points, both counted from 0."""

    patient: int
    time_point: int


class BrainWriter(PhantomWriter, ABC):
    """Base of the writers of brain MRI; ``size`` is the number of voxels along x, y and z.

    Voxels are cubes, of 1 mm or so large that the brain fits: a patient's second scan shows the same head with a grown
    tumour. Sites with a scanner each are stated in ``sites.csv``, in the format of FeTS' partition files.
    """

    default_size: ClassVar[tuple[int, ...]] = (72, 88, 64)
    smallest: ClassVar[int] = 16
    kind: ClassVar[Kind] = "high grade"
    sites: ClassVar[Mapping[str, MriSite]] = MRI_SITES
    sequences: ClassVar[tuple[str, ...]] = SEQUENCES
    every_second_scan: ClassVar[int] = 0
    """One patient in so many has two time points; 0 for none."""

    @property
    def site_sizes(self) -> Mapping[str, int]:
        """Number of cases by site."""
        counts = Counter(self.site_of(index) for index in range(self.cases))
        return {name: counts[name] for name in self.sites}

    def prepare(self, root: Path) -> None:
        """Write who scanned which case."""
        lines = [f"{self.site_of(index).removeprefix('site-')},{self.case_id(index)}" for index in range(self.cases)]
        text = "\n".join(["Partition_ID,Subject_ID", *lines]) + "\n"
        (root / "sites.csv").write_text(text, encoding="utf-8")

    def case_id(self, index: int) -> str:
        """Return the name of a case."""
        raise NotImplementedError

    def site_of(self, index: int) -> str:
        """Site of a case: that of its patient."""
        return self._sites[self.scans[index].patient]

    @cached_property
    def scans(self) -> list[Scan]:
        """The scans of all cases."""
        planned: list[Scan] = []
        for patient in range(self.cases):
            planned.append(Scan(patient, 0))
            if self.every_second_scan and patient % self.every_second_scan == self.every_second_scan - 1:
                planned.append(Scan(patient, 1))
        return planned[: self.cases]

    @cached_property
    def _sites(self) -> list[str]:
        return list(assign_sites(self.cases, self.sites, fewest=2))

    @cached_property
    def _scanners(self) -> Mapping[str, MriSite]:
        return shift_sites(self.sites, self.shift, lambda site: site.share)

    def space_of(self, index: int) -> Space:
        """Grid of a case."""
        x, y, z = self.size
        edge = max(1.0, *(extent / side for extent, side in zip(EXTENT, self.size, strict=True)))
        return Space((x, y, z), (edge, edge, edge))

    def make_case(self, index: int) -> tuple[dict[str, Volume], NDArray[np.uint8], Space]:
        """Make images by sequence and the label map of a case, [X, Y, Z] in RAS+ order, and their grid."""
        taken, space = self.scans[index], self.space_of(index)
        head, tumour = (self._generator(purpose, taken.patient) for purpose in ("head", "tumour"))
        tissue = draw_brain(head, space)
        growth = 1.0 if taken.time_point == 0 else float(self._generator("growth", index).uniform(1.1, 1.3))
        labels = draw_glioma(tumour, space, tissue, self.kind, growth)
        site = self._scanners[self.site_of(index)]
        return scan(self._generator("scanner", index), tissue, labels, space, site, self.sequences), labels, space

    def _generator(self, purpose: str, number: int) -> np.random.Generator:
        return numpy_generator(self.seed, "phantom", self.name, purpose, number)
