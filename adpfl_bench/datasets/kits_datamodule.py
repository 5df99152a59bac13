"""Kidney tumours in CT: KiTS 2019, 2021 and 2023."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adpfl_bench.data.partitioning.partition import IIDPartition, Partition
from adpfl_bench.data.volumes.datamodule import VolumeDataModule
from adpfl_bench.data.volumes.release import Survey
from adpfl_bench.datasets.kits import survey_kits


class KiTSDataModule(VolumeDataModule):
    """KiTS 2019, 2021 or 2023, whichever is in the folder.

    The challenge names no hospitals in its folder; a site file gives natural clients (KiTS19's is published with
    FLamby).

    Args:
        root: Folder with the ``case_*`` folders, or with ``dataset/`` or ``data/`` that holds them, or ``phantom``.
        partition: Who holds which patients; by default four clients of equal size.
        spacing: Voxel edge lengths of the network's grid in mm.
        patch_size: Shape of a training patch in voxels.
        **volumes: Further arguments of VolumeDataModule.
    """

    phantom = "kits"

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        spacing: tuple[float, float, float] | None = (1.6, 1.6, 3.0),
        patch_size: tuple[int, int, int] = (128, 128, 64),
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition or IIDPartition(4), spacing, patch_size, **volumes)

    def survey(self, root: Path) -> Survey:
        """Recognise the year and list the cases."""
        return survey_kits(root, self.release_name)
