"""Watch over the network of a private run: what changes in it without noise is found where types do not show it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class NetworkWatch:
    """Watch over what the noise of a local step does not reach: buffers, frozen parameters, and which are trained.

    Buffers are compared over a client's turn, whether checkpoints hold them or not. It costs a copy of them and of the
    frozen parameters.

    Args:
        module: The network.
        withdraw: Is told what was found, a clause each time.
    """

    def __init__(self, module: nn.Module, withdraw: Callable[[str], None]) -> None:
        self._module = module
        self._withdraw = withdraw
        self._parameters: list[tuple[str, nn.Parameter]] = []
        self._trained: tuple[str, ...] = ()
        self._frozen: dict[str, Tensor] = {}
        self._buffers: dict[str, Tensor] = {}

    @torch.no_grad()
    def start(self) -> None:
        """Note what is trained, and what is not, as training starts."""
        self._parameters = list(self._module.named_parameters())
        self._trained = self._now_trained()
        self._frozen = {name: p.clone() for name, p in self._parameters if not p.requires_grad}

    @torch.no_grad()
    def begin_turn(self) -> None:
        """Note the buffers that a client starts from."""
        self._buffers = {name: buffer.clone() for name, buffer in self._module.named_buffers()}

    def look(self, optimizer: Optimizer) -> None:
        """Look at what a local step is about to train."""
        trained = self._now_trained()
        if trained != self._trained:
            changed = sorted({*trained} ^ {*self._trained})
            self._withdraw(f"what is trained changed during the run ({changed[0]})")
            self._trained = trained
        own = {id(parameter) for _, parameter in self._parameters}
        if any(id(parameter) not in own for group in optimizer.param_groups for parameter in group["params"]):
            self._withdraw("the optimizer trains parameters that are not the network's")

    @torch.no_grad()
    def end_turn(self) -> None:
        """Compare what a client leaves with what it started from."""
        for name, buffer in self._module.named_buffers():
            if name not in self._buffers or _differ(buffer, self._buffers[name]):
                self._withdraw(f"the buffer {name} of the network changed in training, and no noise covers it")
        for name, parameter in self._parameters:
            if name in self._frozen and _differ(parameter, self._frozen[name]):
                self._withdraw(f"the frozen parameter {name} changed in training, and no noise covers it")
        self._buffers = {}

    def _now_trained(self) -> tuple[str, ...]:
        return tuple(name for name, parameter in self._parameters if parameter.requires_grad)


def _differ(now: Tensor, before: Tensor) -> bool:
    if now.shape != before.shape:
        return True
    before = before.to(now.device)
    if now.is_floating_point():
        return not torch.equal(torch.nan_to_num(now), torch.nan_to_num(before))
    return not torch.equal(now, before)
