"""States of optimizers that were kept: whether one is that of some weights, before it is used."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.federation.client_tensors import check_like


def check_optimizer_state(make: Callable[[Any], Optimizer], weights: Sequence[Tensor], state: dict[str, Any]) -> None:
    """Compare a state with one of after a step, and step with it, on weights and gradients of 0 that nobody uses.

    torch does not compare shapes: a fused step with a state of others writes beyond its memory.

    Args:
        make: Makes the optimizer.
        weights: The weights that it is for; they stay as they are.
        state: The state, as an optimizer's ``state_dict``.

    Raises:
        ValueError: A tensor is of another shape or kind than that of an optimizer that has stepped.
        Exception: Whatever the optimizer says of a state that it cannot step with.
    """
    fresh = _optimizer(make, weights)
    fresh.step(lambda: 0.0)
    wanted = fresh.state_dict()["state"]
    for index, values in state["state"].items():
        for key, value in values.items():
            own = wanted.get(index, {}).get(key)
            if isinstance(own, Tensor) != isinstance(value, Tensor) or index not in wanted:
                raise ValueError(f"{key} of weight {index} is of the type {type(value).__name__}")
            if isinstance(own, Tensor):
                check_like(f"{key} of weight {index}", [value], [own])
    kept = _optimizer(make, weights)
    kept.load_state_dict(copy.deepcopy(state))
    kept.step(lambda: 0.0)


def _optimizer(make: Callable[[Any], Optimizer], weights: Sequence[Tensor]) -> Optimizer:
    unused = [nn.Parameter(torch.zeros_like(weight), weight.requires_grad) for weight in weights]
    for weight in unused:
        weight.grad = torch.zeros_like(weight) if weight.requires_grad else None
    return make(unused)
