"""Anatomically inspired synthetic cohorts, written to disk in each dataset's own file layout."""

from adpfl_bench.phantoms.cohort import write_phantom
from adpfl_bench.phantoms.marker import MARKER_FILE, Marker, read_marker

__all__ = ["MARKER_FILE", "Marker", "read_marker", "write_phantom"]
