"""A reader that reads each channel of a case once, for a case that is checked and prepared in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.volumes.reader import Float32Array, VolumeHeader, VolumeReader


class ReadOnce(VolumeReader):
    """Another reader, whose channels are kept; what is given must not be changed.

    Args:
        reader: The reader.
    """

    def __init__(self, reader: VolumeReader) -> None:
        self._reader = reader
        self._channels: dict[tuple[tuple[Path, ...], int], Float32Array] = {}
        self.has_spacing = reader.has_spacing
        self.dimensions = reader.dimensions

    def parts(self, case: Case) -> list[Case]:
        """As the reader."""
        return self._reader.parts(case)

    def file_of(self, case: Case, channel: int) -> Path:
        """As the reader."""
        return self._reader.file_of(case, channel)

    def damaged_files(self, case: Case) -> list[tuple[Path, str]]:
        """As the reader."""
        return self._reader.damaged_files(case)

    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """As the reader."""
        return self._reader.image_headers(case)

    def label_header(self, case: Case) -> VolumeHeader:
        """As the reader."""
        return self._reader.label_header(case)

    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """As the reader, the first time."""
        key = (case.images, channel)
        if key not in self._channels:
            found = self._reader.read_channel(case, channel)
            found.setflags(write=False)
            self._channels[key] = found
        return self._channels[key]

    def read_label(self, case: Case) -> NDArray[Any]:
        """As the reader."""
        return self._reader.read_label(case)
