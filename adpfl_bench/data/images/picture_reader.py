"""Readers of pictures: what of a case's files becomes the image, and what the label map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.picture_checks import check_picture
from adpfl_bench.data.images.rgb_files import UInt8Array, picture_shape, read_image, read_native_mask, read_pair
from adpfl_bench.data.inventory import CheckedCase
from adpfl_bench.data.label_scheme import UNNAMED, LabelScheme
from adpfl_bench.errors import ConfigError


class PictureReader(ABC):
    """Reader of a case's pictures; its ``repr`` states all that pixels depend on beside the files.

    Attributes:
        channels: Channels of an image.
        classes: Classes in the order of their numbers in label maps; :data:`~adpfl_bench.data.label_scheme.UNNAMED` of
            a binary mask.
    """

    channels: int
    classes: tuple[str, ...]

    @abstractmethod
    def read_pair(self, case: Case, size: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
        """Read image [C, H, W] of 0 to 255 and label map [1, H, W] of class numbers, resized to (height, width).

        Raises:
            DataError: A file cannot be read, or they do not fit together.
        """

    @abstractmethod
    def read_label(self, case: Case) -> UInt8Array:
        """Read the label map [1, H, W] at the file's own size; errors as :meth:`read_pair`."""

    @abstractmethod
    def read_image(self, case: Case, size: tuple[int, int]) -> UInt8Array:
        """Read the image [C, H, W] of a case without a label map; errors as :meth:`read_pair`."""

    @abstractmethod
    def check(self, case: Case) -> CheckedCase:
        """Read all files of a case and find all that is wrong; faults of the data are never raised."""

    def fitted(self, scheme: LabelScheme | None) -> PictureReader:
        """Return the reader whose label maps are those of a task's label scheme.

        Raises:
            ConfigError: They cannot be.
        """
        wanted = scheme.classes if scheme is not None else self.classes[:1]
        if self.classes == wanted or (self.classes == UNNAMED and len(wanted) == 1):
            return self
        found = "one region" if scheme is None else f"the classes {', '.join(wanted)}"
        raise ConfigError(f"The masks have the classes {', '.join(self.classes)}, but the task has {found}.")

    def shape(self, case: Case) -> tuple[int, int]:
        """Read (height, width) of a case from its first file's header."""
        return picture_shape(case.images[0])


@dataclass(frozen=True)
class ColourPictures(PictureReader):
    """One colour image and a binary mask."""

    channels: int = 3
    classes: tuple[str, ...] = UNNAMED

    def read_pair(self, case: Case, size: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
        """Read image and mask."""
        return read_pair(case, size)

    def read_label(self, case: Case) -> UInt8Array:
        """Read the mask."""
        return read_native_mask(case)

    def read_image(self, case: Case, size: tuple[int, int]) -> UInt8Array:
        """Read the image alone."""
        return read_image(case.images[0], size)

    def check(self, case: Case) -> CheckedCase:
        """Check image and mask, as far as they are there."""
        return check_picture(case)
