"""Kidneys, tumours and cysts in CT."""

from __future__ import annotations

from typing import Any, Literal

from adpfl_bench.data.label_scheme import SCHEMES
from adpfl_bench.tasks.segmentation import SegmentationTask


class KidneyTumorTask(SegmentationTask):
    """Segments kidneys with their masses, masses, and tumours, in abdominal CT.

    Args:
        label_scheme: ``kits`` for KiTS21 and KiTS23; ``kits19`` for KiTS19, which has no cyst label.
        **task: Arguments of SegmentationTask.
    """

    spatial_dims = 3
    in_channels = 1

    def __init__(self, label_scheme: Literal["kits", "kits19"] = "kits", **task: Any) -> None:
        self.scheme = SCHEMES[label_scheme]
        self.regions = tuple(self.scheme.regions)
        super().__init__(**task)
