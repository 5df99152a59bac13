"""Block of a checkpoint: what the run recorder states of the run that wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adpfl_bench.records.block import Block
from adpfl_bench.records.blocks import ProcessesBlock
from adpfl_bench.records.chain import ChainBlock
from adpfl_bench.records.extension_block import ExtensionBlock

_PLACE = "RunRecorder"


class CheckpointBlock(Block):
    """The run recorder's part of a checkpoint."""

    data_kind: str = "unknown"
    """Kind of data that the weights were trained on, in checkpoints from before they stated their runs: ``phantom``,
    ``real`` or ``unknown``."""
    wall_seconds: float = 0.0
    """Time spent until the checkpoint was taken."""
    task: str = "task"
    method: str = "method"
    config: dict[str, Any] | None = None
    """The resolved configuration; none from Python, and in checkpoints of other programs."""
    chain: ChainBlock | None = None
    """The chain of the rounds until the checkpoint; none in checkpoints from before there was one."""
    processes: tuple[ProcessesBlock, ...] = ()
    """Who trained these rounds; none in checkpoints from before this was stated."""

    rounds: int | None = None
    """The federated rounds that were planned; none in checkpoints from before this was stated."""
    extended: tuple[ExtensionBlock, ...] = ()
    """Rounds that had been added by then."""

    @property
    def planned_rounds(self) -> int | None:
        """The federated rounds that were planned, by what is stated or by the configuration."""
        planned = (self.config or {}).get("federated")
        found = self.rounds or (planned.get("rounds") if isinstance(planned, Mapping) else None)
        return found if isinstance(found, int) else None

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any]) -> CheckpointBlock:
        """Find the block in a checkpoint; one without it says nothing."""
        callbacks = checkpoint.get("callbacks")
        return cls.model_validate(callbacks.get(_PLACE, {}) if isinstance(callbacks, Mapping) else {})
