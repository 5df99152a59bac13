"""Block of a run record on privacy, with the lineage of the weights."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.lineage_record import with_lineage
from adpfl_bench.callbacks.lookup import find_callback, need_task
from adpfl_bench.callbacks.phantom_mirror import PhantomMirror
from adpfl_bench.records.blocks import PrivacyBlock


def privacy_of(trainer: Trainer) -> DifferentialPrivacy:
    """Return the Trainer's differential privacy, or what says that there is none."""
    return find_callback(trainer, DifferentialPrivacy) or DifferentialPrivacy(unit="none")


def recorded_privacy(trainer: Trainer, module: LightningModule) -> PrivacyBlock:
    """Describe what has been spent so far, and what the weights that the run started from had spent before."""
    privacy, mirror = privacy_of(trainer), find_callback(trainer, PhantomMirror)
    block = with_lineage(privacy.describe(), need_task(module).lineage)
    if privacy.unit == "none":
        return block
    return block.model_copy(update={"post_processing": () if mirror is None else (mirror.statement,)})
