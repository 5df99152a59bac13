"""The half of a datamodule of volumes that brings new patients: files without label maps, for a trained model."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import Shape3
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.evaluation.sliding_window import SlidingWindow
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.new_cases import NewCases, find_volumes
from adpfl_bench.data.volumes.dicom_reader import DICOM_MODALITIES, for_files
from adpfl_bench.data.volumes.preparation import Preparation, prepare_image
from adpfl_bench.data.volumes.read_once import ReadOnce
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.errors import ConfigError, DataError


class NewVolumes(FederatedDataModule, ABC):
    """Volumes as a network takes them, of whichever patient.

    Attributes:
        release: What the files hold, once it is known.
        how: How they are prepared.
        patch_size: Shape of the sliding window, in voxels along x, y and z.
        window_overlap: Share by which windows overlap.
        window_batch_size: Windows per forward pass.
        releases: Releases by name: what new patients may come as.
        order_in_one_file: Where in a 4-D file of a new patient each channel is; empty where each must be a file.
    """

    release: VolumeRelease
    how: Preparation
    patch_size: Shape3
    window_overlap: float
    window_batch_size: int
    releases: Mapping[str, VolumeRelease] = MappingProxyType({})
    order_in_one_file: tuple[int, ...] = ()
    _label_scheme: LabelScheme

    def check_scheme(self, scheme: LabelScheme | None) -> LabelScheme:
        """Check that the task's label scheme can be made of the release's labels.

        Raises:
            ConfigError: It cannot; the sentence says which can.
        """
        possible = self.release.schemes
        if scheme is None or (scheme not in possible and scheme.classes != self.release.classes):
            found = "no label scheme" if scheme is None else f"the label scheme {scheme.name}"
            raise ConfigError(
                f"{self.release.name} has the labels {self.release.describe_labels()}, but the task has {found};"
                f" possible is --model.label_scheme {' or '.join(known.name for known in possible)}, or a scheme of"
                f" your own with the classes {', '.join(self.release.classes)}."
            )
        return scheme

    @property
    def window(self) -> SlidingWindow:
        """How volumes are segmented that are larger than the network's input."""
        background = self.how.background(self.release.modality)
        return SlidingWindow(self.patch_size, self.window_overlap, self.window_batch_size, background)

    def new_release(self, release: str | None) -> VolumeRelease:
        """Take new patients' files for those of the release of this name.

        Raises:
            ConfigError: There is none.
        """
        if (known := self.releases.get(release or "")) is None:
            possible = ", ".join(self.releases) or "none"
            raise ConfigError(f"New patients' volumes cannot be in the layout of {release}; they can of {possible}.")
        self.release = known
        self._label_scheme = self.check_scheme(self.scheme)
        return known

    def find_new(self, paths: Sequence[Path], release: str | None) -> NewCases:
        """Find NIfTI files and DICOM series of the channels that the release has."""
        known = self.new_release(release)
        modality, together = DICOM_MODALITIES[known.modality], bool(self.order_in_one_file)
        found = find_volumes(paths, known.channels, known.endings, modality, together)
        return found.told_apart(known.prediction_file)

    def new_reader(self, case: Case) -> VolumeRelease:
        """The release, with the reader of what a case came as."""
        return for_files(self.release, case, self.order_in_one_file)

    def new_case(self, case: Case) -> EvaluationCase:
        """Check and prepare one volume, as it is trained on; its label is empty."""
        release = self.new_reader(case)
        release = replace(release, reader=ReadOnce(release.reader))
        if problems := check_case(case, release, hashed=False).problems:
            raise DataError("; ".join(map(str, problems)) + ".")
        image, grid = prepare_image(case, release, self.how)
        empty = torch.zeros(1, 1, 1, 1).expand(1, *grid.shape)
        return EvaluationCase(torch.from_numpy(image).float(), empty, grid.spacing, grid, self.window)
