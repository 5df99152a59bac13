"""What benchmarks of private steps share: a network with its loss, ways that alternate, and their table."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from adpfl_bench.records.environment import peak_memory_mb
from adpfl_bench.tasks.losses import dice_cross_entropy

# The network that private methods start with (configs/from_phantoms.yaml).
NETWORK = {"channels": (8, 16, 24, 32), "strides": (2, 2, 2), "num_res_units": 0}
THRESHOLD, MULTIPLIER, BUDGET = 0.1, 1.0, 2**30
Step = Callable[[], object]


class Task(nn.Module):
    """A network of the suite with its loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def example_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Loss of each example, [B]."""
        return dice_cross_entropy(self.network(image), label)


def seconds(step: Step) -> float:
    """How long a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def print_peak(step: Step) -> None:
    """Take three steps, and print this process's peak memory in MiB."""
    for _ in range(3):
        step()
    print(peak_memory_mb())


def peak(case: str, way: str) -> float:
    """What :func:`print_peak` prints in a process of its own, in MiB: the script with ``--peak CASE WAY``."""
    command = [sys.executable, sys.argv[0], "--peak", case, way]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def compare(heading: str, case: str, steps: Mapping[str, Step], repetitions: int) -> float:
    """Take the steps of all ways in turn and print their table, as ratios to the way ``plain``.

    Returns:
        The median of the plain step, in seconds.
    """
    taken: dict[str, list[float]] = {way: [] for way in steps}
    for step in steps.values():
        step()
    for _ in range(repetitions):
        for way, step in steps.items():
            taken[way].append(seconds(step))
    plain, idle = taken["plain"], peak(case, "plain")
    print(f"\n### {heading}\n\n| way | ms | ratio | least - greatest | memory, MiB |\n|:--|--:|--:|--:|--:|")
    for way, own in taken.items():
        ratios = [mine / theirs for mine, theirs in zip(own, plain, strict=True)]
        print(
            f"| {way} | {1000 * statistics.median(own):.0f} | {statistics.median(ratios):.3f} |"
            f" {min(ratios):.2f} - {max(ratios):.2f} | {peak(case, way) - idle:.0f} |"
        )
    return statistics.median(plain)
