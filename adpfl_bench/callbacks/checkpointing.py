"""Checkpoints that are written whole or not at all, and the refusal of those that belong to another run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from adpfl_bench.callbacks.checkpoint_blocks import check_archive, check_blocks
from adpfl_bench.callbacks.run_extension import Extension, check_extension
from adpfl_bench.errors import CheckpointError, score_beside
from adpfl_bench.files import replace_file_by
from adpfl_bench.peers import peers
from adpfl_bench.public_names import with_public_names
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.settings import ACCOUNT, SPEED
from adpfl_bench.stopping import stop_signals

LAST = "last"
_WHICH_DATA = ("data.class_path", "data.init_args.root")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoint files that are written beside their place and renamed, so that a kill leaves the earlier one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save a checkpoint; of the processes that share a run, the first one does.

        Raises:
            CheckpointError: It could not be written; the earlier one is whole.
        """
        if not peers().first:
            return
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file_by(target, lambda file: torch.save(checkpoint, file))
        except (OSError, RuntimeError) as problem:
            # After a write that failed, or was interrupted, torch fails once more when it closes its archive.
            error = problem.__context__ if isinstance(problem, RuntimeError) else problem
            if not isinstance(error, OSError):
                raise error or problem from None
            raise CheckpointError(
                f"The checkpoint {target} could not be written: {error.strerror}. The one of the round before is"
                " unchanged; make room, then continue with --ckpt_path last."
            ) from error


class RoundCheckpoint(ModelCheckpoint):
    """The last round's checkpoint, ``checkpoints/last.ckpt`` in the run's folder.

    Args:
        run_directory: The run's folder.
        every_n_rounds: How often it is written.
    """

    def __init__(self, run_directory: Path, every_n_rounds: int = 1) -> None:
        super().__init__(
            dirpath=RunDirectory(run_directory).checkpoints,
            filename=LAST,
            every_n_epochs=every_n_rounds,
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the round's checkpoint, after which a stop that has waited for it may come."""
        super().on_train_epoch_end(trainer, pl_module)
        stop_signals().raise_postponed()


def last_checkpoint(run_directory: Path) -> Path:
    """Path of a run's last checkpoint."""
    return RunDirectory(run_directory).checkpoints / f"{LAST}.ckpt"


def check_beginning(directory: RunDirectory) -> None:
    """Refuse to begin a run without a checkpoint where a record tells of rounds, which would be lost.

    A run that was broken off before its first checkpoint was whole may begin again: its record has one round at most,
    which is made again with the same bits.

    Raises:
        CheckpointError: As above.
        RecordError: The record cannot be read.
    """
    record = directory.find_record()
    if record is not None and (record.rounds_completed > 1 or record.status in ("trained", "finished")):
        raise CheckpointError(
            f"{directory.path} holds a run ({record.status}, {record.rounds_completed} rounds), but its checkpoint"
            f" {last_checkpoint(directory.path)} is gone, and nothing can be continued: put it back, choose another"
            " --trainer.default_root_dir, or replace the run with --record.overwrite true and without --ckpt_path."
        )


def check_checkpoint(path: Path, config: dict[str, Any], sections: tuple[str, ...], resumes: bool) -> None:
    """Refuse a checkpoint that is damaged, or was made with another model or method; how fast it was made may differ.

    Args:
        path: The checkpoint.
        config: The resolved configuration of this run.
        sections: Blocks of the configuration that must agree, e.g. ``("model", "federated", "privacy")``.
        resumes: Whether the run is to go on from it, and not only to be scored.

    Raises:
        CheckpointError: The file is missing, damaged or no checkpoint of this suite, lacks a block, or a block of its
            configuration differs, but for more rounds where the run may have them.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        saved = CheckpointBlock.of(checkpoint).config
    except FileNotFoundError:
        raise CheckpointError(f"There is no checkpoint {path}; give --ckpt_path the file, or 'last'.") from None
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(f"{path} is not a checkpoint of a run of this suite ({said}).") from error
    if saved is None:
        raise CheckpointError(f"{path} is not a checkpoint of a run of this suite: it states no configuration.")
    extension = check_extension(path, saved, config) if resumes else Extension()
    for section in sections:
        key = _first_difference(section, saved.get(section), config.get(section), extension.settings)
        if key is not None:
            name, theirs, ours = key
            beside = f" {score_beside(path.parent.parent)}" if name in _WHICH_DATA else ""
            raise CheckpointError(
                f"The checkpoint {path} belongs to another run: it was made with {name} = {theirs}, and this"
                f" configuration has {ours}. Use the --config files that it was made with, or start a new run without"
                f" --ckpt_path.{beside}"
            )
    check_archive(path)
    check_blocks(path, checkpoint, resumes, config["trainer"]["max_epochs"] if resumes else None)
    if extension.sentence and peers().first:
        print(extension.sentence, file=sys.stderr)


def _first_difference(name: str, theirs: Any, ours: Any, may: frozenset[str]) -> tuple[str, Any, Any] | None:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            found = _first_difference(f"{name}.{key}", theirs.get(key), ours.get(key), may)
            if found is not None:
                return found
        return None
    if isinstance(theirs, str):
        theirs = with_public_names(theirs)
    moved = name == ACCOUNT and None not in (theirs, ours)  # whether it knows the run is seen when it is asked
    return None if theirs == ours or name in SPEED or name in may or moved else (name, theirs, ours)
