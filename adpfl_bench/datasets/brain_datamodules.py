"""Brain tumours in MRI: BraTS and FeTS, the Medical Segmentation Decathlon, and TCGA-LGG as volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition, Partition
from adpfl_bench.data.volumes.datamodule import VolumeDataModule
from adpfl_bench.data.volumes.release import Survey
from adpfl_bench.datasets.brats import survey_brats
from adpfl_bench.datasets.lgg import survey_lgg
from adpfl_bench.datasets.msd_brain import survey_msd_brain


class BraTSDataModule(VolumeDataModule):
    """BraTS 2018 to 2024 (adult glioma) or FeTS, whichever is in the folder; time points of a patient stay together.

    BraTS 2018 and 2019 name the source of a case; FeTS publishes its institutions in a partition file, which
    ``site_file`` takes.

    Args:
        root: Folder that holds the case folders, at most two folders below, or ``phantom``.
        partition: Who holds which patients; by default four clients of equal size.
        spacing: Voxel edge lengths of the network's grid in mm.
        patch_size: Shape of a training patch in voxels.
        phantom_layout: Whose layout the phantom cohort has.
        **volumes: Further arguments of VolumeDataModule.
    """

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        spacing: tuple[float, float, float] | None = (1.0, 1.0, 1.0),
        patch_size: tuple[int, int, int] = (128, 128, 128),
        phantom_layout: Literal["brats2021", "brats2023", "brats2024"] = "brats2021",
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition or IIDPartition(4), spacing, patch_size, **volumes)
        self.phantom = phantom_layout

    def survey(self, root: Path) -> Survey:
        """Recognise the release and list the cases."""
        return survey_brats(root, self.release_name)


class MSDBrainDataModule(VolumeDataModule):
    """Task01_BrainTumour of the Medical Segmentation Decathlon, which states neither patients nor hospitals.

    Args:
        root: Folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``, or ``phantom``.
        partition: Who holds which patients; by default four clients of equal size.
        spacing: Voxel edge lengths of the network's grid in mm.
        patch_size: Shape of a training patch in voxels.
        **volumes: Further arguments of VolumeDataModule.
    """

    phantom = "msd_brain"

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        spacing: tuple[float, float, float] | None = (1.0, 1.0, 1.0),
        patch_size: tuple[int, int, int] = (128, 128, 128),
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition or IIDPartition(4), spacing, patch_size, **volumes)

    def survey(self, root: Path) -> Survey:
        """Read ``dataset.json`` and list the cases."""
        return survey_msd_brain(root, self.release_name)


class LGGDataModule(VolumeDataModule):
    """TCGA-LGG of Buda et al., the slices of a patient stacked to a volume; the institutions are the clients.

    The files state no voxel size, so distances are in voxels.

    Args:
        root: Folder with ``kaggle_3m`` or with the patients' folders, or ``phantom``.
        partition: Who holds which patients; by default the institutions.
        patch_size: Shape of a training patch in voxels.
        **volumes: Further arguments of VolumeDataModule.
    """

    phantom = "lgg"

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        patch_size: tuple[int, int, int] = (192, 192, 16),
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition or NaturalPartition(), None, patch_size, **volumes)

    def survey(self, root: Path) -> Survey:
        """List the patients."""
        return survey_lgg(root, self.release_name)
