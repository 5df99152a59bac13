"""What clipping each example's gradient costs: the suite's private step beside Opacus and a loop over examples.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/dp_step.py

Steps are timed from the batch to the gradient that an optimizer would take, on the networks that the suite trains by
default, with the loss that it trains with: the mean of the examples' losses without privacy, and otherwise the sum of
their gradients, each clipped to a fixed threshold in the l2 norm, plus Gaussian noise (correlated over 16 steps in one
row, whose steps keep the noise of 15 before). Every way has a copy of the same
network (which has no in-place modules, so Opacus takes it as it is), the same batch and the same noise multiplier. The
ways alternate, so that all of them see the same machine; what counts is the ratio to the step without privacy in the
same repetition: median, least and greatest. On a CPU the suite's PReLU and instance norm are faster than PyTorch's,
with and without privacy; Opacus has PyTorch's, of which it knows the gradients.

Without noise, every private way has to give the gradient of one example at a time in float64, or the exit status is 1;
the column "off" is the greatest difference, relative to the gradient's norm. Memory is that of a process of its own for
each way: its peak after three steps beyond that of a process that only has network and batch. On a GPU it is what
PyTorch has allocated at its peak.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from private_steps import Task
from torch import Tensor, nn

from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.records.environment import peak_gpu_memory_mb, peak_memory_mb
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network

THRESHOLD, SIGMA, TOLERANCE, BANDS = 0.1, 1.0, 1e-4, 16
# Name, dimensions, channels of the image, regions, batch size, size of the image.
CASES = {"2-D UNet, 16 x 128^2": (2, 3, 1, 16, 128), "3-D UNet, 2 x 64^3": (3, 4, 3, 2, 64)}
Step = Callable[[], list[Tensor]]


class Losses(nn.Module):
    """The loss as Opacus' fast gradient clipping wants it: it sets ``reduction`` itself."""

    reduction = "mean"

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss of each example, or their mean."""
        losses = dice_cross_entropy(logits, label)
        return losses if self.reduction == "none" else losses.mean()


def without_privacy(network: nn.Module, image: Tensor, label: Tensor, sigma: float, budget: float) -> Step:
    """Forward, backward, mean of the losses."""

    def step() -> list[Tensor]:
        network.zero_grad()
        dice_cross_entropy(network(image), label).mean().backward()
        return [p.grad for p in network.parameters()]

    return step


def suite(network: nn.Module, image: Tensor, label: Tensor, sigma: float, budget: float) -> Step:
    """The suite's clipped sum."""
    task = Task(network)
    gradients = UnitGradients(task, task.example_losses, budget)
    units = torch.arange(len(image), device=image.device)

    def step() -> list[Tensor]:
        total = gradients.clipped_sum(image, label, units, THRESHOLD, "l2").gradients
        return [(t + sigma * THRESHOLD * torch.randn_like(t)) / len(image) for t in total]

    return step


def correlated(network: nn.Module, image: Tensor, label: Tensor, sigma: float, budget: float) -> Step:
    """The suite's clipped sum under noise that is correlated over the last 16 steps, which are kept."""
    task = Task(network)
    gradients = UnitGradients(task, task.example_losses, budget)
    units = torch.arange(len(image), device=image.device)
    mechanism, sequence = CorrelatedGaussianMechanism(BANDS), NoiseSequence(BANDS, "benchmark")
    generator = torch.Generator(image.device)
    generator.manual_seed(0)
    source = Seeded(generator)

    def step() -> list[Tensor]:
        total = gradients.clipped_sum(image, label, units, THRESHOLD, "l2").gradients
        if sigma > 0:
            mechanism.add_to_sum_(total, THRESHOLD, sigma, source, sequence)
            sequence.steps += 1
        return [t / len(image) for t in total]

    return step


def one_by_one(network: nn.Module, image: Tensor, label: Tensor, sigma: float, budget: float) -> Step:
    """One backward pass for each example."""
    parameters = list(network.parameters())

    def step() -> list[Tensor]:
        total = [torch.zeros_like(p) for p in parameters]
        for i in range(len(image)):
            loss = dice_cross_entropy(network(image[i : i + 1]), label[i : i + 1]).sum()
            own = torch.autograd.grad(loss, parameters)
            norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in own]))
            torch._foreach_add_(total, torch._foreach_mul(own, (THRESHOLD / norm).clamp(max=1)))
        return [(t + sigma * THRESHOLD * torch.randn_like(t)) / len(image) for t in total]

    return step


def opacus_hooks(network: nn.Module, image: Tensor, label: Tensor, sigma: float, budget: float) -> Step:
    """Gradients of all examples by Opacus' hooks, clipped and summed by its optimizer."""
    wrapped = GradSampleModule(network)
    optimizer = DPOptimizer(
        torch.optim.SGD(wrapped.parameters(), 0.1),
        noise_multiplier=sigma,
        max_grad_norm=THRESHOLD,
        expected_batch_size=len(image),
    )

    def step() -> list[Tensor]:
        optimizer.zero_grad()
        dice_cross_entropy(wrapped(image), label).mean().backward()
        optimizer.pre_step()
        return [p.grad for p in network.parameters()]

    return step


def opacus_ghost(network: nn.Module, image: Tensor, label: Tensor, sigma: float, budget: float) -> Step:
    """Norms in one backward pass of Opacus and the sum in a second (Li et al. 2022, arXiv 2110.05679)."""
    wrapped = GradSampleModuleFastGradientClipping(network, max_grad_norm=THRESHOLD, use_ghost_clipping=True)
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD(wrapped.parameters(), 0.1),
        noise_multiplier=sigma,
        max_grad_norm=THRESHOLD,
        expected_batch_size=len(image),
    )
    criterion = DPLossFastGradientClipping(wrapped, optimizer, Losses())

    def step() -> list[Tensor]:
        optimizer.zero_grad()
        criterion(wrapped(image), label).backward()
        optimizer.pre_step()
        return [p.grad for p in network.parameters()]

    return step


WAYS = {
    "without privacy": without_privacy,
    "this suite": suite,
    "this suite, correlated noise": correlated,
    "Opacus, hooks": opacus_hooks,
    "Opacus, fast gradient clipping": opacus_ghost,
    "one example at a time": one_by_one,
}


def prepare(case: str, way: str, device: str, sigma: float, budget: float, dtype: torch.dtype = torch.float32) -> Step:
    """Build the same network and batch for every way."""
    dims, channels, regions, count, size = CASES[case]
    torch.manual_seed(0)
    layers = {"norm": ("INSTANCE", {"affine": True}), "act": "PRELU"} if way.startswith("Opacus") else {}
    network = build_network("UNet", dims, channels, regions, layers).to(device)
    image = torch.randn(count, channels, *[size] * dims, device=device)
    label = (torch.rand(count, regions, *[size] * dims, device=device) > 0.5).float()
    return WAYS[way](network.to(dtype), image.to(dtype), label.to(dtype), sigma, budget)


def released(case: str, way: str, device: str, budget: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """The gradient without noise, flat, in float64."""
    gradients = prepare(case, way, device, 0.0, budget, dtype)()
    return torch.cat([gradient.detach().flatten() for gradient in gradients]).double()


def peak_mib(device: str) -> float:
    """Peak memory of this process in MiB, or of the GPU."""
    return (peak_gpu_memory_mb() or 0.0) if device == "cuda" else peak_memory_mb()


def memory(case: str, way: str, steps: int, arguments: argparse.Namespace) -> float:
    """Peak of a process of its own, in MiB."""
    options = ["--device", arguments.device, "--budget", str(arguments.budget)]
    command = [sys.executable, __file__, "--peak", case, way, str(steps), *options]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def timed(step: Step, device: str) -> float:
    """Seconds of a step."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interleaved(
    case: str, device: str, budget: float, repetitions: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of the steps of all ways, taken in turn, and why some cannot be taken."""
    steps: dict[str, Step] = {}
    failed: dict[str, str] = {}
    for way in WAYS:
        try:
            steps[way] = prepare(case, way, device, SIGMA, budget)
            for _ in range(2):
                timed(steps[way], device)
        except Exception as error:  # whatever another library makes of this network
            failed[way] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            steps.pop(way, None)
    seconds: dict[str, list[float]] = {way: [] for way in steps}
    for _ in range(repetitions):
        for way, step in steps.items():
            seconds[way].append(timed(step, device))
    return seconds, failed


def compare(case: str, arguments: argparse.Namespace) -> bool:
    """Print the table of a case; whether all ways agree."""
    device = arguments.device
    seconds, failed = interleaved(case, device, arguments.budget, arguments.repetitions)
    print(f"\n### {case}\n\n| way | ms | ratio | least - greatest | memory, MiB | off |\n|:--|--:|--:|--:|--:|--:|")
    idle, agree = memory(case, "without privacy", 0, arguments), True
    exact = released(case, "one example at a time", device, arguments.budget, torch.float64)
    for way, own in seconds.items():
        ratios = [mine / plain for mine, plain in zip(own, seconds["without privacy"], strict=True)]
        difference = "-"
        if way != "without privacy":
            error = (released(case, way, device, arguments.budget) - exact).abs().max() / exact.norm()
            agree &= bool(error <= TOLERANCE)
            difference = f"{float(error):.0e}"
        peak = memory(case, way, 3, arguments) - idle
        print(
            f"| {way} | {1000 * statistics.median(own):.0f} | {statistics.median(ratios):.2f} |"
            f" {min(ratios):.2f} - {max(ratios):.2f} | {peak:.0f} | {difference} |"
        )
    for way, message in failed.items():
        print(f"| {way} | fails: {message} |")
    return agree


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--budget", type=float, default=2e9, help="bytes that a chunk of examples may take in this suite"
    )
    parser.add_argument("--peak", nargs=3, metavar=("CASE", "WAY", "STEPS"), help="only print the peak memory of a way")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # Opacus' hooks
    if arguments.peak:
        case, way, steps = arguments.peak
        step = prepare(case, way, arguments.device, SIGMA, arguments.budget)
        for _ in range(int(steps)):
            step()
        print(peak_mib(arguments.device))
        return 0
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else f"{torch.get_num_threads()} CPU thread(s)"
    print(
        f"`{' '.join(['python', *sys.argv])}` with PyTorch {torch.__version__} on {name}, {arguments.repetitions} steps"
    )
    return 0 if all([compare(case, arguments) for case in CASES]) else 1


if __name__ == "__main__":
    sys.exit(main())
