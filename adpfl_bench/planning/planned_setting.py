"""Planned settings: what a task file states, each with what it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PlannedSetting:
    """A setting of a task file.

    Attributes:
        key: Its key.
        value: Its value; or the settings below it.
        comment: What it stands on; sentences.
    """

    key: str
    value: Any
    comment: str = ""

    @property
    def settings(self) -> Sequence[PlannedSetting] | None:
        """The settings below it; ``None`` where it has a value."""
        return self.value if isinstance(self.value, tuple) else None


def section(key: str, *settings: PlannedSetting | None, comment: str = "") -> PlannedSetting:
    """Return a setting with others below it; ``None`` is none."""
    return PlannedSetting(key, tuple(setting for setting in settings if setting is not None), comment)


def sections(key: str, values: Mapping[str, Any], comment: str = "") -> PlannedSetting:
    """Return a setting with those of a block below it, each on a line of its own."""
    return section(key, *(PlannedSetting(name, value) for name, value in values.items()), comment=comment)
