"""Lineage of a checkpoint's weights, also of one that states none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adpfl_bench.privacy.lineage import CHECKPOINT_KEY, Ancestor, read_lineage
from adpfl_bench.records.checkpoint_block import CheckpointBlock


def checkpoint_lineage(checkpoint: Mapping[str, Any]) -> tuple[Ancestor, ...]:
    """Read the runs that a checkpoint's weights came from.

    One from before lineage was recorded states the kind of its own data at most. Where that is real, so are the
    weights; where it is phantoms, nobody knows what they had started from.
    """
    if CHECKPOINT_KEY in checkpoint:
        return read_lineage(checkpoint)
    kind = CheckpointBlock.of(checkpoint).data_kind
    return (Ancestor(kind=kind if kind == "real" else "unknown"),)
