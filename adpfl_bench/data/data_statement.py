"""Statement on data: what run records, checkpoints and the keys of noise say of the data of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adpfl_bench.data.case_source import CaseSource
from adpfl_bench.data.data_contents import DataContents, read_contents
from adpfl_bench.data.fingerprint import dataset_kind
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.federation.round_schedule import POOLED_CLIENT
from adpfl_bench.records.blocks import ClientSizes, DataBlock, PlannedOn
from adpfl_bench.records.digests import json_sha256

# What says where data lie, how fast they come, or what is a setting of its own here.
_NOT_RELEASED = {
    *("trainer", "clients", "root", "phantom_directory", "cache_directory", "num_workers", "prepare_workers"),
    *("memory_budget_gib", "evaluation_batch_size", "window_batch_size", "window_overlap", "planned_on"),
}


class DataStatement(CaseSource):
    """Base of datamodules: what is stated of the data of a run, once they are divided.

    Attributes:
        root: Folder of the dataset.
        partition: Who holds which patients.
        split_seed: Seed of partition and split.
        planned_on: What settings were planned on, if they were planned.
    """

    root: Path
    partition: Partition
    split_seed: int
    planned_on: PlannedOn | None = None
    _plan: TrainingPlan
    _fingerprint: str = ""
    _contents: DataContents | None = None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the names and sizes of the dataset's files; empty where none was scanned."""
        return self._fingerprint

    @property
    def contents(self) -> DataContents:
        """What the files of all cases held when the run read them; no files where none was scanned."""
        return self._contents or DataContents(self.root, (), {})

    def read_contents(self) -> None:
        """Hash the files of all cases, as far as they have changed since they were last hashed.

        Raises:
            DataError: A file cannot be read.
        """
        if self._fingerprint:
            self._contents = read_contents(self.root, self._cases, self.cache_directory)

    @property
    def division(self) -> str:
        """Digest of who trains on which cases: pooled, none is a hospital's any more."""
        held = [
            (
                POOLED_CLIENT if self._plan.pooled else client.name,
                [(case.case_id, case.patient_id) for case in client.train],
            )
            for client in self.clients
        ]
        return json_sha256(held)

    @property
    def release_settings(self) -> dict[str, Any]:
        """What of these data and settings changes what a run releases."""
        public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        canaries = self._plan.canaries
        return {
            **{name: value for name, value in public.items() if name not in _NOT_RELEASED},
            "class": type(self),
            "fingerprint": self.fingerprint,
            "contents": self.contents.digest,
            "division": self.division,
            "canaries": canaries.describe().model_dump() if canaries is not None else None,
        }

    def describe(self) -> DataBlock:
        """Return the data block of a run record."""
        return DataBlock(
            datamodule=type(self).__name__,
            kind=dataset_kind(self.root),
            fingerprint=self._fingerprint,
            contents=self.contents.describe({case.case_id for client in self.clients for case in client.test}),
            cases=len(self._cases),
            clients={
                client.name: ClientSizes(
                    train=len(client.train), validation=len(client.validation), test=len(client.test)
                )
                for client in self.clients
            },
            partition=repr(self.partition),
            split_seed=self.split_seed,
            canaries=self._plan.canaries.describe() if self._plan.canaries is not None else None,
            example_is=self.example_is,
            patient_id_is=self.patient_id_is,
            planned_on=self.planned_on,
        )
