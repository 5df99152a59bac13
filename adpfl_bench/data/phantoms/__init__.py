"""Anatomically inspired synthetic cohorts, written to disk in each dataset's own file layout."""

from adpfl_bench.data.phantoms.cohort import WRITERS, write_phantom
from adpfl_bench.data.phantoms.command import phantom
from adpfl_bench.data.phantoms.contact_sheet import contact_sheet
from adpfl_bench.data.phantoms.marker import MARKER_FILE, Marker, read_marker
from adpfl_bench.data.phantoms.volumes.brats_sheet import brats_sheet
from adpfl_bench.data.phantoms.volumes.kits_sheet import kits_sheet

__all__ = [
    "MARKER_FILE",
    "WRITERS",
    "Marker",
    "brats_sheet",
    "contact_sheet",
    "kits_sheet",
    "phantom",
    "read_marker",
    "write_phantom",
]
