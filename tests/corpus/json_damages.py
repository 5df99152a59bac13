"""Damages of JSON files, by what they state."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.corpus.damages import Damage, Place


def keys(place: Place, change: Callable[[dict[str, Any]], object]) -> Damage:
    """Change what a file states, in place; numbers that are not finite are written as Python does."""

    def damage(root: Path) -> None:
        found = json.loads(place(root).read_text())
        change(found)
        place(root).write_text(json.dumps(found))

    return damage


def put(place: Place, path: str, value: Any) -> Damage:
    """Put a value at a dotted key."""

    def change(found: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for key in above:
            found = found[key]
        found[last] = value

    return keys(place, change)


def without(place: Place, path: str) -> Damage:
    """Take a dotted key away."""

    def change(found: dict[str, Any]) -> None:
        *above, last = path.split(".")
        for key in above:
            found = found[key]
        del found[last]

    return keys(place, change)
