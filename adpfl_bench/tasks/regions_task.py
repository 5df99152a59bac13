"""Regions of any dataset, as a configuration states them."""

from __future__ import annotations

from typing import Any, Literal

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.errors import ConfigError
from adpfl_bench.tasks.segmentation import SegmentationTask


class RegionsTask(SegmentationTask):
    """Segmentation of the regions of a label scheme, in pictures or volumes of any number of channels.

    Args:
        label_scheme: Classes and regions; a dataset of one's own states them, so that it may be left out.
        in_channels: Channels of an image; the dataset states them too.
        spatial_dims: 3 for volumes, 2 for pictures.
        **task: Arguments of SegmentationTask.
    """

    def __init__(
        self,
        label_scheme: LabelScheme | None = None,
        in_channels: int | None = None,
        spatial_dims: Literal[2, 3] = 3,
        **task: Any,
    ) -> None:
        if label_scheme is None or in_channels is None:
            missing = "label_scheme" if label_scheme is None else "in_channels"
            raise ConfigError(
                f"model.{missing} is not stated, and the datamodule does not state it: RegionsTask goes with"
                " OwnPicturesDataModule and OwnVolumesDataModule, or needs it in the configuration."
            )
        self.scheme = label_scheme
        self.in_channels = in_channels
        self.spatial_dims = spatial_dims
        super().__init__(**task)
