"""Kidneys, tumours and cysts in CT."""

from __future__ import annotations

from typing import Any, Literal

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.datasets.kits import KITS, KITS19
from adpfl_bench.tasks.segmentation import SegmentationTask


class KidneyTumorTask(SegmentationTask):
    """Segmentation of kidneys with their masses, masses, and tumours, in abdominal CT.

    Args:
        label_scheme: ``kits`` for KiTS21 and KiTS23; ``kits19`` for KiTS19, which has no cyst label; or a
            scheme of one's own.
        **task: Arguments of SegmentationTask.
    """

    spatial_dims = 3
    in_channels = 1

    def __init__(self, label_scheme: Literal["kits", "kits19"] | LabelScheme = "kits", **task: Any) -> None:
        self.scheme = {"kits": KITS, "kits19": KITS19}[label_scheme] if isinstance(label_scheme, str) else label_scheme
        super().__init__(**task)
