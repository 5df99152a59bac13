"""Weights & Biases session: the package, and whether anything leaves the machine."""

import os
from typing import Any

from adpfl_bench.errors import ConfigError


def load_wandb() -> Any:
    """Import wandb, which takes a second and which most commands do without.

    Raises:
        ConfigError: It cannot be imported.
    """
    try:
        import wandb
    except ImportError as error:
        raise ConfigError(
            f"Weights & Biases was asked for, but its package cannot be imported ({error}): pip install wandb, or leave"
            " configs/wandb.yaml and adpfl-bench wandb out."
        ) from error
    return wandb


def default_mode() -> str | None:
    """Return the mode of a run that does not state one.

    Returns:
        What ``WANDB_MODE`` says or, without it, ``offline`` where nobody is logged in; ``None`` leaves it to wandb,
        which then uploads.
    """
    # wandb reads its environment once, and Lightning sets WANDB_MODE later than that.
    if mode := os.environ.get("WANDB_MODE"):
        return mode
    return None if load_wandb().login(prompt=False, verify=False) else "offline"
