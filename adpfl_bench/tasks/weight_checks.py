"""Checks of weights that are to be loaded into a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from adpfl_bench.errors import CheckpointError
from adpfl_bench.text import times

_ADVICE = "Use the --config files that it was made with, or take another checkpoint."


def check_weights(weights: Any, module: nn.Module, complete: bool = True) -> None:
    """Refuse weights that are not those of a network, in words, before the first of them is loaded.

    Weights may be of another precision; they may be NaN, as those of a run that diverged.

    Args:
        weights: By name.
        module: The network that they are for.
        complete: Whether there must be exactly its own names.

    Raises:
        CheckpointError: A name is missing or unknown; a weight has another shape, is no number that a network
            computes with, or no dense tensor.
    """
    if not isinstance(weights, Mapping):
        raise CheckpointError(f"The checkpoint's state_dict is of the type {type(weights).__name__}, and no weights.")
    own: dict[str, Any] = module.state_dict()
    if complete:
        for name in own:
            if name not in weights:
                raise CheckpointError(f"The checkpoint lacks the weight {name}, which this network has. {_ADVICE}")
        for name in weights:
            if name not in own:
                raise CheckpointError(
                    f"The checkpoint has the weight {name}, which this network does not have. {_ADVICE}"
                )
    for name, value in own.items():
        if name in weights and isinstance(value, Tensor):
            _check(name, weights[name], value)


def _check(name: str, found: Any, wanted: Tensor) -> None:
    if not isinstance(found, Tensor) or found.layout != torch.strided:
        kind = f"a tensor of the layout {found.layout}" if isinstance(found, Tensor) else type(found).__name__
        raise CheckpointError(f"The checkpoint's weight {name} is of the type {kind}, and no tensor. {_ADVICE}")
    if found.shape != wanted.shape:
        raise CheckpointError(
            f"The checkpoint's weight {name} has the shape {_times(found)}, but this network's has {_times(wanted)}."
            f" {_ADVICE}"
        )
    if (found.is_floating_point(), found.is_complex()) != (wanted.is_floating_point(), wanted.is_complex()):
        raise CheckpointError(
            f"The checkpoint's weight {name} holds numbers of the type {found.dtype}, but this network's of the type"
            f" {wanted.dtype}. {_ADVICE}"
        )


def _times(tensor: Tensor) -> str:
    return times(tensor.shape) or "of a single number"
