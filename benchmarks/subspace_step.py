"""What a public subspace costs: a private step that is released along directions of phantoms, beside the plain one.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/subspace_step.py

Steps are timed from the batch to the gradient that an optimizer takes, clipped sum, noise and what is made of it, on
the network that private methods start with (configs/from_phantoms.yaml) and on a volume's. The ways alternate, so that
all of them see the same machine; what counts is the ratio to the plain private step in the same repetition: median,
least and greatest. A row "measured" is what finding the directions takes, of as many phantoms as there are directions,
in plain private steps: it comes once every few rounds. Memory is the peak of a process of its own for each way, after
three steps, beyond that of the plain one; directions themselves take 4 bytes for each of their numbers. The aim is a
step of at most 1.25 times the plain one with 100 directions, and 1.75 with 300.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.public_subspace import NO_RESIDUAL, PublicSubspace, SubspaceParts, leading_directions
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.records.environment import peak_memory_mb
from adpfl_bench.seeding import torch_generator
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network

# Name, dimensions, channels of the image, regions, batch size, size of the image.
CASES = {"pictures, 32 x 64^2": (2, 3, 1, 32, 64), "volumes, 2 x 48^3": (3, 4, 3, 2, 48)}
NETWORK = {"channels": (8, 16, 24, 32), "strides": (2, 2, 2), "num_res_units": 0}
WAYS = {
    "plain": (0, False),
    "100 directions, residual": (100, True),
    "100 directions alone": (100, False),
    "300 directions, residual": (300, True),
    "300 directions alone": (300, False),
}
THRESHOLD, MULTIPLIER, BUDGET = 0.1, 1.0, 2**30


class Task(nn.Module):
    """A network of the suite with its loss."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def example_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Loss of each example, [B]."""
        return dice_cross_entropy(self.network(image), label)


def batch(case: str, count: int) -> tuple[Tensor, Tensor]:
    """Images and labels."""
    dims, channels, regions, _, size = CASES[case]
    image = torch.randn(count, channels, *[size] * dims)
    return image, (torch.rand(count, regions, *[size] * dims) > 0.5).float()


def prepare(case: str, directions: int, residual: bool) -> Callable[[], list[Tensor]]:
    """The step of a way."""
    dims, channels, regions, count, _ = CASES[case]
    torch.manual_seed(0)
    task = Task(build_network("UNet", dims, channels, regions, NETWORK))
    parameters, (image, label) = list(task.parameters()), batch(case, count)
    subspace = PublicSubspace()
    if directions:
        subspace.announce(SubspaceParts(0.2, 0.5) if residual else NO_RESIDUAL, {"of": "a benchmark"})
        random = torch.randn(directions, sum(p.numel() for p in parameters))
        subspace.use(leading_directions(random, directions), parameters)
    units = UnitGradients(task, task.example_losses, BUDGET, subspace=subspace)
    mechanism, source = GaussianMechanism(), Seeded(torch_generator(0, "benchmark"))

    def step() -> list[Tensor]:
        total = units.clipped_sum(image, label, torch.arange(count), THRESHOLD, "l2").gradients
        mechanism.add_to_sum_(total, THRESHOLD, MULTIPLIER, source)
        subspace.join_(parameters, total)
        return total

    return step


def measured(case: str, directions: int) -> Callable[[], Tensor]:
    """What a refresh does."""
    dims, channels, regions, *_ = CASES[case]
    task = Task(build_network("UNet", dims, channels, regions, NETWORK))
    image, label = batch(case, directions)
    units = UnitGradients(task, task.example_losses, BUDGET)
    return lambda: leading_directions(units.gradients(image, label, torch.arange(directions)), directions)


def seconds(step: Callable[[], object]) -> float:
    """How long a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def peak(case: str, way: str) -> float:
    """Peak of a process of its own, in MiB."""
    command = [sys.executable, __file__, "--peak", case, way]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def compare(case: str, repetitions: int) -> None:
    """Print the table of a case."""
    steps = {way: prepare(case, *how) for way, how in WAYS.items()}
    taken: dict[str, list[float]] = {way: [] for way in steps}
    for step in steps.values():
        step()
    for _ in range(repetitions):
        for way, step in steps.items():
            taken[way].append(seconds(step))
    plain, idle = taken["plain"], peak(case, "plain")
    print(f"\n### {case}\n\n| way | ms | ratio | least - greatest | memory, MiB |\n|:--|--:|--:|--:|--:|")
    for way, own in taken.items():
        ratios = [mine / theirs for mine, theirs in zip(own, plain, strict=True)]
        print(
            f"| {way} | {1000 * statistics.median(own):.0f} | {statistics.median(ratios):.3f} |"
            f" {min(ratios):.2f} - {max(ratios):.2f} | {peak(case, way) - idle:.0f} |"
        )
    for directions in sorted({count for count, _ in WAYS.values() if count}):
        ratio = seconds(measured(case, directions)) / statistics.median(plain)
        print(f"| measured, {directions} directions | | {ratio:.1f} | | |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--peak", nargs=2, metavar=("CASE", "WAY"), help="only print the peak memory of a way")
    arguments = parser.parse_args()
    if arguments.peak:
        case, way = arguments.peak
        step = prepare(case, *WAYS[way])
        for _ in range(3):
            step()
        print(peak_memory_mb())
        return
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} CPU thread(s), {arguments.repetitions} steps")
    for case in arguments.cases:
        compare(case, arguments.repetitions)


if __name__ == "__main__":
    main()
