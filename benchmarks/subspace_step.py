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
from collections.abc import Callable

import torch
from private_steps import BUDGET, MULTIPLIER, NETWORK, THRESHOLD, Task, compare, print_peak, seconds
from torch import Tensor

from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.public_subspace import NO_RESIDUAL, PublicSubspace, SubspaceParts, leading_directions
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.seeding import torch_generator
from adpfl_bench.tasks.networks import build_network

# Name, dimensions, channels of the image, regions, batch size, size of the image.
CASES = {"pictures, 32 x 64^2": (2, 3, 1, 32, 64), "volumes, 2 x 48^3": (3, 4, 3, 2, 48)}
WAYS = {
    "plain": (0, False),
    "100 directions, residual": (100, True),
    "100 directions alone": (100, False),
    "300 directions, residual": (300, True),
    "300 directions alone": (300, False),
}


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


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--peak", nargs=2, metavar=("CASE", "WAY"), help="only print the peak memory of a way")
    arguments = parser.parse_args()
    if arguments.peak:
        case, way = arguments.peak
        print_peak(prepare(case, *WAYS[way]))
        return
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} CPU thread(s), {arguments.repetitions} steps")
    for case in arguments.cases:
        steps = {way: prepare(case, *how) for way, how in WAYS.items()}
        plain = compare(case, case, steps, arguments.repetitions)
        for directions in sorted({count for count, _ in WAYS.values() if count}):
            ratio = seconds(measured(case, directions)) / plain
            print(f"| measured, {directions} directions | | {ratio:.1f} | | |")


if __name__ == "__main__":
    main()
