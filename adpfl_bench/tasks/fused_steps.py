"""Steps of an optimizer as one kernel, on a processor."""

from __future__ import annotations

from torch.optim import SGD, Adam, AdamW, Optimizer

_FUSED = (Adam, AdamW, SGD)


def fuse_steps(optimizer: Optimizer) -> None:
    """Let Adam, AdamW and SGD step by PyTorch's fused kernel where they hold weights on a processor.

    That is one call for all weights in place of some for each, which take a good part of a small network's step; values
    differ in their last bits. Of itself PyTorch does so on no processor. What is set (``fused``, ``foreach``) stays, as
    does what a checkpoint says that was written without.
    """
    if type(optimizer) not in _FUSED:
        return
    for group in optimizer.param_groups:
        left_open = group.get("fused") is None and group.get("foreach") is None and not group["differentiable"]
        if left_open and all(p.device.type == "cpu" and p.is_floating_point() for p in group["params"]):
            group["fused"] = True
