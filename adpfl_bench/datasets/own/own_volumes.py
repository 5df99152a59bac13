"""Datamodule of one's own volumes: what they are is stated in YAML, or by a ``dataset.json`` or a table of paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_source import CaseSource, StatedByFiles
from adpfl_bench.data.label_scheme import UNNAMED, LabelScheme
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.data.volumes.reader import NiftiReader
from adpfl_bench.data.volumes.release import Survey, VolumeRelease
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.datasets.own.channel_names import are_ct
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.own_settings import cohort_description, settle_own, usual_partition_of
from adpfl_bench.datasets.own.own_survey import holder_of, survey_own
from adpfl_bench.datasets.own.phantom_like import phantom_like, phantom_root_of
from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms.like.like_writer import LikeVolumeWriter
from adpfl_bench.phantoms.like.phantom_description import Kind, PhantomDescription

Intensity = Literal["ct", "zscore"]


class OwnVolumesDataModule(VolumeDataModule):
    """Volumes of one's own: a folder in the layout of nnU-Net or of the Decathlon, or a CSV file of paths.

    Args:
        root: Folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``, or a CSV file with a row for each case.
        partition: Who holds which patients; by default one client for each site where all cases state one, and else
            four clients of equal size.
        description: What the files hold, as far as ``dataset.json`` or the table does not say.
        intensity: ``ct`` clips Hounsfield units to ``ct_window`` and scales them by it, ``zscore`` gives each channel
            of an image mean 0 and standard deviation 1 over its non-zero voxels; by default ``ct`` where all channels
            are called CT, and else ``zscore``.
        **volumes: Further arguments of VolumeDataModule.
    """

    described_by = ("description", "intensity")
    phantom = LikeVolumeWriter
    left_out = ("imagesTs/*", "labelsTs/*")

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        description: DatasetDescription = DatasetDescription(),  # noqa: B008  # it is frozen
        intensity: Intensity | None = None,
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition, **volumes)
        self._partition_is_open = partition is None
        self.intensity = intensity
        self._describe(description)

    @classmethod
    def stated_by_files(cls, settings: Mapping[str, Any]) -> StatedByFiles:
        """Complete the description, and say what a task has to know of it."""
        return settle_own(settings, "volumes")

    @classmethod
    def cohort_settings(cls, trained: CaseSource, root: Path, release: str | None) -> Mapping[str, Any]:
        """Describe the files as those that the network was trained on."""
        known = trained.releases.get(release or "") if isinstance(trained, VolumeDataModule) else None
        intensity = getattr(trained, "intensity", None)
        if known is not None:
            intensity = "ct" if known.modality == "CT" else "zscore"
        described = cohort_description(trained, root, known)
        return {**trained.network_input, "description": described, "intensity": intensity}

    def holder(self, root: Path, cases: Sequence[Case]) -> Path:
        """Return the folder that holds all files of a table."""
        return holder_of(root, cases)

    @property
    def phantom_description(self) -> PhantomDescription:
        """Phantoms are made of the description, the spacing and the window alone."""
        kind: Kind = "CT" if self._is_ct else "MRI"
        return phantom_like(self.description, kind, self.how.spacing, self.how.window)

    def phantom_root(self, folder: Path) -> Path:
        """Return the table, if there is one."""
        return phantom_root_of(folder, self.description)

    def survey(self, root: Path) -> Survey:
        """Complete the description, and list the cases."""
        found = survey_own(root, self.description, "volumes")
        self._describe(found.description)
        release = self._release(found.in_one_file and len(found.description.channels or []) > 1)
        if self.release_name not in (None, release.name):
            raise ConfigError(f"{root} is {release.name}, and not {self.release_name}; leave data.release out.")
        return Survey(release, found.cases, found.problems)

    def scan(self, root: Path) -> list[Case]:
        """List the cases with a label map, with the sites that they state."""
        cases = super().scan(root)
        if self._partition_is_open:
            self.partition = usual_partition_of(cases, self.usual_partition)
        return cases

    def check_scheme(self, scheme: LabelScheme | None) -> LabelScheme:
        """Check that the task's classes are those of the files, and number them as it does."""
        if scheme is not None:
            self.release = _fitted(self.release, scheme)
        return super().check_scheme(scheme)

    def _describe(self, description: DatasetDescription) -> None:
        self.description = description
        self.patient_id_is = description.ids_identify or "patient id"
        if description.is_complete:
            release = self._release(in_one_file=False)
            self.releases = {release.name: release}
            self.order_in_one_file = tuple(range(len(release.channels)))

    @property
    def _is_ct(self) -> bool:
        return self.intensity == "ct" if self.intensity is not None else are_ct(self.description.channels or [])

    def _release(self, in_one_file: bool) -> VolumeRelease:
        channels = tuple(self.description.channels or [])
        return VolumeRelease(
            name=str(self.description.name),
            modality="CT" if self._is_ct else "MRI",
            channels=channels,
            labels=self.description.values(),
            schemes=(self.description.scheme(),),
            reader=NiftiReader(tuple(range(len(channels))) if in_one_file else ()),
            may_be_empty=self.description.empty_masks,
        )


def _fitted(release: VolumeRelease, scheme: LabelScheme) -> VolumeRelease:
    """The release with the scheme's classes in its order, where it has the same, or one without a name."""
    labels = dict(release.labels)
    if release.classes == UNNAMED and len(scheme.classes) == 1:
        labels = dict.fromkeys(labels, scheme.classes[0])
    if {*labels.values()} != {*scheme.classes}:
        return release
    return replace(release, labels=labels, schemes=(scheme,))
