"""Datamodule of one's own pictures: what they are is stated in YAML, or by a ``dataset.json`` or a table of paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_source import CaseSource, StatedByFiles
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.images.labelled_pictures import LabelledPictures
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.new_cases import NewCases, find_numbered_pictures, find_pictures
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.data.problems import refuse
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.own_settings import ADVICE, cohort_description, settle_own, usual_partition_of
from adpfl_bench.datasets.own.own_survey import OwnSurvey, holder_of, survey_own
from adpfl_bench.datasets.own.phantom_like import phantom_like, phantom_root_of
from adpfl_bench.phantoms.like.like_writer import LikePictureWriter
from adpfl_bench.phantoms.like.phantom_description import PhantomDescription
from adpfl_bench.records.blocks import DataBlock


class OwnPicturesDataModule(ImageDataModule):
    """Pictures of one's own: a folder in nnU-Net's layout, or a CSV file of paths.

    Args:
        root: Folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``, or a CSV file with a row for each picture.
        partition: Who holds which patients; by default one client for each site where all cases state one, and else
            four clients of equal size.
        description: What the files hold, as far as ``dataset.json`` or the table does not say.
        **pictures: Further arguments of ImageDataModule.
    """

    described_by = ("description",)
    phantom = LikePictureWriter
    left_out = ("imagesTs/*", "labelsTs/*")

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        description: DatasetDescription = DatasetDescription(),  # noqa: B008  # it is frozen
        **pictures: Any,
    ) -> None:
        super().__init__(root, partition, **pictures)
        self._partition_is_open = partition is None
        self.description = description
        self._describe(description)

    @classmethod
    def stated_by_files(cls, settings: Mapping[str, Any]) -> StatedByFiles:
        """Complete the description, and say what a task has to know of it."""
        return settle_own(settings, "pictures")

    @classmethod
    def cohort_settings(cls, trained: CaseSource, root: Path, release: str | None) -> Mapping[str, Any]:
        """Describe the files as those that the network was trained on."""
        return {**trained.network_input, "description": cohort_description(trained, root, None)}

    def holder(self, root: Path, cases: Sequence[Case]) -> Path:
        """Return the folder that holds all files of a table."""
        return holder_of(root, cases)

    @property
    def phantom_description(self) -> PhantomDescription:
        """Phantoms are made of the description alone."""
        return phantom_like(self.description, "picture")

    def phantom_root(self, folder: Path) -> Path:
        """Return the table, if there is one."""
        return phantom_root_of(folder, self.description)

    def scan(self, root: Path) -> list[Case]:
        """List the cases with their masks."""
        survey = self._survey(root)
        refuse(survey.problems, str(self.description.name), ADVICE)
        if self._partition_is_open:
            self.partition = usual_partition_of(survey.cases, self.usual_partition)
        return list(survey.cases)

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """List what is there, and what is missing."""
        survey = self._survey(root)
        return Inventory(str(survey.description.name), survey.cases, survey.problems, self.reader.check)

    def find_new(self, paths: Sequence[Path], release: str | None) -> NewCases:
        """Find pictures: a file for each, or one for each of a picture's channels, which is called by its number."""
        channels = self.description.channels or []
        found = find_pictures(paths)
        numbered = any(case.case_id.endswith("_0001") for case in found.cases)
        if len(channels) > 1 and (numbered or len(channels) != 3):
            return find_numbered_pictures(paths, channels)
        cases = (replace(case, case_id=case.case_id.removesuffix("_0000")) for case in found.cases)
        return replace(found, cases=tuple(cases)).told_apart(lambda case_id: case_id)

    def _survey(self, root: Path) -> OwnSurvey:
        survey = survey_own(root, self.description, "pictures")
        self._describe(survey.description)
        return survey

    def _describe(self, description: DatasetDescription) -> None:
        self.description = description
        self.patient_id_is = description.ids_identify or "patient id"
        if description.channels is not None and description.labels is not None:
            values = description.values()
            classes = tuple(values.values())
            self.reader = LabelledPictures(len(description.channels), classes, values, description.empty_masks)

    def describe(self) -> DataBlock:
        """Return the data block of a run record, with the dataset's name."""
        return super().describe().model_copy(update={"release": self.description.name})
