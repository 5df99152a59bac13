"""Datamodule of volumes: CT or MRI from the publisher's files, through patches, back to the files' grids."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.data_contents import read_contents
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.partitioning.partition import IIDPartition, Partition
from adpfl_bench.data.partitioning.patients import group_by_patient
from adpfl_bench.data.partitioning.sites import with_sites
from adpfl_bench.data.problems import refuse, tell
from adpfl_bench.data.rounds.augmentation import volume_augmentation
from adpfl_bench.data.rounds.round_plan import ExampleId
from adpfl_bench.data.volumes.new_volumes import NewVolumes
from adpfl_bench.data.volumes.patches import PatchExamples
from adpfl_bench.data.volumes.preparation import DEFAULT_WINDOW, Preparation, class_map
from adpfl_bench.data.volumes.release import Survey, VolumeRelease
from adpfl_bench.data.volumes.volume_cache import ADVICE, VolumeCache
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.processors import check_workers
from adpfl_bench.records.blocks import DataBlock
from adpfl_bench.records.protected import Identity

_LONGEST_SIDE = 4_096

SITE_FILE = "sites.csv"
"""A site file of this name in the dataset's folder is used if no other is given."""


class VolumeDataModule(NewVolumes):
    """Volumes, checked and prepared once into a cache of chunked arrays, from which patches are read.

    Args:
        root: See :class:`~adpfl_bench.data.datamodule.FederatedDataModule`, as for all further arguments.
        partition: Who holds which patients; by default four clients of equal size, or what the dataset states.
        spacing: Voxel edge lengths of the network's grid in mm, along x (right), y (front) and z (head); none keeps
            each file's own.
        patch_size: Shape of a training patch, and of the sliding window, in voxels along x, y and z.
        release: Name of the release, where the folder does not give it away.
        site_file: CSV file of who acquired which case, in the format of FeTS or of Fed-KiTS19; by default
            ``sites.csv`` in the root if there is one. Cases that it does not name are left out.
        exclude: Case ids to leave out.
        foreground_probability: Share of patches that are centred on a structure.
        augmentation: Whether patches are flipped and changed in brightness and contrast at random.
        window_overlap: Share by which sliding windows overlap.
        window_batch_size: Sliding windows per forward pass.
        ct_window: Window in HU that CT is clipped to and scaled by; MRI does not use it.
        cache_directory: Folder of the prepared cases; by default the environment variable ``ADPFL_CACHE`` or
            ``~/.cache/adpfl_bench``.
        prepare_workers: Threads that prepare cases; none takes one for each processor.
        phantom_size: Shape of phantom volumes; none takes the phantom's default.
        evaluation_batch_size: Volumes have sizes of their own, so it is 1.
        **federation: Further arguments of FederatedDataModule.
    """

    kept_by = ("cache_directory", "prepare_workers")
    usual_partition: Partition = IIDPartition(4)
    """Who holds which patients if no partition is given."""

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        spacing: tuple[float, float, float] | None = (1.0, 1.0, 1.0),
        patch_size: tuple[int, int, int] = (128, 128, 128),
        release: str | None = None,
        site_file: Path | None = None,
        exclude: list[str] | None = None,
        foreground_probability: float = 1 / 3,
        augmentation: bool = True,
        window_overlap: float = 0.5,
        window_batch_size: int = 2,
        ct_window: tuple[float, float] = DEFAULT_WINDOW,
        cache_directory: Path | None = None,
        prepare_workers: int | None = None,
        phantom_size: tuple[int, int, int] | None = None,
        evaluation_batch_size: int = 1,
        **federation: Any,
    ) -> None:
        super().__init__(
            root, partition or self.usual_partition, evaluation_batch_size=evaluation_batch_size, **federation
        )
        if evaluation_batch_size != 1:
            raise ConfigError(
                f"data.evaluation_batch_size must be 1 for volumes, which have sizes of their own, but it is"
                f" {evaluation_batch_size}; data.window_batch_size sets how many windows are segmented at once."
            )
        if not 1 <= min(patch_size) <= max(patch_size) <= _LONGEST_SIDE or window_batch_size < 1:
            raise ConfigError(
                f"data.patch_size must have sides from 1 to {_LONGEST_SIDE:,} voxels and data.window_batch_size be at"
                f" least 1; they are {list(patch_size)} and {window_batch_size}."
            )
        if prepare_workers is not None:
            check_workers("data.prepare_workers", prepare_workers)
        if not 0 <= foreground_probability <= 1 or not 0 <= window_overlap < 1:
            raise ConfigError(
                "data.foreground_probability must be in [0, 1] and data.window_overlap in [0, 1); they are"
                f" {foreground_probability} and {window_overlap}."
            )
        self.how = Preparation(spacing, ct_window)
        self.patch_size = patch_size
        self.release_name = release
        self.site_file = site_file
        self.exclude = exclude or []
        self.foreground_probability = foreground_probability
        self.augmentation = augmentation
        self.window_overlap = window_overlap
        self.window_batch_size = window_batch_size
        self.cache_directory = cache_directory
        self.prepare_workers = prepare_workers
        self.phantom_size = phantom_size

    @property
    def network_input(self) -> Mapping[str, Any]:
        """Spacing, intensities and windows."""
        names = ("patch_size", "window_overlap", "window_batch_size")
        return {"spacing": self.how.spacing, "ct_window": self.how.window, **{n: getattr(self, n) for n in names}}

    @property
    def example_is(self) -> Identity:
        """An example is all volumes of one id, of which a step draws a patch."""
        return self.patient_id_is

    @abstractmethod
    def survey(self, root: Path) -> Survey:
        """Recognise the release (or take it for ``release_name``) and list what is in its folder."""

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """List what :meth:`survey` finds."""
        self.release_name = release or self.release_name
        survey = self.survey(root)
        check = partial(check_case, release=survey.release)
        return Inventory(survey.release.name, survey.cases, survey.problems, check)

    def scan(self, root: Path) -> list[Case]:
        """List the cases with a label map, with their sites where a site file states them."""
        survey = self.survey(root)
        self.release: VolumeRelease = survey.release
        self._surveyed = survey.cases
        tell(f"{root}: {survey.release.name}, {len(survey.cases):,} cases")
        refuse([p for p in survey.problems if p.case not in self.exclude], survey.release.name, ADVICE)
        if unknown := sorted(set(self.exclude) - {c.case_id for c in survey.cases} - {p.case for p in survey.problems}):
            raise ConfigError(
                f"data.exclude names {', '.join(unknown)}, which {survey.release.name} in {root} has not."
            )
        cases = [case for case in survey.cases if case.case_id not in self.exclude]
        site_file = self.site_file or (root / SITE_FILE if (root / SITE_FILE).is_file() else None)
        return cases if site_file is None else with_sites(cases, site_file)

    def tell_ignored(self, root: Path, cases: Sequence[Case]) -> None:
        """Say it, but not of cases that are left out by choice."""
        super().tell_ignored(root, self._surveyed)

    def prepare(self, cases: Sequence[Case]) -> VolumeCache:
        """Hash cases that :meth:`scan` lists, and prepare what of them is not in the cache yet."""
        contents = self._contents or read_contents(self.root, cases, self.cache_directory, self.prepare_workers)
        directory, workers = self.cache_directory, self.prepare_workers
        return VolumeCache(cases, self.release, self.how, directory, workers, tell, contents)

    def read_contents(self) -> None:
        """Hash the files of all cases, if the task's label scheme fits them."""
        self.check_scheme(self.scheme)
        super().read_contents()

    def load_cases(self, cases: Sequence[Case]) -> Dataset[Example]:
        """Prepare what is not in the cache yet, and return patches of the training patients."""
        self._label_scheme = self.check_scheme(self.scheme)
        self._volumes = self.prepare(cases)
        patients = [members for client in self.clients for members in group_by_patient(client.train).values()]
        return PatchExamples(
            [[self._volumes[case.case_id] for case in members] for members in patients],
            self._label_scheme,
            self.patch_size,
            self.foreground_probability,
            self._volumes.background,
            volume_augmentation() if self.augmentation else None,
        )

    def training_examples(self) -> Mapping[str, Sequence[ExampleId]]:
        """Return one example for each training patient, whatever the number of cases."""
        examples: dict[str, Sequence[ExampleId]] = {}
        start = 0
        for client in self.clients:
            stop = start + len(group_by_patient(client.train))
            examples[client.name] = range(start, stop)
            start = stop
        return examples

    def example_patients(self) -> Mapping[ExampleId, str]:
        """Return each example's patient: an example is one already."""
        return {example: str(example) for own in self.training_examples().values() for example in own}

    def evaluation_case(self, case: Case, native: bool) -> EvaluationCase:
        """Bring a whole volume, with the grid on which it is scored and the window it is segmented by."""
        stored = self._volumes[case.case_id]
        if native:
            label_map = class_map(self.release.reader.read_label(case), self.release)
            spacing = stored.grid.spacing
        else:
            label_map, spacing = stored.read_label(), stored.grid.network_spacing
        return EvaluationCase(
            image=torch.from_numpy(stored.read_image()).float(),
            label=torch.from_numpy(self._label_scheme.masks(label_map).astype(np.uint8)),
            spacing=spacing if self.release.reader.has_spacing else None,
            grid=stored.grid if native else None,
            window=self.window,
        )

    def lesion_size(self, case: Case) -> float:
        """Volume of the lesion (all labelled classes but a healthy organ), in mm^3, or in voxels without spacing."""
        reader = self.release.reader
        voxel = math.prod(reader.label_header(case).spacing) if reader.has_spacing else 1.0
        return float(np.isin(reader.read_label(case), self.release.lesion_values).sum() * voxel)

    def label_map(self, masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Paint masks of the regions [R, *grid] as a label map [*grid] with the release's official values."""
        return self.release.label_map(masks, self._label_scheme)

    def write_prediction(
        self, folder: Path, case_id: str, masks: NDArray[np.bool_], regions: Sequence[str], grid: CaseGrid | None = None
    ) -> None:
        """Write a label map with the official values on the file's own grid, named as the challenge expects."""
        image = nib.Nifti1Image(self.label_map(masks), (grid or self._volumes[case_id].grid).affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, folder / self.release.prediction_file(case_id))

    def describe(self) -> DataBlock:
        """Return the data block of a run record, with the release that was recognised."""
        return super().describe().model_copy(update={"release": self.release.name})
