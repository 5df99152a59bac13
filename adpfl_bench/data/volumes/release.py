"""Release of a dataset of volumes: what its files hold, and the cases found in a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.problems import Check, Problem
from adpfl_bench.data.volumes.reader import NiftiReader, VolumeReader
from adpfl_bench.errors import ConfigError


@dataclass(frozen=True)
class VolumeRelease:
    """One year's release of a dataset: what its files hold.

    Attributes:
        name: Name for people and records, e.g. ``"KiTS23"``.
        modality: How intensities are normalised: CT by constants, MRI by each sequence's own non-zero voxels.
        channels: Channels of an image in the suite's order, e.g. ``("t1", "t1ce", "t2", "flair")``.
        labels: Class of each value in a label file; 0 is background and not listed.
        schemes: Label schemes that these labels support, the usual one first.
        prediction_name: How a challenge names a submitted file; ``{case}`` is the case id, ``{number}`` its digits.
        reader: Reads the files of a case.
        organs: Classes that are healthy: a lesion is all the others.
        known_values: Which releases use which label values, to tell a wrong year from a damaged file.
        endings: How the names of a channel's files may end, before ``.nii.gz``; each entry has one for every channel.
        may_be_empty: Whether there may be label maps of nothing.
        masked: Whether the publisher states that what lies outside of the organ is 0 in the images.
        usual: What warnings would be about and is so in the publisher's own files, which are therefore not warned of.
    """

    name: str
    modality: Literal["CT", "MRI"]
    channels: tuple[str, ...]
    labels: Mapping[int, str]
    schemes: tuple[LabelScheme, ...]
    prediction_name: str = "{case}.nii.gz"
    reader: VolumeReader = field(default_factory=NiftiReader)
    organs: tuple[str, ...] = ()
    known_values: Mapping[frozenset[int], str] = field(default_factory=dict)
    endings: tuple[tuple[str, ...], ...] = ()
    may_be_empty: bool = False
    masked: bool = False
    usual: frozenset[Check] = frozenset()

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the label maps that the suite makes of these files; they fit every scheme in ``schemes``."""
        return self.schemes[0].classes

    @property
    def lesion_values(self) -> tuple[int, ...]:
        """Values of the lesion in a label file: of all classes but the healthy organ that it lies in."""
        return tuple(value for value, cls in self.labels.items() if cls not in self.organs)

    def prediction_file(self, case_id: str) -> str:
        """Name the file of a case's label map, as the challenge does."""
        digits = re.search(r"(\d+)\D*$", case_id)
        return self.prediction_name.format(case=case_id, number=digits[1] if digits else case_id)

    def label_map(self, masks: NDArray[np.bool_], scheme: LabelScheme) -> NDArray[np.uint8]:
        """Paint masks of a scheme's regions [R, X, Y, Z] as a label map [X, Y, Z] with the official values."""
        values = {name: value for value, name in self.labels.items()}
        table = np.zeros(256, dtype=np.uint8)
        for index, name in enumerate(scheme.classes):
            table[index + 1] = values[name]
        return table[scheme.paint(masks)]

    def describe_labels(self) -> str:
        """List values and classes, e.g. ``"1 kidney, 2 tumour, 3 cyst"``."""
        return ", ".join(f"{value} {cls}" for value, cls in self.labels.items())


@dataclass(frozen=True)
class Survey:
    """Survey of a dataset's folder, without reading any voxel.

    Attributes:
        release: What it was recognised as.
        cases: Complete cases, sorted by id. ``Case.images`` are in the order of ``release.channels`` (or the one
            file that holds them all).
        problems: What is missing or there twice; cases with such a problem are not among ``cases``.
    """

    release: VolumeRelease
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...] = ()


def choose_release(name: str, releases: Mapping[str, VolumeRelease], dataset: str) -> VolumeRelease:
    """Look a release up by its name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in releases:
        raise ConfigError(f"There is no release {name!r} of {dataset}; there are {', '.join(releases)}.")
    return releases[name]
