"""Agreement on a run: the settings that the server and all hospitals must have in common, and their digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adpfl_bench.records.digests import json_sha256
from adpfl_bench.records.settings import SEED, flatten_config, flatten_settings

_OWN_DATA = (
    "partition",  # a hospital is one client
    "description",  # of its own table or folder; what is predicted stands in the model's settings
    "phantom_",
    "prepare_workers",
    "planned_on",
)


@dataclass(frozen=True)
class Agreement:
    """What a resolved configuration amounts to for those who share a run.

    Where data lie, how they are laid out and divided, how fast they come and what they are accounted in is each
    hospital's own; everything else that changes what comes out is not.

    Attributes:
        settings: Values as JSON, by dotted key.
    """

    settings: Mapping[str, str]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Agreement:
        """Take it from a resolved configuration, as run.json has it."""
        own = tuple(f"data.init_args.{name}" for name in _OWN_DATA)
        shared = {key: value for key, value in flatten_settings(config).items() if not key.startswith(own)}
        seed = {SEED: flatten_config(config)[SEED]}
        names = {name: str(config[name]) for name in ("task", "method")}
        return cls({**names, **seed, **shared})

    @property
    def digest(self) -> str:
        """SHA-256 of the settings, in hexadecimal: equal where all of them are."""
        return json_sha256(dict(self.settings))
