"""Brain tumours in MRI."""

from __future__ import annotations

from typing import Any, Literal

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.datasets.brats import BRATS, BRATS_2024
from adpfl_bench.datasets.lgg import LGG
from adpfl_bench.tasks.segmentation import SegmentationTask

_CHALLENGES = {BRATS.name: "brats2023", BRATS_2024.name: "brats2024"}


class BrainTumorTask(SegmentationTask):
    """Segmentation of brain tumours in multi-sequence MRI, as volumes or as slices.

    Args:
        label_scheme: ``brats`` for WT, TC and ET; ``brats2024`` adds NETC, SNFH and the resection cavity RC; ``lgg`` is
            the FLAIR abnormality alone; or a scheme of one's own.
        in_channels: Number of sequences: 4 for BraTS and MSD (t1, t1ce, t2, flair), 3 for LGG.
        spatial_dims: 3 for volumes, 2 for slices.
        **task: Arguments of SegmentationTask.
    """

    def __init__(
        self,
        label_scheme: Literal["brats", "brats2024", "lgg"] | LabelScheme = "brats",
        in_channels: int = 4,
        spatial_dims: Literal[2, 3] = 3,
        **task: Any,
    ) -> None:
        schemes = {scheme.name: scheme for scheme in (BRATS, BRATS_2024, LGG)}
        self.scheme = schemes[label_scheme] if isinstance(label_scheme, str) else label_scheme
        self.in_channels = in_channels
        self.spatial_dims = spatial_dims
        if spatial_dims == 3 and isinstance(label_scheme, str) and label_scheme in _CHALLENGES:
            self.challenges = (_CHALLENGES[label_scheme],)
        super().__init__(**task)
