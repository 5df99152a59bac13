"""Parts of a run without a federation that the proof must know, gathered from Trainer and module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lightning.pytorch import LightningModule, Trainer

from adpfl_bench.callbacks.plain_passes import PlainPasses
from adpfl_bench.callbacks.privacy_parts import (
    TRAINING_HOOKS,
    choices_by_number,
    gradient_hooks,
    replaced,
    running_statistics,
    started_parts,
    trainer_parts,
)
from adpfl_bench.privacy.guarantee import PrivacySetting
from adpfl_bench.privacy.lineage import PUBLIC, Lineage

# Theirs is to make the optimizer, and to have a training step that is not called.
_OWN = ("training_step", "configure_optimizers", "configure_callbacks", "configure_model")


def gather_plain(
    setting: PrivacySetting, trainer: Trainer, module: LightningModule, lineage: Lineage, passes: PlainPasses
) -> PrivacySetting:
    """Complete a method's own setting by all that the proof has to know of a run that has its optimizer."""
    return replace(
        setting,
        parts=(*trainer_parts(trainer), *started_parts(trainer)),
        statistics=running_statistics(module),
        choices=choices_by_number(trainer),
        faults=tuple(_faults(module, passes)),
        not_covered=_other_weights(lineage),
    )


def _faults(module: LightningModule, passes: PlainPasses) -> Iterator[str]:
    if passes.fault is not None:
        yield passes.fault
    own = [name for name in TRAINING_HOOKS if name not in _OWN and replaced(module, LightningModule, name)]
    if own:
        yield f"{type(module).__name__} has {own[0]} of its own, which the proof does not know"
    if hooked := gradient_hooks(module):
        yield f"{hooked[0]} has a hook that sees its gradient before it is released"


def _other_weights(lineage: Lineage) -> tuple[str, ...]:
    kinds = {ancestor.kind for ancestor in lineage.before if ancestor.cohort}
    return tuple(f"weights that started from {kind} data" for kind in sorted(kinds - {"phantom", PUBLIC}))
