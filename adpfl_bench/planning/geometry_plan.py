"""Geometry plan: grid, patch and network of a dataset of one's own, and what each stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adpfl_bench.planning.data_facts import DataFacts, medians
from adpfl_bench.planning.federation_choice import FederationChoice
from adpfl_bench.planning.step_memory import GIB, count_weights
from adpfl_bench.planning.step_plan import REFERENCE_BATCH, StepPlan, plan_step
from adpfl_bench.planning.target_spacing import Spacing, choose_spacing
from adpfl_bench.text import count, times

_AXES = "xyz"


@dataclass(frozen=True)
class GeometryPlan:
    """Grid, patch and network.

    Attributes:
        spacing: Target spacing of volumes; ``None`` of pictures.
        shape: Median shape of the cases at that spacing.
        step: What a training step is made of.
        weights: Number of weights of the network.
        spacing_reason: What the spacing stands on.
        size_reason: What the patch, or the size of pictures, stands on.
        batch_reason: What the batch stands on.
        network_reason: What the network stands on.
    """

    spacing: Spacing | None
    shape: tuple[int, ...]
    step: StepPlan
    weights: int
    spacing_reason: str
    size_reason: str
    batch_reason: str
    network_reason: str


def plan_geometry(data: DataFacts, federation: FederationChoice, memory_gib: float) -> GeometryPlan:
    """Plan the geometry by nnU-Net's rules.

    Raises:
        ConfigError: Nothing fits into the memory.
    """
    spacing, spacing_reason = None, ""
    shapes: Sequence[Sequence[float]] = [facts.shape for facts in data.facts]
    if data.kind == "volumes":
        spacing, spacing_reason = _spacing(data)
        shapes = [
            [
                max(1.0, side * edge / wanted)
                for side, edge, wanted in zip(f.box, f.spacing or spacing, spacing, strict=True)
            ]
            for f in data.facts
        ]
    shape = tuple(max(1, round(side)) for side in medians(shapes))
    channels, regions = len(data.channels), len(data.scheme.predicted)
    step = plan_step(
        shape,
        spacing or (1.0,) * len(shape),
        channels,
        regions,
        memory_gib,
        len(data.read),
        federation.smallest,
        whole=data.kind == "pictures",
    )
    weights = count_weights(step.network, channels, regions)
    return GeometryPlan(
        spacing,
        shape,
        step,
        weights,
        spacing_reason,
        _size_reason(data, shape, memory_gib),
        _batch_reason(step, federation, memory_gib),
        _network_reason(step, weights),
    )


def _spacing(data: DataFacts) -> tuple[Spacing, str]:
    spacings = [facts.spacing for facts in data.facts if facts.spacing is not None]
    spacing, coarse = choose_spacing(spacings, [facts.box for facts in data.facts])
    reason = f"Voxel edges in mm along x, y and z: the median of {count(data.read, 'case')}"
    if coarse is not None:
        reason += (
            f"; along {_AXES[coarse]}, more than three times as coarse and less than a third as long as the others, the"
            " 10th percentile"
        )
    return spacing, f"{reason} (nnU-Net's rule)."


def _size_reason(data: DataFacts, shape: Sequence[int], memory_gib: float) -> str:
    reference = REFERENCE_BATCH[len(shape)]
    if data.kind == "pictures":
        return (
            f"Height and width that pictures are resized to: the median picture, {times(shape)} pixels, in its"
            f" proportions, so small that a step of {reference} fits into {memory_gib:g} GiB, and divisible by the"
            " network's strides."
        )
    return (
        f"Voxels of a training patch: the median case, {times(shape)} at this spacing without empty margins, shortened"
        f" where it is longest until a step of {reference} fits into {memory_gib:g} GiB, and divisible by the network's"
        " strides (nnU-Net's rule)."
    )


def _batch_reason(step: StepPlan, federation: FederationChoice, memory_gib: float) -> str:
    return (
        f"Examples of a step: {memory_gib:g} GiB hold {step.fitting_batch:,}; but at most 5 % of all voxels or pixels,"
        " if that is more than 2 (nnU-Net's rule), and what the smallest client trains on,"
        f" {count(federation.smallest, 'example')}. Estimate of a step: {step.bytes / GIB:.2g} GiB in single precision"
        " (docs/planning.md has the formula)."
    )


def _network_reason(step: StepPlan, weights: int) -> str:
    return (
        f"nnU-Net's U-Net: {step.network.stages} stages, each halving what is at least 8 long and about as fine as the"
        f" finest axis; {weights:,} weights. The noise of private methods grows with their number: smaller filters may"
        " score higher there."
    )
