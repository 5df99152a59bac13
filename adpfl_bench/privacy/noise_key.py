"""Key of repeatable noise: it differs wherever what is released differs, so that no two runs share noise.

Noise that followed from (seed, round, client) alone would be the same in two runs of one seed with other settings, and
the difference of their releases would bring the exact sums back. So the key is a digest of the seed *and* of all that
changes what is released: the first weights, the data and who holds which, the federation, the optimizer and its
schedule, the privacy settings, and the device and the version of torch, which draw other numbers from the same seed.
Equal runs have equal keys.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Set
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

_DEPTH = 6


def noise_key(seed: int, weights: str, settings: Mapping[str, Any], device: torch.device) -> str:
    """Return the key of a run's noise, 32 hexadecimal digits.

    Args:
        seed: Seed of the run.
        weights: :func:`weights_digest` of the weights that the run started from.
        settings: Everything else that changes what is released; objects are told apart as :func:`plain` says.
        device: Where noise is drawn.
    """
    facts = [seed, weights, plain(settings), device.type, torch.__version__]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def weights_digest(module: nn.Module) -> str:
    """Return a SHA-256 of a module's parameters and persistent buffers, and of their names, in hexadecimal."""
    return state_digest(module.state_dict())


def state_digest(state: Mapping[str, Any]) -> str:
    """Return the same of a module's state, as a checkpoint has it."""
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(_content(value) if isinstance(value, Tensor) else repr(value).encode())
    return digest.hexdigest()


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """Turn a setting into JSON that tells it from others.

    An object becomes its class and public attributes. Where files lie changes nothing that is released, so paths are
    left out; so are datasets, whose fingerprint is a setting of its own.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | complex | np.generic):
        return repr(value)
    if isinstance(value, Tensor | np.ndarray):
        return hashlib.sha256(_content(torch.as_tensor(value))).hexdigest()
    if isinstance(value, PurePath | Dataset):
        return type(value).__name__
    if depth == 0:
        return f"{type(value).__module__}.{type(value).__qualname__}"
    below = functools.partial(plain, depth=depth - 1)
    if isinstance(value, Mapping):
        return {str(key): below(own) for key, own in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, Set):
        return sorted(json.dumps(below(own), sort_keys=True) for own in value)
    if isinstance(value, list | tuple):
        return [below(own) for own in value]
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, functools.partial):
        return ["partial", below(value.func), below(value.args), below(value.keywords)]
    if isinstance(value, FunctionType):
        return _function(value, below)
    public = sorted(name for name in getattr(value, "__dict__", {}) if not name.startswith("_"))
    attributes = {name: below(vars(value)[name]) for name in public}
    return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **attributes}


def _function(function: FunctionType, below: Callable[[Any], Any]) -> Any:
    """A function by its name, its code and what it closes over; two lambdas of one place differ by the latter."""
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    return [f"{function.__module__}.{function.__qualname__}", _code(function.__code__), below(held)]


def _code(code: CodeType) -> str:
    constants = [_code(own) if isinstance(own, CodeType) else repr(own) for own in code.co_consts]
    return hashlib.sha256(repr((code.co_code, code.co_names, constants)).encode()).hexdigest()


def _content(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
