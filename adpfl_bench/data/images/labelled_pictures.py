"""Pictures of any number of channels, in one file or a file for each, with label maps of stated values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.exif_turn import hint_of_turn
from adpfl_bench.data.images.picture_checks import pair_warnings
from adpfl_bench.data.images.picture_reader import PictureReader
from adpfl_bench.data.images.rgb_files import UInt8Array, picture_shape, read_grey, read_image
from adpfl_bench.data.inventory import CheckedCase
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.problems import Findings
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few

_WHITE = 255


@dataclass(frozen=True)
class LabelledPictures(PictureReader):
    """Reader of pictures whose channels and labels are stated.

    Attributes:
        channels: Channels of an image: three may be the colours of one file, and else each has a grey file of its own.
        classes: Classes in the order of their numbers.
        labels: Class of each value in a label file; of a single class with the value 1, 255 is 1 too.
        empty: Whether there may be masks of nothing.
    """

    channels: int
    classes: tuple[str, ...]
    labels: Mapping[int, str]
    empty: bool = False

    def fitted(self, scheme: LabelScheme | None) -> PictureReader:
        """Number the classes as the scheme does, where it has the same."""
        if scheme is not None and {*scheme.classes} == {*self.classes}:
            return replace(self, classes=scheme.classes)
        return super().fitted(scheme)

    def read_pair(self, case: Case, size: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
        """Read image and label map."""
        self._check_sizes(case)
        return self.read_image(case, size), self._read_label(case, size)

    def read_label(self, case: Case) -> UInt8Array:
        """Read the label map."""
        self._check_sizes(case)
        return self._read_label(case, None)

    def read_image(self, case: Case, size: tuple[int, int] | None = None) -> UInt8Array:
        """Read the channels."""
        files = case.images
        if len(files) == 1 and self.channels == 3:
            return read_image(files[0], size)
        if len(files) != self.channels:
            raise DataError(
                f"{case.case_id} has {len(files)} image file(s), but {self.channels} channels are stated; expected one"
                " for each, or one in colour for three."
            )
        read = [read_grey(path, size) for path in files]
        if len({one.shape for one in read}) > 1:
            raise DataError(f"{files[0]} and the other channels of {case.case_id} differ in size; they must agree.")
        return np.concatenate(read)

    def check(self, case: Case) -> CheckedCase:
        """Find files that cannot be read, sizes and values that do not fit, constant images and empty masks."""
        found = Findings(case.case_id)
        image = found.attempt(case.images[0], partial(self.read_image, case))
        digest = ""
        if image is not None:
            digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()
            if (image == image[:, :1, :1]).all():
                found.add(case.images[0], "the image is constant")
        if case.label is not None:
            label = found.attempt(case.label, partial(self._read_label, case, None))
            if label is not None and not label.any() and not self.empty:
                found.add(case.label, "the mask is empty")
            if image is not None and label is not None:
                found.attempt(case.label, partial(self._check_sizes, case))
                found.warnings += pair_warnings(case, label)
        return CheckedCase(tuple(found.problems), digest, tuple(found.warnings))

    def _read_label(self, case: Case, size: tuple[int, int] | None) -> UInt8Array:
        if case.label is None:
            raise DataError(f"{case.case_id} has no mask; give one, or leave the case out.")
        values = read_grey(case.label, size, values=True)
        table, known = self._table()
        present = [int(value) for value in np.flatnonzero(np.bincount(values.ravel(), minlength=256))]
        if strange := [value for value in present if value not in known]:
            raise DataError(
                f"{case.label} is a mask with the values {a_few([str(value) for value in strange], 5)}; expected 0 and"
                f" {', '.join(f'{value} {cls}' for value, cls in self.labels.items())}."
            )
        return table[values]

    def _table(self) -> tuple[UInt8Array, set[int]]:
        """Class number of each value, and which values there may be."""
        table = np.zeros(256, dtype=np.uint8)
        for value, cls in self.labels.items():
            table[value] = self.classes.index(cls) + 1
        known = {0, *self.labels}
        if {*self.labels} == {1}:
            table[_WHITE] = 1
            known.add(_WHITE)
        return table, known

    def _check_sizes(self, case: Case) -> None:
        """Compare the sizes in the files' headers."""
        first = case.images[0]
        expected = picture_shape(first)
        for path in case.files[1:]:
            rows, columns = picture_shape(path)
            if (rows, columns) != expected:
                raise DataError(
                    f"{path} is {columns}x{rows} pixels, but its image {first} is {expected[1]}x{expected[0]}"
                    f"{hint_of_turn(first, expected, (rows, columns))}; width and height must be equal."
                )
