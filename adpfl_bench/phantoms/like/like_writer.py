"""Writers of phantoms in the layout of a dataset of one's own: nnU-Net's folders, or a table of paths."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adpfl_bench.phantoms.like.blobs import draw_anatomy
from adpfl_bench.phantoms.like.like_scanner import LIKE_SITES, Channel, LikeSite, take_image
from adpfl_bench.phantoms.like.phantom_description import PhantomDescription
from adpfl_bench.phantoms.site_shift import assign_sites, shift_sites
from adpfl_bench.phantoms.volumes.space import Space, save_nifti
from adpfl_bench.phantoms.writer import PhantomWriter
from adpfl_bench.seeding import numpy_generator
from adpfl_bench.text import csv_text

TABLE = "cases.csv"
"""Name of the table of a phantom that is one."""

CASE_PATTERN = r"phantom\d+(?:_(?P<patient>patient\d+))?(?:_(?P<site>site-\d+))?"
"""What case ids of phantoms fit, whose dataset states patients or sites by those of its cases."""

_EMPTY_EVERY = 10
_SPLITS = ("train", "train", "train", "test", "train", "train", "validation", "train", "train", "test")
_IN_COLOUR = 3


@dataclass(frozen=True)
class LikeWriter(PhantomWriter, ABC):
    """Base of the writers; ``like`` says all that phantoms are made of.

    Where a table has a column of patients, or case ids state them, each has two cases; where either states sites, there
    are four; and a column of splits is filled in by patient.
    """

    ending: ClassVar[str]
    """How files end."""

    like: PhantomDescription = field(kw_only=True)

    @property
    def site_sizes(self) -> Mapping[str, int]:
        """Number of cases by site, where the layout states sites."""
        if not self._states("site"):
            return {}
        counts = Counter(self.site_of(index) for index in range(self.cases))
        return {name: counts[name] for name in LIKE_SITES}

    @property
    def like_digest(self) -> str | None:
        """What tells the description from another one."""
        return self.like.digest

    def case_id(self, index: int) -> str:
        """Return the name of a case."""
        stated = {"patient": f"_patient{self.patient_of(index):05d}", "site": f"_{self.site_of(index)}"}
        return f"phantom{index:05d}" + "".join(text for what, text in stated.items() if what in self.like.named)

    def patient_of(self, index: int) -> int:
        """Number of a case's patient."""
        return index // 2 if self._states("patient") else index

    def site_of(self, index: int) -> str:
        """Site of a case: that of its patient."""
        return self._sites[self.patient_of(index)]

    def _states(self, what: str) -> bool:
        """Whether cases have a patient, or a site: by a column, or by their ids."""
        return what in self.like.named or getattr(self.like.table, what, None) is not None

    @cached_property
    def _sites(self) -> Sequence[str]:
        return assign_sites(self.patient_of(self.cases - 1) + 1, LIKE_SITES)

    @cached_property
    def _scanners(self) -> Mapping[str, LikeSite]:
        return shift_sites(LIKE_SITES, self.shift, lambda site: site.share)

    def prepare(self, root: Path) -> None:
        """Write ``dataset.json`` or the table."""
        images, masks = ("images", "masks") if self.like.table is not None else ("imagesTr", "labelsTr")
        (root / images).mkdir()
        (root / masks).mkdir()
        if self.like.table is None:
            text = json.dumps(self._dataset_json(), indent=2) + "\n"
            (root / "dataset.json").write_text(text, encoding="utf-8")
        else:
            (root / TABLE).write_text(csv_text(self._rows()), encoding="utf-8")

    def write_case(self, root: Path, index: int) -> None:
        """Write the channels and the label map of a case."""
        generator = numpy_generator(self.seed, "phantom", self.name, self.like.digest, index)
        space = self.space
        is_empty = self.like.may_be_empty and index % _EMPTY_EVERY == _EMPTY_EVERY - 1
        anatomy = draw_anatomy(generator, space, self.like.structures, is_empty)
        site = self._scanners[self.site_of(index)]
        channels = take_image(generator, anatomy, space, self.like, site)
        values = np.array([0, *(structure.value for structure in self.like.structures)], dtype=np.uint8)
        folder = "images" if self.like.table is not None else "imagesTr"
        files = [root / folder / name for name in self.image_files(index)]
        self.save_image(channels, files)
        self.save_label(values[anatomy.places], root / self._mask(index))

    @property
    @abstractmethod
    def space(self) -> Space:
        """Grid of every case."""

    @property
    @abstractmethod
    def in_one_file(self) -> bool:
        """Whether all channels of a case are in one file."""

    @abstractmethod
    def save_image(self, channels: Sequence[Channel], files: Sequence[Path]) -> None:
        """Write an image, [X, Y, Z] for each channel."""

    @abstractmethod
    def save_label(self, label: NDArray[np.uint8], file: Path) -> None:
        """Write a label map [X, Y, Z]."""

    def image_files(self, index: int) -> list[str]:
        """Name the files of a case's channels."""
        number = 1 if self.in_one_file else len(self.like.channels)
        return [f"{self.case_id(index)}_{channel:04d}{self.ending}" for channel in range(number)]

    def _mask(self, index: int) -> Path:
        folder = "masks" if self.like.table is not None else "labelsTr"
        return Path(folder) / f"{self.case_id(index)}{self.ending}"

    def _dataset_json(self) -> Mapping[str, object]:
        return {
            "name": self.like.name,
            "channel_names": {str(number): name for number, name in enumerate(self.like.channels)},
            "labels": {"background": 0, **dict(self.like.labels)},
            "numTraining": self.cases,
            "file_ending": self.ending,
        }

    def _rows(self) -> list[list[str]]:
        table = self.like.table
        assert table is not None
        optional = [column for column in (table.case, table.patient, table.site, table.split) if column is not None]
        rows = [[*table.images, table.mask, *optional]]
        for index in range(self.cases):
            patient = self.patient_of(index)
            cells = {
                table.case: self.case_id(index),
                table.patient: f"patient{patient:05d}",
                table.site: self.site_of(index),
                table.split: _SPLITS[patient % len(_SPLITS)],
            }
            images = [f"images/{name}" for name in self.image_files(index)]
            rows.append([*images, self._mask(index).as_posix(), *(cells[column] for column in optional)])
        return rows


@dataclass(frozen=True)
class LikePictureWriter(LikeWriter):
    """PNG files: one in colour where there are three channels, and else a grey one for each."""

    name: ClassVar[str] = "own_pictures"
    default_size: ClassVar[tuple[int, ...]] = (192, 256)
    smallest: ClassVar[int] = 8
    ending: ClassVar[str] = ".png"

    @property
    def space(self) -> Space:
        """Height and width, in pixels."""
        height, width = self.size
        return Space((height, width, 1), (1.0, 1.0, 1.0))

    @property
    def in_one_file(self) -> bool:
        """Whether a picture is one in colour."""
        one_column = self.like.table is None or len(self.like.table.images) == 1
        return len(self.like.channels) == _IN_COLOUR and one_column

    def save_image(self, channels: Sequence[Channel], files: Sequence[Path]) -> None:
        """Write PNG files."""
        planes = [channel[:, :, 0].astype(np.uint8) for channel in channels]
        if len(files) == 1 and len(planes) == _IN_COLOUR:
            planes = [np.stack(planes, axis=2)]
        for plane, file in zip(planes, files, strict=True):
            Image.fromarray(plane).save(file)

    def save_label(self, label: NDArray[np.uint8], file: Path) -> None:
        """Write a PNG file with the values of the classes."""
        Image.fromarray(label[:, :, 0]).save(file)


@dataclass(frozen=True)
class LikeVolumeWriter(LikeWriter):
    """NIfTI files, one for each channel; ``size`` is along x, y and z."""

    name: ClassVar[str] = "own_volumes"
    default_size: ClassVar[tuple[int, ...]] = (64, 64, 32)
    smallest: ClassVar[int] = 1
    ending: ClassVar[str] = ".nii.gz"

    @property
    def space(self) -> Space:
        """Voxels of the stated spacing."""
        x, y, z = self.size
        return Space((x, y, z), self.like.spacing)

    @property
    def in_one_file(self) -> bool:
        """Never, of several channels."""
        return len(self.like.channels) == 1

    def save_image(self, channels: Sequence[Channel], files: Sequence[Path]) -> None:
        """Write NIfTI files of whole numbers."""
        for channel, file in zip(channels, files, strict=True):
            save_nifti(channel.astype(np.int16), self.space.affine, file)

    def save_label(self, label: NDArray[np.uint8], file: Path) -> None:
        """Write a NIfTI file."""
        save_nifti(label, self.space.affine, file)
