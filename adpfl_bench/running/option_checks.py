"""Checks of settings that torch and Lightning would refuse late, in their own words, or not at all."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
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


def check_precision(trainer: Trainer) -> None:
    """Refuse bfloat16 on a processor without instructions for it, which would take far longer than float32.

    Raises:
        ConfigError: The Trainer's precision is such, and so is the processor.
    """
    untyped: Any = trainer
    on_processor = untyped.strategy.root_device.type == "cpu"
    if on_processor and str(untyped.precision).startswith("bf16") and not computes_bfloat16():
        raise ConfigError(
            f"trainer.precision is {untyped.precision}, but this machine's processor has no instructions for bfloat16"
            " (AVX512-BF16 or AMX), without which it takes longer than float32: leave trainer.precision at 32-true here"
            " (--trainer.precision 32-true), or train on a GPU."
        )


def computes_bfloat16() -> bool:
    """Whether this machine's processor has instructions for bfloat16."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


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
    except (MisconfigurationException, ImportError, ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"The Trainer refuses its settings (trainer): {' '.join(str(error).split())}") from error
