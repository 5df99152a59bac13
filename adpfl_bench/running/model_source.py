"""Where a trained model comes from: the folder of a run, or one that ``export`` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adpfl_bench.callbacks.checkpointing import last_checkpoint
from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.records.block import Block
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord


class ExportedModel(Block):
    """``configs/adpfl_bench.json`` of a bundle: what makes the model again, in this suite."""

    format: Literal[1] = 1
    """Version of the file's format."""
    task: str
    method: str
    seed: int
    client: str | None
    """The client whose own model it is; null for the global one."""
    release: str | None
    """Name of the release that it was trained on."""
    weights: str
    """SHA-256 of the weights, in hexadecimal."""
    config: dict[str, Any]
    """Task, network and how an image becomes its input, as a run's configuration states them."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    Attributes:
        folder: Its folder.
        kind: What that is.
        task: Name of the task.
        method: Name of the method.
        seed: Seed of the run.
        client: The client whose own model it is; ``None`` for the global one.
        release: Name of the release that it was trained on, where releases have names.
        config: The configuration that makes it.
        weights: File of the weights.
        digest: SHA-256 that the weights must have; ``None`` where nothing states it.
    """

    folder: Path
    kind: Literal["run", "exported model"]
    task: str
    method: str
    seed: int
    client: str | None
    release: str | None
    config: Mapping[str, Any]
    weights: Path
    digest: str | None = None

    @classmethod
    def of_run(cls, folder: Path, record: RunRecord, client: str | None = None) -> ModelSource:
        """The last round's model of a run: the global one, or a client's own."""
        named = (record.task, record.method, record.seed)
        return cls(folder, "run", *named, client, record.data.release, record.config, last_checkpoint(folder))

    @classmethod
    def find(cls, folder: Path, client: str | None) -> ModelSource:
        """Find what is in a folder.

        Args:
            folder: Folder of a run, or of a bundle.
            client: The client whose own model it should be; ``None`` for the global one.

        Raises:
            RecordError: There is neither, or its record cannot be read.
            ConfigError: The client has no model there.
        """
        if not (folder / "configs").is_dir():
            record = RunDirectory(folder).read_record()
            check_client(folder, record, client)
            return cls.of_run(folder, record, client)
        made = read_exported(folder)
        if client not in (None, made.client):
            whose = f"that of {made.client}" if made.client else "of no client's own"
            raise ConfigError(f"{folder} is an exported model, {whose}; leave --client out, or give a run.")
        named = (made.task, made.method, made.seed)
        return cls(
            folder,
            "exported model",
            *named,
            made.client,
            made.release,
            made.config,
            weights_of(folder),
            made.weights,
        )


def weights_of(bundle: Path) -> Path:
    """File of a bundle's weights."""
    return bundle / "models" / "model.pt"


def description_of(bundle: Path) -> Path:
    """File of a bundle that says what makes its model again in this suite."""
    return bundle / "configs" / "adpfl_bench.json"


def read_exported(bundle: Path) -> ExportedModel:
    """Read what makes a bundle's model again.

    Raises:
        RecordError: It is missing or damaged.
    """
    path = description_of(bundle)
    try:
        return ExportedModel.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RecordError(
            f"{bundle} has a folder configs, but no {path.name} in it: it is no run, and no model of adpfl-bench"
            " export. Give the folder of either."
        ) from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as the description of a model: {error}; export it again.") from error


def check_client(folder: Path, record: RunRecord, client: str | None) -> None:
    """Check that a client is named where the clients have models of their own, and only there.

    Raises:
        ConfigError: Which clients there are.
    """
    own = record.federated.headline not in (None, "global")
    names = [name for name in record.data.clients if name not in record.federated.held_out_clients]
    if own and client not in names:
        given = "none was given" if client is None else f"{client!r} is none of them"
        raise ConfigError(
            f"The clients of {folder} have models of their own ({record.method}): say whose with --client; possible are"
            f" {', '.join(names)}, but {given}."
        )
    if client is not None and not own:
        raise ConfigError(f"The clients of {folder} share one model ({record.method}); leave --client out.")
