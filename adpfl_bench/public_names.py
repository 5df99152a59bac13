"""Class paths as configurations and records state them, whichever module they name."""

from __future__ import annotations

import re

import adpfl_bench

_CLASS_PATH = re.compile(r"(?<![\w./-])adpfl_bench(?:\.[a-z_][a-z_0-9]*)+\.([A-Z]\w*)")


def with_public_names(text: str) -> str:
    """Write ``adpfl_bench.NAME`` for every class path of a public name, so that a class may move between modules.

    Args:
        text: Words of a command line, the text of a YAML file, or a value of a record.

    >>> with_public_names("--privacy.mechanism=adpfl_bench.privacy.mechanisms.LaplaceMechanism")
    '--privacy.mechanism=adpfl_bench.LaplaceMechanism'
    >>> with_public_names("adpfl_bench.metrics.Other and torch.optim.SGD")
    'adpfl_bench.metrics.Other and torch.optim.SGD'
    """
    return _CLASS_PATH.sub(lambda path: f"adpfl_bench.{path[1]}" if path[1] in adpfl_bench.__all__ else path[0], text)
