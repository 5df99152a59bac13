"""What else could make a step of the default U-Net faster on a processor: each option beside the step as it is.

    OMP_NUM_THREADS=1 python benchmarks/step_options.py

Processor time of a step (forward, backward, AdamW) as the ratio of medians to that of the suite: with PyTorch's own
AdamW in place of the fused one, with images and weights in channels-last order, under autocast to bfloat16, and
compiled by ``torch.compile``. Steps are interleaved and start from the same weights. ``off`` is the largest difference
of a weight after the steps, ``first`` the seconds of the first step, in which a network is compiled: once for every
shape of a batch, of which the last of a pass is often smaller.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from adpfl_bench.running.option_checks import computes_bfloat16
from adpfl_bench.tasks.fused_steps import fuse_steps
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network

SHAPES = {
    "8 pictures of 128x128": ((8, 3, 128, 128), {}),
    "4 of 32x32, small network": ((4, 3, 32, 32), {"channels": (8, 16, 32), "strides": (2, 2)}),
    "2 volumes of 48x48x48": ((2, 4, 48, 48, 48), {}),
}


class Option(NamedTuple):
    """One way to make a step."""

    fused: bool = True
    last: bool = False
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    compiled: bool = False


OPTIONS = {
    "as it is": Option(),
    "AdamW not fused": Option(fused=False),
    "channels last": Option(last=True),
    "bfloat16": Option(context=lambda: torch.autocast("cpu", torch.bfloat16)),
    "compiled": Option(compiled=True),
}


class Stepper:
    """A network with its optimizer, stepped in one of the ways."""

    def __init__(self, option: Option, shape: tuple[int, ...], arguments: dict[str, object]) -> None:
        torch.manual_seed(0)
        self.network = build_network("UNet", len(shape) - 2, shape[1], 1, arguments)
        self.order = {4: torch.channels_last, 5: torch.channels_last_3d}[len(shape)] if option.last else None
        if self.order is not None:
            self.network = self.network.to(memory_format=self.order)
        self.called: nn.Module = torch.compile(self.network, dynamic=False) if option.compiled else self.network  # type: ignore[assignment]
        self.option = option
        self.optimizer = torch.optim.AdamW(self.network.parameters())
        if option.fused:
            fuse_steps(self.optimizer)

    def step(self, image: Tensor, label: Tensor) -> tuple[float, float]:
        """Make a step; processor and wall seconds."""
        wall, start = time.perf_counter(), time.process_time()
        if self.order is not None:
            image = image.contiguous(memory_format=self.order)
        self.optimizer.zero_grad()
        with self.option.context():
            loss = dice_cross_entropy(self.called(image), label).mean()
        loss.backward()
        self.optimizer.step()
        return time.process_time() - start, time.perf_counter() - wall


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--only", choices=SHAPES, help="one shape")
    parser.add_argument("--without", nargs="*", choices=OPTIONS, default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = {name: option for name, option in OPTIONS.items() if name not in options.without}
    if not computes_bfloat16():
        kept.pop("bfloat16", None)
        print("this processor has no instructions for bfloat16")
    for title, (shape, arguments) in SHAPES.items():
        if options.only not in (None, title):
            continue
        image, label = torch.randn(shape), torch.rand(shape[0], 1, *shape[2:]).round()
        steppers = {name: Stepper(option, shape, dict(arguments)) for name, option in kept.items()}
        first = {name: stepper.step(image, label)[1] for name, stepper in steppers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in kept}
        for _ in range(options.steps):
            for name, stepper in steppers.items():
                seconds[name].append(stepper.step(image, label)[0])
        weights = {
            name: torch.cat([p.detach().flatten() for p in stepper.network.parameters()])
            for name, stepper in steppers.items()
        }
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        print(f"\n{title}: {1000 * medians['as it is']:.1f} ms")
        for name, median in medians.items():
            off = float((weights[name] - weights["as it is"]).abs().max())
            print(
                f"  {name:<16} {median / medians['as it is']:.2f}   off {off:.0e}   first {first[name]:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
