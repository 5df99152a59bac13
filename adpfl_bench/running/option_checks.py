"""Checks of settings that torch and Lightning would refuse late, in their own words, or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from adpfl_bench.errors import ConfigError

_MOST_SEED = 2**32 - 1  # numpy's


def check_seed(seed: Any) -> None:
    """Refuse a seed that would not make a run that can be repeated.

    Raises:
        ConfigError: It is no whole number, or one that the generators of random numbers do not take.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _MOST_SEED:
        raise ConfigError(
            f"seed_everything must be a whole number from 0 to {_MOST_SEED}, so that the run can be repeated, but it is"
            f" {str(seed).lower() if isinstance(seed, bool) else seed}."
        )


def check_steps(optimizers: Mapping[str, Any], schedule: Callable[[Any], Any] | None) -> None:
    """Make each optimizer, and the task's schedule, for one weight, so that settings are refused before data are read.

    Args:
        optimizers: What makes them, by the setting's name, the task's first; ``None`` where it is not set.
        schedule: What makes the schedule of the task's optimizer.

    Raises:
        ConfigError: One cannot be made.
    """
    made = {}
    for name, make in optimizers.items():
        if make is not None:
            with _sentence(name):
                made[name] = make([nn.Parameter(torch.zeros(1))])
    if schedule is not None:
        with _sentence("model.lr_scheduler"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is stepped before its optimizer, which does not matter here
            stepped = schedule(next(iter(made.values())))
            if not isinstance(stepped, ReduceLROnPlateau):  # whose step needs a score
                stepped.step()


@contextmanager
def _sentence(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise ConfigError(f"{name} cannot be made: {str(error).rstrip('.')}; change its settings.") from error


@contextmanager
def trainer_in_sentences() -> Iterator[None]:
    """Let what the Trainer refuses be a sentence.

    Raises:
        ConfigError: As above.
    """
    try:
        yield
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"The Trainer refuses its settings (trainer): {' '.join(str(error).split())}") from error
