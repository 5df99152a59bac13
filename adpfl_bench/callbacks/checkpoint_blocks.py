"""Blocks of a checkpoint: what one must hold to be scored, or to be gone on from, before the run is touched."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lightning.pytorch import Trainer
from packaging.version import Version
from torch import nn
from torch.optim import Optimizer

from adpfl_bench.errors import CheckpointError
from adpfl_bench.federation.federation import Federation
from adpfl_bench.federation.optimizer_state import check_optimizer_state

_LOOP = "callbacks.FederatedLoop"
_LIGHTNING = "pytorch-lightning_version"
_SCORED: Mapping[str, type] = MappingProxyType(
    {
        "state_dict": dict,
        "callbacks": dict,
        _LOOP: dict,
        f"{_LOOP}.rounds_completed": int,
        f"{_LOOP}.federation": dict,
        _LIGHTNING: str,
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

_MOST_STEPS = 2**62
# What reading a block of other contents stumbles over.
_MISFITS = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, AssertionError, ArithmeticError)


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
    callbacks = checkpoint.get("callbacks")
    stated = {**_SCORED, **(_RESUMED if resumes else {})}
    kinds: dict[tuple[Any, ...], type] = {tuple(place.split(".")): kind for place, kind in stated.items()}
    if isinstance(callbacks, dict):
        kinds = {**{("callbacks", name): dict for name in callbacks}, **kinds}
    for keys, kind in kinds.items():
        found, place = _find(checkpoint, keys), ".".join(map(str, keys))
        if found is None:
            raise CheckpointError(
                f"{path} lacks {place}, so that its run cannot be {'gone on with' if resumes else 'scored'}: it is"
                " damaged, or was made by something else. Take an earlier checkpoint, or train again."
            )
        if not isinstance(found, kind) or found is True or found is False:
            raise CheckpointError(
                f"{path} is damaged: its {place} should be of the type {kind.__name__}, but it is of the type"
                f" {type(found).__name__}. Take an earlier checkpoint, or train again."
            )
    with reading_block(_LIGHTNING):
        Version(checkpoint[_LIGHTNING])
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
            federation.check_state(state["federation"])
            federation.load_state_dict(state["federation"])


def check_optimizer(
    checkpoint: Mapping[str, Any], make: Callable[[Any], Optimizer], weights: Iterable[nn.Parameter]
) -> None:
    """See that a checkpoint's local optimizer, and those that it keeps for clients, are those of some weights.

    Args:
        checkpoint: The checkpoint.
        make: Makes the optimizer.
        weights: The weights that it is for, which stay as they are.

    Raises:
        CheckpointError: One is not, or there is another number of local ones than one.
    """
    own = list(weights)
    with reading_block("optimizer_states"):
        (state,) = checkpoint["optimizer_states"]
        check_optimizer_state(make, own, state)
    for client, kept in checkpoint["callbacks"]["FederatedLoop"]["federation"]["client_optimizers"].items():
        with reading_block(f"{_LOOP}.federation.client_optimizers.{client}"):
            check_optimizer_state(make, own, {**state, "state": kept})


def check_loops(checkpoint: Mapping[str, Any], trainer: Trainer) -> None:
    """Compare a checkpoint's account of Lightning's loops with that of a Trainer which has not begun.

    Raises:
        CheckpointError: It lacks a part, or one is of another type.
    """
    with reading_block("loops.fit_loop"):
        _check_like(checkpoint["loops"]["fit_loop"], trainer.fit_loop.state_dict(), "")


def _check_like(found: Any, wanted: Any, place: str) -> None:
    if type(found) is not type(wanted):
        raise TypeError(f"{place.lstrip('.')} is of the type {type(found).__name__}, not {type(wanted).__name__}")
    if isinstance(found, int) and not 0 <= found < _MOST_STEPS:
        raise ValueError(f"{place.lstrip('.')} is {found}")
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            _check_like(found[key], value, f"{place}.{key}")


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
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise CheckpointError(
            f"The checkpoint's {place} cannot be read as that of this run ({said}): it is damaged, or was made by"
            " another version. Take an earlier checkpoint, or train again."
        ) from error


def _find(checkpoint: Mapping[str, Any], keys: tuple[Any, ...]) -> Any:
    found: Any = checkpoint
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
