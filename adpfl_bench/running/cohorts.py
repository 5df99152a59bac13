"""Cohorts: what a run's models score on the data of another hospital."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adpfl_bench.config.config_files import find_config
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.datasets.catalogue import DATASETS, find_datamodule
from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.files import atomic_folder
from adpfl_bench.processors import with_bar
from adpfl_bench.public_names import with_public_names
from adpfl_bench.records.cohort_record import CohortRecord, cohort_folder
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.running.model_source import ModelSource
from adpfl_bench.running.trained_model import TrainedModel, open_model
from adpfl_bench.text import count
from adpfl_bench.trust import trusting

_ANY = "adpfl_bench.RegionsTask"


@dataclass(frozen=True)
class Cohort:
    """The data of another hospital.

    Attributes:
        name: What it is called in tables.
        root: Its folder.
        layout: Name of the dataset whose layout it has, or class path of a datamodule; ``None``: the run's own.
    """

    name: str
    root: Path
    layout: str | None = None


def evaluate_run(folder: Path, cohort: Cohort, on_cpu: bool = False, trust: Sequence[str] = ()) -> ScoreColumns:
    """Score every case of a cohort by a run's global model, and by each client's own where there are such.

    The scores are kept in ``cohorts/NAME`` in the run's folder, with what was scored by what; nothing else in it is
    touched.

    Args:
        folder: The run's folder.
        cohort: The cohort.
        on_cpu: Whether to leave a GPU alone.
        trust: Modules whose classes the run's configuration may name beside those of the list.

    Raises:
        BenchError: The run or the cohort cannot be used, the two do not fit, or the cohort was scored before.
    """
    target = cohort_folder(folder, cohort.name)
    if target.exists():
        raise RecordError(f"{target} is there: this cohort was scored before. Remove it, or give another name.")
    record = RunDirectory(folder).read_record()
    if record.privacy.audited is not None:
        raise ConfigError(f"{folder} is an audit, whose model is no result; evaluate a run of fit.")
    clients = _models(record)
    with tempfile.TemporaryDirectory() as scratch:
        model = open_model(ModelSource.of_run(folder, record, clients[0]), Path(scratch), on_cpu, trust)
    with trusting(tuple(trust)):
        data = _data(cohort, model, record)
    data.scheme = model.model.scheme
    data.take_as_cohort(cohort.name)
    _check_channels(data, model)
    weights: dict[str, str] = {}
    for client in clients:
        if weights:
            model.load(client)
        weights[client or GLOBAL_MODEL] = model.weights
        batches = data.cohort_dataloader([client or GLOBAL_MODEL])
        for batch in with_bar(batches, len(batches), f"scoring {cohort.name}"):
            model.score(batch)
    chain = "" if record.digests is None else record.digests.chain.head
    _write(
        target,
        model,
        lambda digest: CohortRecord(
            name=cohort.name, data=data.describe(), weights=weights, chain=chain, cases_sha256=digest
        ),
    )
    return ScoreColumns.of(model.scores)


def _models(record: RunRecord) -> list[str | None]:
    """The global model, as None, and the clients that have their own, as the run's headline tells."""
    own = [name for name in record.data.clients if name not in record.federated.held_out_clients]
    if record.federated.headline == "global":
        return [None]
    turns = record.federated.turns
    has_global = turns is None or "shared" in turns
    return [*([None] if has_global else []), *own]


def _data(cohort: Cohort, model: TrainedModel, record: RunRecord) -> FederatedDataModule:
    own: FederatedDataModule = model.datamodule
    kind: type[Any] = type(own) if cohort.layout is None else find_datamodule(cohort.layout)
    if cohort.layout is not None and cohort.layout in DATASETS:
        _check_task(cohort.layout, record)
    if issubclass(kind, VolumeDataModule) != isinstance(own, VolumeDataModule):
        brought = "volumes" if issubclass(kind, VolumeDataModule) else "pictures"
        raise ConfigError(f"{kind.__name__} brings {brought}, but the model was trained by {type(own).__name__}.")
    try:
        made: FederatedDataModule = kind(
            root=cohort.root,
            **kind.cohort_settings(own, cohort.root, record.data.release),
            **{name: getattr(own, name) for name in own.kept_by},
        )
    except TypeError as error:
        raise ConfigError(
            f"{kind.__name__} does not take the settings of {type(own).__name__}, which the model was trained with:"
            f" {error}."
        ) from error
    return made


def _check_channels(data: FederatedDataModule, model: TrainedModel) -> None:
    """Refuse images that the network does not take; regions are compared as the cases are loaded."""
    found = 0
    if isinstance(data, ImageDataModule | VolumeDataModule):
        found = data.reader.channels if isinstance(data, ImageDataModule) else len(data.release.channels)
    wanted = getattr(model.model, "in_channels", found)
    if found != wanted:
        raise ConfigError(
            f"The images in {data.root} have {count(found, 'channel')}, but the model takes {wanted}; it is for others."
        )


def _check_task(layout: str, record: RunRecord) -> None:
    """Refuse a dataset that another task is for; of one's own data, channels and regions say what fits."""
    wanted = _task_of(yaml.safe_load(find_config(f"tasks/{DATASETS[layout].task}.yaml").read_text(encoding="utf-8")))
    if wanted != _task_of(record.config) and _ANY not in (wanted, _task_of(record.config)):
        raise ConfigError(
            f"The model is of {_task_of(record.config)}, but data in the layout of {layout} are for {wanted}."
        )


def _task_of(config: Any) -> str:
    return with_public_names(str(config["model"]["class_path"]))


def _write(target: Path, model: TrainedModel, record: Callable[[str], CohortRecord]) -> None:
    """Write the scores, and the record that is made of their digest."""
    try:
        with atomic_folder(target) as partial:
            directory = RunDirectory(partial)
            directory.write_cases(model.scores)
            made = record(file_sha256(directory.cases_file))
            (partial / "cohort.json").write_text(made.to_json(), encoding="utf-8")
    except OSError as error:
        raise RecordError(f"{target} could not be written: {error}; make room or mend the folder.") from error
