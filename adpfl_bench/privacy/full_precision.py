"""Full precision: arithmetic as wide as the numbers, whatever autocast and the GPU's settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute without autocast, and on a GPU without TF32, whose products have 10 of float32's 23 bits."""
    with ExitStack() as stack:
        stack.enter_context(torch.autocast(device.type, enabled=False))
        if device.type == "cuda":
            stack.enter_context(_without_tf32())
        yield


@contextmanager
def _without_tf32() -> Iterator[None]:
    matmul: Any = torch.backends.cuda.matmul
    convolutions: Any = torch.backends.cudnn
    setting: str = "allow_tf32"
    narrow: bool | str = False
    if hasattr(convolutions, "conv"):  # torch 2.9 has words for it, which must not be mixed with the older switches
        convolutions, setting, narrow = convolutions.conv, "fp32_precision", "ieee"
    before = [(switch, getattr(switch, setting)) for switch in (matmul, convolutions)]
    try:
        for switch, _ in before:
            setattr(switch, setting, narrow)
        yield
    finally:
        for switch, value in before:
            setattr(switch, setting, value)
