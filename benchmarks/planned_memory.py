"""What a training step of a planned network takes of a process's memory, against its estimate.

Each step (forward, backward, AdamW) runs in a process of its own, whose largest resident memory is taken, less that of
the same process with the same network before the step. The estimate is that of `adpfl-bench plan`, without the
federation's copies of the weights and without the weights themselves, which are there before.

    OMP_NUM_THREADS=1 python benchmarks/planned_memory.py
"""

from __future__ import annotations

import resource
import subprocess
import sys

from adpfl_bench.planning.network_plan import plan_network
from adpfl_bench.planning.step_memory import count_weights, step_bytes
from adpfl_bench.text import times

#: Patch, spacing, batch, channels and regions.
STEPS = (
    ((64, 64, 64), (1, 1, 1), 2, 4, 3),
    ((128, 96, 16), (0.7, 0.7, 3.5), 2, 1, 2),
    ((192, 256), (1, 1), 8, 3, 1),
)
_NEW_COPIES = 3  # of the weights in a step: gradients and AdamW's two moments


def main() -> None:
    """Print a line for each step."""
    print(f"{'patch':<14} {'batch':>5} {'estimate MiB':>13} {'taken MiB':>10} {'estimate / taken':>17}")
    for index, (patch, spacing, batch, channels, regions) in enumerate(STEPS):
        plan = plan_network(patch, spacing)
        weights = count_weights(plan, channels, regions)
        estimate = (step_bytes(plan, batch, channels, regions) - 4 * (7 - _NEW_COPIES) * weights) / 2**20
        command = [sys.executable, __file__, str(index)]
        taken = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(f"{times(plan.patch):<14} {batch:>5} {estimate:>13.0f} {taken:>10.0f} {estimate / taken:>17.2f}")


def measure(index: int) -> None:
    """Print by how many MiB a step raises the largest resident memory of this process."""
    import torch

    from adpfl_bench.tasks.losses import dice_cross_entropy
    from adpfl_bench.tasks.networks import build_network

    patch, spacing, batch, channels, regions = STEPS[index]
    plan = plan_network(patch, spacing)
    network = build_network("DynUNet", len(patch), channels, regions, plan.arguments())
    optimizer = torch.optim.AdamW(network.parameters())
    with torch.no_grad():  # what the first call loads
        network(torch.zeros(1, channels, *[2 * by for by in plan.divisors]))
    before = _peak()
    image, label = torch.rand(batch, channels, *plan.patch), torch.zeros(batch, regions, *plan.patch)
    dice_cross_entropy(network(image), label).mean().backward()
    optimizer.step()
    print((_peak() - before) / 2**20)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    measure(int(sys.argv[1])) if len(sys.argv) > 1 else main()
