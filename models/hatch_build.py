"""The addresses of the package of models: those that the suite's pyproject.toml states, the one place that has them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SUITE = "suite.toml"
"""A copy of the suite's pyproject.toml, which sdists have beside this file."""


class AddressHook(MetadataHookInterface):
    """Metadata hook of hatchling that sets the project's addresses."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the addresses."""
        here = Path(self.root)
        stated = here.parent / "pyproject.toml" if (here / "make_models.py").is_file() else here / _SUITE
        metadata["urls"] = tomllib.loads(stated.read_text(encoding="utf-8"))["project"]["urls"]
