"""A step of the default U-Net with the suite's own layers beside PyTorch's.

    OMP_NUM_THREADS=1 python benchmarks/layers.py

Processor time of a step (forward, backward, AdamW), as the ratio of medians to that with ``nn.PReLU`` and
``nn.InstanceNorm``; steps are interleaved and start from the same weights. The last column is the largest difference of
a weight afterwards.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch.nn import functional

from adpfl_bench.tasks.networks import build_network

STEPS = 12
TORCH: dict[str, Any] = {"norm": ("INSTANCE", {"affine": True}), "act": "PRELU"}
VARIANTS: dict[str, dict[str, Any]] = {
    "PyTorch's": TORCH,
    "own PReLU": {"norm": TORCH["norm"]},
    "own norm": {"act": TORCH["act"]},
    "both": {},
}
SHAPES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "16 pictures of 64x64": ((16, 3, 64, 64), {}),
    "the same, small network": ((16, 3, 64, 64), {"channels": (8, 16, 24, 32), "num_res_units": 0}),
    "8 pictures of 128x128, residual": ((8, 3, 128, 128), {"num_res_units": 2}),
    "2 volumes of 32x32x32": ((2, 4, 32, 32, 32), {}),
}


def compare(shape: tuple[int, ...], arguments: dict[str, Any]) -> list[str]:
    """Ratios of processor time, and how far the weights are from each other in the end."""
    image = torch.randn(shape)
    label = torch.rand(shape[0], 1, *shape[2:]).round()
    networks, optimizers = {}, {}
    for name, layers in VARIANTS.items():
        torch.manual_seed(0)
        networks[name] = build_network("UNet", len(shape) - 2, shape[1], 1, {**arguments, **layers})
        optimizers[name] = torch.optim.AdamW(networks[name].parameters())
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(STEPS):
        for name, network in networks.items():
            start = time.process_time()
            optimizers[name].zero_grad()
            functional.binary_cross_entropy_with_logits(network(image), label).backward()
            optimizers[name].step()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(times[2:]) for name, times in seconds.items()}
    weights = {name: torch.cat([p.detach().flatten() for p in net.parameters()]) for name, net in networks.items()}
    first = next(iter(VARIANTS))
    difference = float((weights["both"] - weights[first]).abs().max())
    return [*(f"{medians[name] / medians[first]:.2f}" for name in VARIANTS), f"{difference:.0e}"]


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"{'':<32}", *(f"{name:>10}" for name in (*VARIANTS, "difference")))
    for title, (shape, arguments) in SHAPES.items():
        print(f"{title:<32}", *(f"{cell:>10}" for cell in compare(shape, arguments)), flush=True)


if __name__ == "__main__":
    main()
