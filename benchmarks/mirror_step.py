"""What whole-number noise of a trusted sum, and a mirror on phantoms, cost: private steps with each, beside plain ones.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/mirror_step.py

A step is that of a client on all of its images: clipped sum, noise, and what is mixed in, on the network that private
methods start with (configs/from_phantoms.yaml). The ways alternate, so that all of them see the same machine; what
counts is the ratio to the plain private step, with continuous Gaussian noise, in the same repetition: median, least and
greatest. Memory is the peak of a process of its own for each way, after three steps, beyond that of the plain one.
Whole-number noise costs by the coordinate, and a mirror by the phantom: both are a smaller share of a larger step.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from private_steps import BUDGET, MULTIPLIER, NETWORK, THRESHOLD, Task, compare, print_peak

from adpfl_bench.federation.training_batch import Example, TrainingBatch
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.public_mirror import MirrorPlan, PublicMirror
from adpfl_bench.privacy.public_scales import PublicScales
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.summed_discrete_noise import SummedDiscreteGaussianMechanism
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.seeding import torch_generator
from adpfl_bench.tasks.networks import build_network

SIDE = 64
# Whether noise is whole numbers, and how many phantoms are mixed in.
WAYS = {"plain": (False, 0), "whole numbers": (True, 0), "mirror, 8 phantoms": (False, 8), "mirror, 32": (False, 32)}


def prepare(images: int, whole: bool, phantoms: int) -> Callable[[], None]:
    """The step of a way."""
    torch.manual_seed(0)
    task = Task(build_network("UNet", 2, 3, 1, NETWORK))
    parameters = list(task.parameters())
    image, label = pictures(images)
    units = UnitGradients(task, task.example_losses, BUDGET)
    mechanism: Mechanism = SummedDiscreteGaussianMechanism(4) if whole else SummedGaussianMechanism(4)
    source, mirror = Seeded(torch_generator(0, "benchmark")), None
    if phantoms:
        plan = MirrorPlan(pictures(phantoms), phantoms, 80, 0.5, 0, phantoms)
        mirror = PublicMirror(plan, task, task.example_losses, PublicScales(), "l2", False)
    nobody = torch.zeros(0)
    public = {"local_epoch": 0, "last": True, "planned_units": images, "divisor": images, "pass_steps": 1}
    place = TrainingBatch(client="a", turn="shared", round=40, image=nobody, label=nobody, units=nobody, **public)

    def step() -> None:
        total = units.clipped_sum(image, label, torch.arange(images), THRESHOLD, "l2").gradients
        mechanism.add_to_sum_(total, THRESHOLD, MULTIPLIER, source)
        for parameter, gradient in zip(parameters, total, strict=True):
            parameter.grad = gradient / images
        if mirror is not None:
            mirror.mix_(place, THRESHOLD)

    return step


def pictures(count: int) -> Example:
    """Images and labels."""
    return Example(torch.randn(count, 3, SIDE, SIDE), (torch.rand(count, 1, SIDE, SIDE) > 0.5).float())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--images", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--peak", nargs=2, metavar=("IMAGES", "WAY"), help="only print the peak memory of a way")
    arguments = parser.parse_args()
    if arguments.peak:
        print_peak(prepare(int(arguments.peak[0]), *WAYS[arguments.peak[1]]))
        return
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} CPU thread(s), {arguments.repetitions} steps")
    for images in arguments.images:
        steps = {way: prepare(images, *how) for way, how in WAYS.items()}
        compare(f"{images} images of {SIDE}^2", str(images), steps, arguments.repetitions)


if __name__ == "__main__":
    main()
