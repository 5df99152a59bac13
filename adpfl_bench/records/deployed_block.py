"""Deployment in a run record: who took part in a run at hospitals."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adpfl_bench.records.block import Block
from adpfl_bench.records.stated_text import Name


class DeployedBlock(Block):
    """A run at hospitals, which trained in places of their own; simulated runs have no such block."""

    side: Literal["server", "hospital"]
    """Whose record this is."""
    hospitals: tuple[Name, ...]
    """All hospitals that have joined the run, those included that left it later."""
    missing: dict[Name, tuple[int, ...]] = Field(default_factory=dict)
    """Rounds, counted from 1, that the server went on with without a hospital that was drawn for them."""
    test: bool = False
    """Whether noise was repeatable, as in a test; such a run promises nothing to persons."""
    scores: dict[Name, str] = Field(default_factory=dict)
    """By hospital which scores it let go."""
