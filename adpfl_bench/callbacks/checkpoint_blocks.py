"""Blocks of a checkpoint: what one must hold to be scored, or to be gone on from, before the run is touched."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch.optim import Optimizer

from adpfl_bench.errors import CheckpointError
from adpfl_bench.federation.federation import Federation

_LOOP = "callbacks.FederatedLoop"
_SCORED: Mapping[str, type] = MappingProxyType(
    {
        "state_dict": dict,
        "callbacks": dict,
        _LOOP: dict,
        f"{_LOOP}.rounds_completed": int,
        f"{_LOOP}.federation": dict,
    }
)
"""What is read of a checkpoint whose model is scored, by its place, and what it must be."""

_RESUMED: Mapping[str, type] = MappingProxyType(
    {
        "epoch": int,
        "global_step": int,
        "loops": dict,
        "loops.fit_loop": dict,
        "optimizer_states": list,
        "lr_schedulers": list,
        "callbacks.DifferentialPrivacy": dict,
        "lineage": list,
    }
)
"""What is read beside that where a run goes on."""

# What reading a block of other contents stumbles over.
_MISFITS = (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError)


def check_blocks(path: Path, checkpoint: Mapping[str, Any], resumes: bool, rounds: int | None = None) -> None:
    """Refuse a checkpoint that lacks a block, or in which one is something else.

    Args:
        path: The checkpoint's file.
        checkpoint: What it holds.
        resumes: Whether a run is to go on from it, and not only to be scored.
        rounds: Number of rounds that the run is to have; ``None`` where that is not known.

    Raises:
        CheckpointError: As above; or its numbers of rounds contradict each other.
    """
    for place, kind in {**_SCORED, **(_RESUMED if resumes else {})}.items():
        found = _find(checkpoint, place)
        if found is None:
            raise CheckpointError(
                f"{path} lacks {place}, so that its run cannot be {'gone on with' if resumes else 'scored'}: it is"
                " damaged, or was made by something else. Take an earlier checkpoint, or train again."
            )
        if not isinstance(found, kind) or isinstance(found, bool):
            raise CheckpointError(
                f"{path} is damaged: its {place} should be of the type {kind.__name__}, but it is of the type"
                f" {type(found).__name__}. Take an earlier checkpoint, or train again."
            )
    completed = checkpoint["callbacks"]["FederatedLoop"]["rounds_completed"]
    if completed < 0 or (rounds is not None and completed > rounds):
        raise CheckpointError(
            f"{path} is damaged: its {_LOOP}.rounds_completed is {completed}"
            f"{'' if rounds is None else f' of {rounds} rounds'}. Take an earlier checkpoint, or train again."
        )
    if resumes and checkpoint["epoch"] not in (completed, completed - 1):  # within a round, or at its end
        raise CheckpointError(
            f"{path} is damaged: it has completed {completed} rounds by its {_LOOP}, but stands in round"
            f" {checkpoint['epoch'] + 1} by its epoch. Take an earlier checkpoint, or train again."
        )


def check_federation(checkpoint: Mapping[str, Any], federation: Federation) -> None:
    """Restore a checkpoint's federation into one that nobody uses.

    Raises:
        CheckpointError: It cannot be restored.
    """
    if state := checkpoint["callbacks"].get("FederatedLoop"):
        with reading_block(f"{_LOOP}.federation"):
            federation.load_state_dict(state["federation"])


def check_optimizer(checkpoint: Mapping[str, Any], optimizer: Optimizer) -> None:
    """Restore a checkpoint's local optimizer into one that nobody uses.

    Raises:
        CheckpointError: It cannot be restored, or there is another number of them than one.
    """
    with reading_block("optimizer_states"):
        (state,) = checkpoint["optimizer_states"]
        optimizer.load_state_dict(state)


def check_archive(path: Path) -> None:
    """Compare the checksums that a checkpoint's archive states with its content, which torch does not.

    Raises:
        CheckpointError: The content of a file in it has changed since it was written.
    """
    with zipfile.ZipFile(path) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise CheckpointError(
            f"{path} is damaged: the checksum of {broken} in it is wrong. Take an earlier checkpoint, or train again."
        )


@contextmanager
def reading_block(place: str) -> Iterator[None]:
    """Turn what reading a block stumbles over into a sentence.

    Raises:
        CheckpointError: The block is not what this run, with its settings and clients, has written.
    """
    try:
        yield
    except _MISFITS as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(
            f"The checkpoint's {place} cannot be read as that of this run ({said}): it is damaged, or was made by"
            " another version. Take an earlier checkpoint, or train again."
        ) from error


def _find(checkpoint: Mapping[str, Any], place: str) -> Any:
    found: Any = checkpoint
    for key in place.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
