"""Adaptive server optimizers, exactly as Algorithm 2 of Reddi et al. 2021 (arXiv 2003.00295) has them.

A server optimizer is a torch optimizer that makes one step per round, on the pseudo-gradient ``g = -Delta`` of
:class:`~adpfl_bench.federation.server.Server`. The simpler ones are torch's own:

* FedAvg (McMahan et al. 2017, arXiv 1602.05629) is ``torch.optim.SGD(lr=1.0)``: ``x += Delta``.
* FedAvgM (Hsu et al. 2019, arXiv 1909.06335) is ``torch.optim.SGD(lr=1.0, momentum=0.9)``: ``v = beta v + Delta;
  x += v``.

Here, with ``m_{-1} = 0`` and ``v_{-1} = tau^2``::

    m = beta1 m + (1 - beta1) Delta
    v = v + Delta^2                                     FedAdagrad
    v = v - (1 - beta2) Delta^2 sign(v - Delta^2)       FedYogi
    v = beta2 v + (1 - beta2) Delta^2                   FedAdam
    x = x + lr m / (sqrt(v) + tau)

``torch.optim.Adam`` differs: it starts from ``v = 0`` and divides ``m`` by ``1 - beta1^t`` and ``v`` by ``1 - beta2^t``
to correct their bias towards zero; the paper corrects neither. ``torch.optim.Adagrad`` knows no ``beta1``, and torch
has no Yogi.

``tau`` is the degree of adaptivity: far above the size of the deltas, steps are like those of SGD with momentum, at a
rate between ``lr / (2 tau)`` and ``lr / tau``; far below it, all coordinates move alike. The paper recommends
``tau = 1e-3``, and tunes ``lr`` together with the clients' rate over powers of ten from 1e-3 to 10.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from adpfl_bench.errors import ConfigError


class _AdaptiveServerOptimizer(Optimizer):
    """Base of adaptive server optimizers: one step of Algorithm 2; a subclass says how ``v`` changes."""

    def __init__(self, parameters: Iterable[Tensor], settings: dict[str, Any]) -> None:
        name = type(self).__name__
        for setting in ("lr", "tau"):
            if not 0 < settings[setting] < math.inf:
                raise ConfigError(f"{name} expects a positive {setting}, but it is {settings[setting]}.")
        for number, beta in enumerate(_betas(settings), start=1):
            if not 0 <= beta < 1:
                raise ConfigError(f"{name} expects beta{number} in [0, 1), but it is {beta}.")
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step on the parameters' gradients; those without one stay as they are.

        Args:
            closure: Computes the gradients anew, as in other torch optimizers; a server needs none.

        Returns:
            What the closure returns.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moving = [(parameter, parameter.grad) for parameter in group["params"] if parameter.grad is not None]
            if moving:
                self._step([parameter for parameter, _ in moving], [gradient for _, gradient in moving], group)
        return loss

    def _step(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["m"] = torch.zeros_like(parameter)
                self.state[parameter]["v"] = torch.full_like(parameter, group["tau"] ** 2)
        first = [self.state[parameter]["m"] for parameter in parameters]
        second = [self.state[parameter]["v"] for parameter in parameters]

        beta1 = _betas(group)[0]
        torch._foreach_mul_(first, beta1)
        torch._foreach_add_(first, gradients, alpha=1 - beta1)
        self._change_second(second, list(torch._foreach_mul(gradients, gradients)), group)
        denominator = torch._foreach_sqrt(second)
        torch._foreach_add_(denominator, group["tau"])
        torch._foreach_addcdiv_(parameters, first, denominator, value=-group["lr"])

    @abstractmethod
    def _change_second(self, second: list[Tensor], squares: list[Tensor], group: dict[str, Any]) -> None:
        """Change ``v`` in place, given the squared pseudo-gradient."""


def _betas(settings: dict[str, Any]) -> tuple[float, ...]:
    return tuple(settings["betas"]) if "betas" in settings else (settings["beta1"],)


class FedAdagrad(_AdaptiveServerOptimizer):
    """Adagrad at the server: ``v = v + Delta^2``; steps only ever get smaller.

    Args:
        parameters: The global weights.
        lr: Learning rate of the server; the paper tries 1e-3 ... 10.
        beta1: Decay of ``m``, in [0, 1); the paper's experiments use 0, no momentum, with Adagrad.
        tau: Degree of adaptivity, and root of the first ``v``; the paper recommends 1e-3 and tries 1e-5 ... 1e-1.

    Raises:
        ConfigError: A setting is out of range.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float = 0.1, beta1: float = 0.0, tau: float = 1e-3) -> None:
        super().__init__(parameters, {"lr": lr, "beta1": beta1, "tau": tau})

    def _change_second(self, second: list[Tensor], squares: list[Tensor], group: dict[str, Any]) -> None:
        torch._foreach_add_(second, squares)


class _TwoDecays(_AdaptiveServerOptimizer):
    """Base of FedAdam and FedYogi.

    Args:
        parameters: The global weights.
        lr: Learning rate of the server; the paper tries 1e-3 ... 10.
        betas: Decays of ``m`` and ``v``, in [0, 1); the paper's experiments use 0.9 and 0.99.
        tau: Degree of adaptivity, and root of the first ``v``; the paper recommends 1e-3 and tries 1e-5 ... 1e-1.

    Raises:
        ConfigError: A setting is out of range.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.99),
        tau: float = 1e-3,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "tau": tau})


class FedAdam(_TwoDecays):
    """Adam at the server, without bias correction: ``v = beta2 v + (1 - beta2) Delta^2``."""

    def _change_second(self, second: list[Tensor], squares: list[Tensor], group: dict[str, Any]) -> None:
        beta2 = group["betas"][1]
        torch._foreach_mul_(second, beta2)
        torch._foreach_add_(second, squares, alpha=1 - beta2)


class FedYogi(_TwoDecays):
    """Yogi at the server: ``v`` moves towards ``Delta^2`` by an amount that does not depend on how far off it is.

    ``v = v - (1 - beta2) Delta^2 sign(v - Delta^2)``: after large deltas it forgets them more slowly than Adam.
    """

    def _change_second(self, second: list[Tensor], squares: list[Tensor], group: dict[str, Any]) -> None:
        signs = torch._foreach_sub(second, squares)
        torch._foreach_sign_(signs)
        torch._foreach_mul_(signs, squares)
        torch._foreach_add_(second, signs, alpha=group["betas"][1] - 1)
