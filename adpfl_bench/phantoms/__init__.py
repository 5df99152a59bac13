"""Anatomically inspired synthetic cohorts, written to disk in each dataset's own file layout."""

from adpfl_bench.phantoms.cohort import WRITERS, write_phantom
from adpfl_bench.phantoms.command import phantom
from adpfl_bench.phantoms.marker import MARKER_FILE, Marker, read_marker

__all__ = [
    "MARKER_FILE",
    "WRITERS",
    "Marker",
    "phantom",
    "read_marker",
    "write_phantom",
]
