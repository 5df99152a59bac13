"""What a datamodule must say of its dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.rounds.round_plan import ExampleId
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example


class CaseSource(ABC):
    """How a dataset is scanned, how phantoms of it are made, and how its cases become tensors.

    Attributes:
        clients: Who holds which cases, once the dataset is divided.
    """

    clients: tuple[Client, ...] = ()
    _cases: Sequence[Case] = ()

    @abstractmethod
    def scan(self, root: Path) -> list[Case]:
        """List the dataset's cases.

        Raises:
            DataError: The folder is missing, malformed or holds something else.
        """

    @abstractmethod
    def write_phantom(self, output: Path, cases: int, seed: int) -> None:
        """Write a phantom cohort in the dataset's own layout."""

    @property
    @abstractmethod
    def phantom_name(self) -> str:
        """Name of the phantom cohort's folder, by everything that its bytes depend on."""

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

    def write_prediction(self, folder: Path, case_id: str, masks: NDArray[np.bool_], regions: Sequence[str]) -> None:
        """Write what was predicted for a case: of pictures a PNG of 0 and 255 for each region.

        Args:
            folder: Where to.
            case_id: The case.
            masks: The predicted regions, [P, *grid] on the grid of the case's own file.
            regions: Their names.
        """
        for name, mask in zip(regions, masks, strict=True):
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{case_id}_{name}.png")

    def training_examples(self) -> Mapping[str, Sequence[ExampleId]]:
        """Each client's training examples, as keys of the dataset that :meth:`load_cases` returned: one a case."""
        positions = {case.case_id: i for i, case in enumerate(self._cases)}
        return {client.name: [positions[case.case_id] for case in client.train] for client in self.clients}

    def example_patients(self) -> Mapping[ExampleId, str]:
        """The patient of each example, by its key of the dataset."""
        return {i: case.patient_id for i, case in enumerate(self._cases)}
