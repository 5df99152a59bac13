"""Federated datamodule: a federation's clients and the loaders that feed it, whatever the dataset."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.data_statement import DataStatement
from adpfl_bench.data.evaluation.evaluation_set import EvaluationLoader, EvaluationSet
from adpfl_bench.data.fingerprint import dataset_fingerprint
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.partitioning.case_properties import LESION_SIZE, with_lesion_sizes
from adpfl_bench.data.partitioning.client_names import check_names
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.data.partitioning.property_partition import PropertyPartition, ShardPartition  # noqa: F401  # the command line's
from adpfl_bench.data.partitioning.split import Split, make_clients
from adpfl_bench.data.problems import tell
from adpfl_bench.data.rounds.round_loader import PersistentWorkers, RoundLoader
from adpfl_bench.data.rounds.round_plan import ExampleKey, plan_round
from adpfl_bench.data.rounds.round_shares import own_share, planned_turns
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.data.rounds.training_set import TrainingSet, most_examples, training_set
from adpfl_bench.data.rounds.unit_names import unit_names
from adpfl_bench.errors import ConfigError
from adpfl_bench.peers import peers
from adpfl_bench.phantoms.site_shift import check_shift
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.processors import check_workers
from adpfl_bench.records.blocks import PlannedOn

_log = logging.getLogger(__name__)

PHANTOM_ROOT = "phantom"
"""Given as the root, it asks for the dataset's phantom cohort."""


class FederatedDataModule(LightningDataModule, DataStatement):
    """Datamodule of a federation: divides a dataset among clients, and brings rounds of batches and cases to score.

    A subclass says how its dataset is scanned, how phantoms of it are made, and how cases become tensors; see
    :class:`~adpfl_bench.data.case_source.CaseSource`.

    Args:
        root: Folder of the dataset as its publisher ships it, or ``phantom`` for its phantom cohort, which is made
            on first use and kept in ``phantom_directory``.
        partition: Who holds which patients.
        validation_fraction: Share of each client's patients that validates; with 0 rounds are not scored.
        test_fraction: Share of each client's patients that is scored at the end.
        split_seed: Seed of partition and split. It is not the run's seed: runs with other seeds are scored on the same
            test cases.
        batch_size: Training examples per local step.
        evaluation_batch_size: Cases per validation or test step.
        num_workers: Worker processes for loading; 0 loads in the training process, which is fastest for images that
            fit in memory. The processes that share a run divide them.
        phantom_cases: Size of the phantom cohort.
        phantom_seed: Seed of the phantom cohort.
        phantom_directory: Where phantom cohorts are kept.
        phantom_shift: How far apart the sites of the phantom cohort are, in their scanners and in how often things
            occur: 0 makes them all alike, 1 is usual, more moves them further apart.
        planned_on: What ``adpfl-bench plan`` has chosen settings by: ``private`` data, of which these settings are then
            statistics that no epsilon covers, ``public`` data, or a ``phantom``; none where a person chose them.
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
        phantom_shift: float = 1.0,
        planned_on: PlannedOn | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1 or evaluation_batch_size < 1:
            raise ConfigError(
                f"data.batch_size and data.evaluation_batch_size must be at least 1, but they are {batch_size} and"
                f" {evaluation_batch_size}."
            )
        check_workers("data.num_workers", num_workers, least=0)
        check_shift(phantom_shift)
        self.root = Path(root).expanduser()  # a YAML file has no shell that knows ~
        self.partition = partition
        self.split = Split(validation_fraction, test_fraction)
        self.split_seed = split_seed
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.num_workers = num_workers
        self.phantom_cases = phantom_cases
        self.phantom_seed = phantom_seed
        self.phantom_directory = Path(phantom_directory).expanduser()
        self.phantom_shift = phantom_shift
        self.planned_on = planned_on
        self.clients: tuple[Client, ...] = ()
        self.scheme: LabelScheme | None = None  # the task's; set it to use the datamodule without a Trainer
        self._loaded = False
        self._plan = TrainingPlan()
        self._training = TrainingSet({}, None)
        self._workers: PersistentWorkers | None = None
        self._evaluation = EvaluationSet(self.evaluation_case, evaluation_batch_size, peers().divided(num_workers))

    def setup(self, stage: str) -> None:
        """Scan the dataset, divide it among clients, hash its files and load their images, once.

        Raises:
            DataError: A file cannot be read, or was changed between the two.
        """
        if self._loaded:
            return
        if self.scheme is None:
            self.scheme = getattr(getattr(self.trainer, "lightning_module", None), "scheme", None)
        with peers().first_then_others():  # who find phantoms, digests and prepared volumes there
            self.divide()
            self.read_contents()
            self._examples = self.load_cases(self._cases)
            self.contents.check()
        self._loaded = True

    def divide(self) -> None:
        """Scan the dataset and divide it among clients, once; images are not loaded.

        Raises:
            ConfigError: The partition does not fit the dataset.
            DataError: The folder is missing, malformed or holds something else.
        """
        if self.clients:
            return
        root, cases = self._scan()
        self.root = self.holder(root, cases)
        self._fingerprint = dataset_fingerprint(self.root, cases)
        if LESION_SIZE in self.partition.properties:
            cases = with_lesion_sizes(cases, self.lesion_size)
        self.use_clients(make_clients(cases, self.partition, self.split, self.split_seed))
        if not any(client.validation for client in self.clients):
            tell("There are no validation cases, so rounds are not scored; what is tested is the last round's model.")

    def take_as_cohort(self, name: str) -> None:
        """Take all cases as the test cases of one client, in place of dividing and loading: nothing trains on them.

        Raises:
            BenchError: As :meth:`setup`.
        """
        root, cases = self._scan()
        self.root = self.holder(root, cases)
        self._fingerprint = dataset_fingerprint(self.root, cases)
        self.use_clients([Client(name, (), (), tuple(cases))])
        self.read_contents()
        self._examples = self.load_cases(self._cases)
        self.contents.check()
        self._loaded = True

    def cohort_dataloader(self, models: Sequence[str]) -> EvaluationLoader:
        """Bring the test cases of all clients on their own grid, for each of some models."""
        pairs = [(model, client.name) for model in models for client in self.clients]
        return self._evaluation.loader(self.clients, pairs, "test", native=True)

    def use_clients(self, clients: Sequence[Client]) -> None:
        """Take over clients as they are given, in place of scanning a dataset.

        Raises:
            DataError: A name is none that records and tables can state.
        """
        check_names(clients)
        self.clients = tuple(clients)
        self._cases = [case for client in self.clients for case in client.cases]
        self._training = training_set(self.training_examples(), self.example_patients(), self._plan)

    def teardown(self, stage: str) -> None:
        """End the worker processes of training."""
        if stage == "fit" and self._workers is not None:
            self._workers.close()

    def _scan(self) -> tuple[Path, list[Case]]:
        """Scan the folder, and say what in it is not read."""
        root = self._resolve_root()
        cases = self.scan(root)
        self.tell_ignored(root, cases)
        return root, cases

    def _resolve_root(self) -> Path:
        if str(self.root) != PHANTOM_ROOT:
            return self.root
        folder = self.phantom_directory / self.phantom_name
        self.write_phantom(folder, self.phantom_cases, self.phantom_seed)
        return self.phantom_root(folder)

    @property
    def training(self) -> TrainingSet:
        """The training examples of every client that trains."""
        return self._training

    @property
    def train_sizes(self) -> Mapping[str, int]:
        """Number of training examples by client."""
        return self._training.sizes

    @property
    def unit_sizes(self) -> Mapping[str, int]:
        """Number of units (training examples, or patients with training examples) by client."""
        return self._training.unit_sizes

    def unit_names(self, unit: PrivacyUnit) -> Mapping[str, tuple[str, ...]]:
        """Name the units of each client that trains; see :func:`~adpfl_bench.data.rounds.unit_names.unit_names`."""
        return unit_names(unit, self.clients, self._plan, self.unit_sizes, self.example_is == "patient")

    def units_per_person(self, unit: PrivacyUnit) -> Mapping[str, int] | None:
        """Return the largest number of units that one person has at each client; ``None`` where nobody knows that.

        Either no id is a person's, or no dataset was scanned, so that nothing says whose the examples are.
        """
        if unit == "none" or self.patient_id_is != "patient":
            return None
        if unit in ("patient", "client") or (unit == "record" and self.example_is == "patient"):
            return dict.fromkeys(self.unit_sizes, 1)
        if not self._fingerprint:
            return None
        return most_examples(self._training.examples, self.example_patients())

    @property
    def units_per_step(self) -> int:
        """Units of a local step."""
        return self._plan.units_per_step or self.batch_size

    def use_plan(self, plan: TrainingPlan) -> None:
        """Take over how a run trains, before or after the dataset is divided.

        Raises:
            ConfigError: The plan names a client that there is not, or leaves none to train.
        """
        self._plan = plan
        self._workers = None  # they load the examples, and canaries, of the plan before
        if self.clients or plan.elsewhere:
            self._training = training_set(self.training_examples(), self.example_patients(), plan)
            if plan.schedule is not None:
                plan.schedule.participants(0, list(self.train_sizes))

    def train_dataloader(self) -> RoundLoader:
        """Bring the local steps of the round that the Trainer is about to run."""
        plan = self._plan
        if plan.schedule is None:
            raise ConfigError("A FederatedDataModule trains under a FederatedLoop; add one to the Trainer's callbacks.")
        round_index, training, turns, own = self._round(), self._training, None, None
        if plan.elsewhere or peers().count > 1:
            turns = planned_turns(plan.schedule, round_index, training, self.units_per_step)
            own = own_share(turns, plan, round_index)
        how = round_index, self.unit_sizes, self.units_per_step
        begun = plan.places.before(*how) if plan.places else None
        drawn = training.patients, plan.poisson, plan.draws, own, begun, plan.views
        steps = plan_round(plan.schedule, round_index, training.of_all, self.units_per_step, *drawn)
        examples = self._examples
        if plan.canaries is not None:
            steps, examples = plan.canaries.place(steps), plan.canaries.add_to(examples, ExampleKey(0, 0))
        if (workers := peers().divided(self.num_workers)) > 0 and self._workers is None:
            self._workers = PersistentWorkers(examples, workers, torch.cuda.is_available())
        return RoundLoader(examples, steps, round_index, self._workers, turns)

    def _round(self) -> int:
        # On a resumed run the Trainer's current_epoch is still one too low when loaders are made; this is right.
        trainer: Any = self.trainer
        return int(trainer.fit_loop.epoch_progress.current.processed)

    def val_dataloader(self) -> EvaluationLoader:
        """Bring the validation cases: on the network's grid while training, on their own when validating at the end."""
        trainer: Any = self.trainer
        fitting, plan = trainer.state.fn == "fit", self._plan
        if not fitting:
            self.contents.check()
        tuned = not fitting or (plan.schedule is not None and plan.schedule.is_fine_tuning(self._round()))
        models = plan.models.fine_tuned if tuned else plan.models.validation
        unscored = fitting and plan.elsewhere  # by what nobody has here yet
        scored = [client for client in self.clients if client.name not in plan.held_out and not unscored]
        pairs = models.pairs([client.name for client in scored], list(self._training.examples))
        return self._evaluation.loader(scored, pairs, "validation", native=not fitting)

    def test_dataloader(self) -> EvaluationLoader:
        """Bring the test cases on their own grid."""
        self.contents.check()
        pairs = self._plan.models.test.pairs([client.name for client in self.clients], list(self._training.examples))
        return self._evaluation.loader(self.clients, pairs, "test", native=True)

    def predict_dataloader(self) -> EvaluationLoader:
        """Bring each test case once, on its own grid: for its client's own model where clients have such."""
        self.contents.check()
        pairs = self._plan.models.test.predictors(
            [client.name for client in self.clients], list(self._training.examples)
        )
        return self._evaluation.loader(self.clients, pairs, "test", native=True)
