"""Step plan: patch, network and batch of a training step that fits into a stated memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adpfl_bench.errors import ConfigError
from adpfl_bench.planning.network_plan import SHORTEST_EDGE, NetworkPlan, plan_network
from adpfl_bench.planning.step_memory import GIB, step_bytes

_LARGEST = {2: 2048**2, 3: 256**3}
"""Pixels or voxels of the patch that is tried first."""

REFERENCE_BATCH = {2: 12, 3: 2}
"""Examples of a step that the patch has to leave room for, of pictures and of volumes."""

FEWEST = 2
"""Examples of a step where the training examples allow it."""

MOST_COVERED = 0.05
"""Share of all pixels or voxels that one step sees at most, but for the fewest examples."""


@dataclass(frozen=True)
class StepPlan:
    """What a training step is made of.

    Attributes:
        network: The network, with the shape of its input.
        batch: Examples of a step.
        bytes: Estimate of the memory that it takes.
        fitting_batch: Examples that the memory has room for.
    """

    network: NetworkPlan
    batch: int
    bytes: float
    fitting_batch: int


def plan_step(
    shape: Sequence[int],
    spacing: Sequence[float],
    channels: int,
    regions: int,
    memory_gib: float,
    examples: int,
    smallest_client: int,
    whole: bool,
) -> StepPlan:
    """Plan a step as nnU-Net does (Isensee et al. 2021, Supplementary Note 2, "Patch size" and "Batch size").

    A patch begins as large as the median case, but at most 256 cubed or 2048 squared in the proportions of the
    spacing. Its side that is longest against the median case is made shorter until a step of two volumes, or twelve
    pictures, fits into the memory. A picture is not cut but resized as a whole, so all its sides shrink together. What
    memory is left makes the batch larger, up to 5 % of all voxels, and up to what the smallest client trains on.

    Args:
        shape: Median shape of the cases at the target spacing.
        spacing: Target spacing along the same axes; 1 where there is none.
        channels: Of an image.
        regions: That the network predicts.
        memory_gib: The memory in GiB.
        examples: Number of cases.
        smallest_client: Training examples of the smallest client.
        whole: Whether the network sees whole images, resized, and no patches.

    Raises:
        ConfigError: Not even the smallest patch fits.
    """
    dimensions = len(shape)
    reference = REFERENCE_BATCH[dimensions]
    budget = memory_gib * GIB

    def needs(network: NetworkPlan, batch: int) -> float:
        return step_bytes(network, batch, channels, regions)

    network = plan_network(_first_patch(shape, spacing, whole), spacing)
    while needs(network, reference) > budget:
        planned = (plan_network(patch, spacing) for patch in _shorter(network, shape, whole))
        smaller = next((other for other in planned if needs(other, reference) < needs(network, reference)), None)
        if smaller is None:
            least = math.ceil(10 * needs(network, reference) / GIB) / 10
            raise ConfigError(
                f"--memory is {memory_gib:g} GiB, but a step of the smallest network that is planned takes {least:g};"
                " give more."
            )
        network = smaller
    one, two = needs(network, 1), needs(network, 2)
    fitting = max(reference, 1 + math.floor((budget - one) / (two - one)))
    covered = round(MOST_COVERED * math.prod(shape) * examples / math.prod(network.patch))
    batch = min(fitting, max(covered, FEWEST), max(smallest_client, 1))
    return StepPlan(network, batch, needs(network, batch), fitting)


def _first_patch(shape: Sequence[int], spacing: Sequence[float], whole: bool) -> list[int]:
    if whole:
        shrink = min(1.0, math.sqrt(_LARGEST[2] / math.prod(shape)))
        return [max(1, round(side * shrink)) for side in shape]
    densities = [1 / edge for edge in spacing]
    scale = (_LARGEST[len(shape)] / math.prod(densities)) ** (1 / len(shape))
    return [min(side, max(1, round(density * scale))) for side, density in zip(shape, densities, strict=True)]


def _shorter(network: NetworkPlan, shape: Sequence[int], whole: bool) -> Iterator[list[int]]:
    """Shorten a patch: a whole image along all axes, and else along one, that longest against the median case first.

    The others follow because a side may be as short as it can be, and a shorter one may cost a level of the network.
    """
    patch, steps = network.patch, network.divisors
    if whole:
        longest = max(range(len(patch)), key=lambda axis: patch[axis])
        share = (patch[longest] - steps[longest]) / patch[longest]
        sides = [round(patch[longest] * share * side / shape[longest]) for side in shape]
        yield [max(SHORTEST_EDGE, side) for side in sides]
        return
    for axis in sorted(range(len(patch)), key=lambda axis: (patch[axis] / shape[axis], patch[axis]), reverse=True):
        if patch[axis] > SHORTEST_EDGE:
            side = max(SHORTEST_EDGE, patch[axis] - _step(patch[axis], steps[axis]))
            yield [*patch[:axis], side, *patch[axis + 1 :]]


def _step(side: int, divisor: int) -> int:
    """By how much a side shrinks: as nnU-Net, by the divisor of the network that the shorter side will have."""
    return divisor // 2 if side - divisor < SHORTEST_EDGE * divisor and divisor > 1 else divisor
