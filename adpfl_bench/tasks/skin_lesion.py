"""Skin lesions in dermoscopy."""

from __future__ import annotations

from adpfl_bench.tasks.segmentation import SegmentationTask


class SkinLesionTask(SegmentationTask):
    """Segmentation of the lesion in an RGB dermoscopy image; see SegmentationTask for the arguments."""

    regions = ("lesion",)
    challenges = ("isic2018",)
    spatial_dims = 2
    in_channels = 3
