"""JSON as the standard has it: what Python and pydantic would take beside that has no one meaning."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_MOST_DIGITS = 300  # of an integer, which a double still holds


def read_strict(content: bytes) -> Any:
    """Read JSON, and refuse what states a key twice, or a number that is none or that no machine number holds.

    Args:
        content: JSON that a parser has taken, which is more lenient.

    Raises:
        ValueError: What is wrong with it, as a clause.
    """
    return json.loads(content, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float, parse_int=_int)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise ValueError(f"the key {twice} is there twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"it has {word}, which is no number in JSON")


def _float(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"it has the number {text[:40]}, which is too large")
    return found


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"it has a whole number of {len(text):,} digits, which is too large")
    return int(text)
