"""Extension of a run: rounds that were added to those that it was planned with."""

from __future__ import annotations

from adpfl_bench.records.block import Block
from adpfl_bench.records.stated_text import Moment


class ExtensionBlock(Block):
    """Rounds that were added to a run."""

    from_rounds: int
    """The rounds that it was planned with before."""
    rounds: int
    """Those that it is planned with since."""
    completed: int
    """Those that were completed when they were added."""
    when: Moment
    """Start of the process that added them, ISO 8601."""

    def __str__(self) -> str:
        return f"from {self.from_rounds:,} to {self.rounds:,} rounds after round {self.completed:,} ({self.when})"
