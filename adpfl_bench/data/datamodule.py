"""The clients of a federation and the loaders that feed it, whatever the dataset."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from adpfl_bench.data.canaries import Canaries, CanaryLoader
from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation_loader import EvaluationCases, EvaluationLoader, SplitName
from adpfl_bench.data.fingerprint import dataset_fingerprint, dataset_kind
from adpfl_bench.data.partition import Partition
from adpfl_bench.data.round_loader import PersistentWorkers, RoundLoader, group_records, plan_round
from adpfl_bench.data.split import Split, make_clients
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.label_scheme import LabelScheme

_log = logging.getLogger(__name__)

PHANTOM_ROOT = "phantom"
"""Given as the root, it asks for the dataset's phantom cohort."""


class FederatedDataModule(LightningDataModule, ABC):
    """Scans a dataset, divides it among clients, and brings rounds of training batches and cases to score.

    A subclass says how its dataset is scanned, how phantoms of it are made, and how cases become tensors.

    Args:
        root: Folder of the dataset as its publisher ships it, or ``phantom`` for its phantom cohort, which is made
            on first use and kept in ``phantom_directory``.
        partition: Who holds which patients.
        validation_fraction: Share of each client's patients that validates.
        test_fraction: Share of each client's patients that is scored at the end.
        split_seed: Seed of partition and split. It is not the run's seed: runs with other seeds are scored on the same
            test cases.
        batch_size: Training records per local step.
        evaluation_batch_size: Cases per validation or test step.
        num_workers: Worker processes for loading; 0 loads in the training process, which is fastest for images that
            fit in memory.
        phantom_cases: Size of the phantom cohort.
        phantom_seed: Seed of the phantom cohort.
        phantom_directory: Where phantom cohorts are kept.
    """

    def __init__(
        self,
        root: Path,
        partition: Partition,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        batch_size: int = 8,
        evaluation_batch_size: int = 16,
        num_workers: int = 0,
        phantom_cases: int = 240,
        phantom_seed: int = 0,
        phantom_directory: Path = Path("phantoms"),
    ) -> None:
        super().__init__()
        if batch_size < 1 or evaluation_batch_size < 1:
            raise ConfigError(
                f"data.batch_size and data.evaluation_batch_size must be at least 1, but they are {batch_size} and"
                f" {evaluation_batch_size}."
            )
        self.root = Path(root)
        self.partition = partition
        self.split = Split(validation_fraction, test_fraction)
        self.split_seed = split_seed
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.num_workers = num_workers
        self.phantom_cases = phantom_cases
        self.phantom_seed = phantom_seed
        self.phantom_directory = Path(phantom_directory)
        self.clients: tuple[Client, ...] = ()
        self.scheme: LabelScheme | None = None  # the task's; set it to use the datamodule without a Trainer
        self._loaded = False
        self._training: Mapping[str, Sequence[int]] = {}
        self._fingerprint = ""
        self._schedule: RoundSchedule | None = None
        self._patients: Mapping[int, str] | None = None
        self._poisson = False
        self.units_per_step = batch_size
        self._canaries: Canaries | None = None
        self._workers: PersistentWorkers | None = None
        self._evaluation_loaders: dict[tuple[SplitName, bool], EvaluationLoader] = {}

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
    def load_cases(self, cases: Sequence[Case]) -> Dataset[dict[str, torch.Tensor]]:
        """Prepare cases (read them, or their cache) and return the dataset of their training records.

        The dataset maps a :class:`~adpfl_bench.data.round_loader.RecordKey`, whose record is the position in
        ``cases``, to ``image`` and ``label``.

        Raises:
            DataError: Files are unreadable or contradict each other.
        """

    @abstractmethod
    def evaluation_case(self, case: Case, native: bool) -> dict[str, Any]:
        """Bring one case to be scored.

        Args:
            case: One of the cases given to :meth:`load_cases`.
            native: Whether the label is on the grid of its own file, or on the network's.

        Returns:
            ``image`` [C, *spatial] for the network, ``label`` [R, *grid] as uint8, ``spacing`` of the label's grid in
            mm (a tuple, or ``None`` where only pixels are known). Of volumes also ``grid``, the way from the network's
            grid to the label's (``None`` where they are the same), and ``window``, the sliding window.
        """

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

    def training_records(self) -> Mapping[str, Sequence[int]]:
        """Each client's training records, as keys of the dataset that :meth:`load_cases` returned: one a case."""
        positions = {case.case_id: i for i, case in enumerate(self._cases)}
        return {client.name: [positions[case.case_id] for case in client.train] for client in self.clients}

    def record_patients(self) -> Mapping[int, str]:
        """The patient of each record, by the record's key of the dataset."""
        return {i: case.patient_id for i, case in enumerate(self._cases)}

    def setup(self, stage: str) -> None:
        """Scan the dataset, divide it among clients and load their images, once."""
        if self._loaded:
            return
        if self.scheme is None:
            self.scheme = getattr(getattr(self.trainer, "lightning_module", None), "scheme", None)
        self.divide()
        self._records = self.load_cases(self._cases)
        if self._canaries is not None:
            self._records, self._training = self._canaries.join(self._records, self._training, self.record_patients())
        self._loaded = True
        if self.num_workers > 0:
            self._workers = PersistentWorkers(self._records, self.num_workers, torch.cuda.is_available())

    def divide(self) -> None:
        """Scan the dataset and divide it among clients, once; images are not loaded.

        Raises:
            ConfigError: The partition does not fit the dataset.
            DataError: The folder is missing, malformed or holds something else.
        """
        if self.clients:
            return
        root = self._resolve_root()
        cases = self.scan(root)
        self.root = root
        self._fingerprint = dataset_fingerprint(root, cases)
        self.use_clients(make_clients(cases, self.partition, self.split, self.split_seed))

    def use_clients(self, clients: Sequence[Client]) -> None:
        """Take over clients as they are given, in place of scanning a dataset."""
        self.clients = tuple(clients)
        self._cases = [case for client in self.clients for case in client.cases]
        self._training = self.training_records()

    def teardown(self, stage: str) -> None:
        """End the worker processes of training."""
        if stage == "fit" and self._workers is not None:
            self._workers.close()

    def _resolve_root(self) -> Path:
        if str(self.root) != PHANTOM_ROOT:
            return self.root
        folder = self.phantom_directory / self.phantom_name
        self.write_phantom(folder, self.phantom_cases, self.phantom_seed)
        return folder

    @property
    def train_sizes(self) -> Mapping[str, int]:
        """Number of training records by client."""
        return {client: len(records) for client, records in self._training.items()}

    def use_schedule(self, schedule: RoundSchedule) -> None:
        """Take over who takes part in which round; FederatedLoop calls this at start."""
        schedule.participants(0, list(self.train_sizes))
        self._schedule = schedule

    def use_units(self, patients: bool = False, poisson: bool = False, units_per_step: int | None = None) -> None:
        """Take over what local steps are made of; DifferentialPrivacy calls this at start.

        Args:
            patients: Whether all records of a patient come together, and steps are counted in patients.
            poisson: Whether units are drawn independently for every step.
            units_per_step: Units per step (expected units, where they are drawn) in place of ``batch_size``.
        """
        self.units_per_step = units_per_step or self.batch_size
        made_up = self._canaries.patients if self._canaries is not None else {}
        self._patients = {**self.record_patients(), **made_up} if patients else None
        self._poisson = poisson

    def use_canaries(self, canaries: Canaries) -> None:
        """Let canaries join a client's training records when they are loaded, for an audit.

        Raises:
            ConfigError: They have been loaded already.
        """
        if self._loaded:
            raise ConfigError("Canaries must join before the data are loaded: use a new datamodule for an audit.")
        self._canaries = canaries

    @property
    def unit_sizes(self) -> Mapping[str, int]:
        """Number of units (training records, or patients with training records) by client."""
        return {client: len(group_records(records, self._patients)) for client, records in self._training.items()}

    def train_dataloader(self) -> RoundLoader:
        """Bring the local steps of the round that the Trainer is about to run."""
        if self._schedule is None:
            raise ConfigError("A FederatedDataModule trains under a FederatedLoop; add one to the Trainer's callbacks.")
        # On a resumed run the Trainer's current_epoch is still one too low at this point; the loop's count is right.
        trainer: Any = self.trainer
        round_index = int(trainer.fit_loop.epoch_progress.current.processed)
        steps = plan_round(
            self._schedule, round_index, self._training, self.units_per_step, self._patients, self._poisson
        )
        if self._canaries is not None:
            return CanaryLoader(self._records, steps, round_index, self._workers, self._canaries)
        return RoundLoader(self._records, steps, round_index, self._workers)

    def val_dataloader(self) -> EvaluationLoader:
        """Bring the validation cases: on the network's grid while training, on their own when validating at the end."""
        trainer: Any = self.trainer
        return self._evaluation_loader("validation", native=trainer.state.fn != "fit")

    def test_dataloader(self) -> EvaluationLoader:
        """Bring the test cases on their own grid."""
        return self._evaluation_loader("test", native=True)

    def predict_dataloader(self) -> EvaluationLoader:
        """Bring the test cases on their own grid."""
        return self._evaluation_loader("test", native=True)

    def _evaluation_loader(self, split: SplitName, native: bool) -> EvaluationLoader:
        key = (split, native)
        if key not in self._evaluation_loaders:
            dataset = EvaluationCases(self.evaluation_case, self.clients, split, native)
            if len(dataset) == 0:
                raise ConfigError(f"There are no {split} cases; give data.{split}_fraction a value above 0.")
            self._evaluation_loaders[key] = EvaluationLoader(dataset, self.evaluation_batch_size, self.num_workers)
        return self._evaluation_loaders[key]

    def describe(self) -> dict[str, Any]:
        """The data block of a run record."""
        return {
            "datamodule": type(self).__name__,
            "kind": dataset_kind(self.root),
            "fingerprint": self._fingerprint,
            "cases": len(self._cases),
            "clients": {
                client.name: {s: len(getattr(client, s)) for s in ("train", "validation", "test")}
                for client in self.clients
            },
            "partition": repr(self.partition),
            "split_seed": self.split_seed,
            "canaries": self._canaries.describe() if self._canaries is not None else None,
        }
