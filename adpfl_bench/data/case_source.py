"""Interface between a datamodule and its dataset."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.ignored_files import ignored_images
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.new_cases import NewCases
from adpfl_bench.data.problems import tell, tell_warnings
from adpfl_bench.data.rounds.round_plan import ExampleId
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.phantoms.cohort import write_phantom
from adpfl_bench.phantoms.like.phantom_description import PhantomDescription
from adpfl_bench.phantoms.writer import PhantomWriter
from adpfl_bench.processors import count_processors
from adpfl_bench.records.protected import Identity
from adpfl_bench.text import times

_WORTH_PROCESSES = 2**20
"""Pixels or voxels of a phantom cohort that take longer to draw than processes to start."""


class StatedByFiles(NamedTuple):
    """Settings that files state, by argument: those of the datamodule, and those of the task."""

    data: Mapping[str, Any]
    model: Mapping[str, Any]


class CaseSource(ABC):
    """Base of datasets: their scan, phantoms in their layout, and tensors of their cases.

    Attributes:
        clients: Who holds which cases, once the dataset is divided.
        patient_id_is: What the ``patient_id`` of a case identifies; ``patient id`` where nobody says.
        phantom: Writes phantoms in the dataset's layout, if there are any.
        phantom_size: Shape of their images; none takes the writer's default.
        phantom_cases: Size of a phantom cohort.
        phantom_seed: Seed of it.
        phantom_shift: How far apart its sites are.
        cache_directory: Where to keep what is made of the files; none takes the user's.
        kept_by: Arguments that say where and how prepared cases are kept.
        described_by: Arguments that say what its files are; the files of new patients are read by them, too.
        left_out: Patterns of files below the root that look like images and are not read, as the layout has it.
    """

    clients: tuple[Client, ...] = ()
    patient_id_is: Identity = "patient id"
    phantom: type[PhantomWriter] | None = None
    phantom_size: tuple[int, ...] | None = None
    phantom_cases: int
    phantom_seed: int
    phantom_shift: float
    cache_directory: Path | None = None
    described_by: tuple[str, ...] = ()
    kept_by: tuple[str, ...] = ()
    left_out: Sequence[str] = ()
    _cases: Sequence[Case] = ()

    @property
    def network_input(self) -> Mapping[str, Any]:
        """Settings by which a case becomes what the network is given, by the names of the datamodule's arguments."""
        return {}

    @property
    def example_is(self) -> Identity:
        """What a training example is; ``record`` says no more than that it is one."""
        return "record"

    @classmethod
    def stated_by_files(cls, settings: Mapping[str, Any]) -> StatedByFiles:
        """Say what a dataset's files state of settings that a configuration leaves open, without making anything.

        Args:
            settings: The datamodule's arguments, as far as they are given.

        Raises:
            BenchError: The files are not there, or contradict the settings.
        """
        return StatedByFiles({}, {})

    @classmethod
    def cohort_settings(cls, trained: CaseSource, root: Path, release: str | None) -> Mapping[str, Any]:
        """Return the settings by which data of this kind become what a network is given that others trained.

        Args:
            trained: The datamodule that it was trained with.
            root: Folder of the data.
            release: Name of the release that it was trained on, where it has one.
        """
        return trained.network_input

    def holder(self, root: Path, cases: Sequence[Case]) -> Path:
        """Return the folder that holds the files of all cases: the one that was scanned."""
        return root

    @abstractmethod
    def scan(self, root: Path) -> list[Case]:
        """List the dataset's cases.

        Raises:
            DataError: The folder is missing, malformed or holds something else.
        """

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """List what is in the folder, complete or not, and say how a case is checked, for ``adpfl-bench verify``.

        Args:
            root: The folder.
            release: Name of the release, where the folder does not give it away.

        Raises:
            DataError: As :meth:`scan`, for what leaves nothing to read.
            ConfigError: The dataset cannot say.
        """
        raise ConfigError(
            f"{type(self).__name__} does not say how its files are checked; give it the method inventory."
        )

    @property
    def phantom_description(self) -> PhantomDescription | None:
        """What phantoms are made of where no writer knows the dataset; ``None`` where one does."""
        return None

    def phantom_root(self, folder: Path) -> Path:
        """Return the root of a phantom cohort in its folder: that folder."""
        return folder

    def tell_ignored(self, root: Path, cases: Sequence[Case]) -> None:
        """Say which files beside those of the cases look like images and are not read."""
        folder = root if root.is_dir() else root.parent
        tell_warnings(ignored_images(folder, cases, left_out=self.left_out, beside=True), tell)

    def write_phantom(self, output: Path, cases: int, seed: int) -> None:
        """Write a phantom cohort in the dataset's own layout, a large one in as many processes as there are processors.

        Raises:
            ConfigError: The dataset has no phantom.
        """
        size, shift = self.phantom_size, self.phantom_shift
        values = cases * math.prod(size or self._writer.default_size)
        workers = count_processors() if values >= _WORTH_PROCESSES else 1
        like = self.phantom_description
        write_phantom(self._writer, output, cases, seed, size, progress=True, workers=workers, shift=shift, like=like)

    @property
    def phantom_name(self) -> str:
        """Name of the phantom cohort's folder, by everything that its bytes depend on."""
        size = times(self.phantom_size) if self.phantom_size else "default"
        shift = "" if self.phantom_shift == 1 else f"-shift{self.phantom_shift:g}"
        like = f"-{self.phantom_description.digest}" if self.phantom_description is not None else ""
        return f"{self._writer.name}{like}-{self.phantom_cases}cases-{size}-seed{self.phantom_seed}{shift}"

    @property
    def _writer(self) -> type[PhantomWriter]:
        if self.phantom is None:
            raise ConfigError(
                f"{type(self).__name__} has no phantom: give its attribute phantom a PhantomWriter, or --data.root the"
                " folder of real files."
            )
        return self.phantom

    @abstractmethod
    def load_cases(self, cases: Sequence[Case]) -> Dataset[Example]:
        """Prepare cases (read them, or their cache) and return the dataset of their training examples.

        The dataset maps a :class:`~adpfl_bench.data.rounds.round_plan.ExampleKey`, whose example is the position in
        ``cases``, to an example.

        Raises:
            DataError: Files are unreadable or contradict each other.
        """

    @abstractmethod
    def evaluation_case(self, case: Case, native: bool) -> EvaluationCase:
        """Bring one case to be scored.

        Args:
            case: One of the cases given to :meth:`load_cases`.
            native: Whether the label is on the grid of its own file, or on the network's.

        Returns:
            The image for the network, and the truth on the grid that was asked for.
        """

    def lesion_size(self, case: Case) -> float:
        """Measure in a case's label file how large the lesion is, for partitions by ``lesion_size``.

        Raises:
            DataError: The file cannot be read.
            ConfigError: The dataset cannot say.
        """
        raise ConfigError(
            f"{type(self).__name__} does not measure lesions, so no partition can be by lesion_size; give it the method"
            " lesion_size, or divide by a column of its metadata."
        )

    def find_new(self, paths: Sequence[Path], release: str | None) -> NewCases:
        """Find images without masks, to be segmented by a trained model.

        Args:
            paths: Files and folders.
            release: Name of the release that the model was trained on, where releases have names.

        Raises:
            DataError: A path does not exist, or there is no image.
            ConfigError: The dataset cannot say what its images are.
        """
        raise ConfigError(
            f"{type(self).__name__} does not say what images of new patients are; give it the methods find_new and"
            " new_case."
        )

    def new_case(self, case: Case) -> EvaluationCase:
        """Bring one image that :meth:`find_new` found, as :meth:`evaluation_case` does.

        Returns:
            The image, with a label of which only the shape is that of the file.

        Raises:
            DataError: A file cannot be read, or its image is none that could be segmented.
        """
        raise NotImplementedError

    def write_prediction(
        self, folder: Path, case_id: str, masks: NDArray[np.bool_], regions: Sequence[str], grid: CaseGrid | None = None
    ) -> None:
        """Write what was predicted for a case: of pictures a PNG of 0 and 255 for each region.

        Args:
            folder: Where to.
            case_id: The case.
            masks: [P, *grid], on the grid of the case's own file.
            regions: Names of the regions.
            grid: Where that lies, of a volume that is none of the dataset's.
        """
        for name, mask in zip(regions, masks, strict=True):
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{case_id}_{name}.png")

    def training_examples(self) -> Mapping[str, Sequence[ExampleId]]:
        """Each client's training examples, as keys of the dataset that :meth:`load_cases` returned: one a case."""
        positions = {case.case_id: i for i, case in enumerate(self._cases)}
        return {client.name: [positions[case.case_id] for case in client.train] for client in self.clients}

    def example_patients(self) -> Mapping[ExampleId, str]:
        """Return the patient of each example, by its key of the dataset."""
        return {i: case.patient_id for i, case in enumerate(self._cases)}
