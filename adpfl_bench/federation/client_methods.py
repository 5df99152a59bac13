"""Client methods: terms added to a client's gradients, and state that it keeps.

A method never touches data. It sees weights and gradients that have been made private already, so whatever it computes
of them is post-processing, which costs no privacy, and is what a client may send.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_tensors import ClientTensors, check_like
from adpfl_bench.federation.exact_sum import ExactSum
from adpfl_bench.federation.round_schedule import Turn
from adpfl_bench.peers import peers


@dataclass(frozen=True)
class LocalWork:
    """A client's turn, as a method sees it.

    Attributes:
        client: The client.
        turn: ``shared``, or ``personal`` where it trains a model of its own.
        clients: Number of clients that train in the federation, also those that do not take part in this round.
        weights: The weights that it trains in place; those that are shared, in the network's order.
        global_weights: What the server has sent, in the same order; not to be changed.
    """

    client: str
    turn: Turn
    clients: int
    weights: Sequence[Tensor]
    global_weights: Sequence[Tensor]


class ClientMethod:
    """Base of client methods: local steps as they are.

    A method that needs more overrides what it needs. It is told of each turn's start and end, and of every gradient
    before the local optimizer steps on it.

    Attributes:
        turns: A participant's turns in a round.
        refused_units: Privacy units under which its promise would not hold, each with the reason.
    """

    turns: tuple[Turn, ...] = ("shared",)
    refused_units: dict[str, str] = {}  # noqa: RUF012 - overridden, never changed

    @property
    def changes_gradients(self) -> bool:
        """Whether local steps need :meth:`on_gradient`; parameters without a gradient then get zeros for one."""
        return type(self).on_gradient is not ClientMethod.on_gradient

    def on_client_start(self, work: LocalWork) -> None:
        """Begin a turn; the client has the weights that it starts from."""

    def on_gradient(self, work: LocalWork, gradients: list[Tensor]) -> None:
        """Change a local step's gradients in place; they are in the order of ``work.weights``."""

    def on_client_end(self, work: LocalWork) -> None:
        """End a turn; the client's last local step is done."""

    def exchange(self, clients: Collection[str], shared: Sequence[Tensor]) -> None:
        """Make the state that of all processes of a run, before a round ends.

        A method whose state has nothing to do with who was trained where need not override it; one with a state of its
        own (:meth:`state_dict`) that does not is refused in runs of several processes.

        Args:
            clients: The clients that were trained by this process in the round; there may be none.
            shared: Tensors of the shapes of ``work.weights``.
        """

    @classmethod
    def can_be_shared(cls) -> bool:
        """Whether what the class keeps is exchanged: a subclass that keeps more says how, too."""
        keeps, exchanges = (next(c for c in cls.__mro__ if n in vars(c)) for n in ("state_dict", "exchange"))
        return issubclass(exchanges, keeps)

    def broadcast(self) -> list[Tensor]:
        """Return what a server sends to participants in other places, beside the global weights."""
        return []

    def take_broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Take over what :meth:`broadcast` has brought from a server elsewhere, before a turn."""

    def sent_by(self, client: str) -> list[Tensor]:
        """Return what a client that has just ended its shared turn sends to a server elsewhere, beside its delta."""
        return []

    def receive(self, client: str, tensors: Sequence[Tensor], clients: int) -> None:
        """Take in, at the server, what :meth:`sent_by` has brought; there are so many clients in all."""

    @classmethod
    def can_be_deployed(cls) -> bool:
        """Whether what the class keeps travels: a subclass that keeps more says how, too."""
        keeps, receives = (next(c for c in cls.__mro__ if n in vars(c)) for n in ("state_dict", "receive"))
        return issubclass(receives, keeps)

    def on_round_end(self) -> None:
        """End a round; all participants have been heard."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as plain values and CPU tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""

    def reset(self) -> None:
        """Forget everything, before a run starts."""

    def describe(self) -> dict[str, Any]:
        """Return the method's settings, for a record."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class FedProx(ClientMethod):
    r"""FedProx: a proximal term holds a client near the global weights (Li et al. 2020, arXiv 1812.06127, eq. 2).

    The local objective is :math:`F_k(w) + \frac{\mu}{2} \lVert w - w^t \rVert^2`, so a gradient gains
    :math:`\mu (w - w^t)`. With ``mu`` 0 it is FedAvg.

    Args:
        mu: Strength of the term, at least 0; the paper tunes it over 0.001, 0.01, 0.1 and 1.

    Raises:
        ConfigError: ``mu`` is negative.
    """

    def __init__(self, mu: float = 0.01) -> None:
        self.mu = _at_least_zero("mu of FedProx", mu)

    def on_gradient(self, work: LocalWork, gradients: list[Tensor]) -> None:
        """Add the gradient of the proximal term."""
        _pull(gradients, work.weights, work.global_weights, self.mu)


class Scaffold(ClientMethod):
    r"""SCAFFOLD: control variates correct the drift of clients (Karimireddy et al. 2020, arXiv 1910.06378, Alg. 1).

    A local step's gradient gains :math:`c - c_i`. After its K steps a client's variate becomes the mean of its
    gradients before the correction, :math:`c_i^+ = \frac1K \sum_k g_i(y_k)`. With SGD this is the paper's option II,
    :math:`c_i - c + \frac{x - y_i}{K \eta_l}`, and unlike that it holds for any local optimizer and schedule. The
    server's variate moves by :math:`\frac1N \sum_{i \in S} (c_i^+ - c_i)`, with N the number of all clients.

    The paper averages clients uniformly: ``federated.aggregation_weights: uniform``. Clients keep one copy of the
    weights each, on the CPU, from their first turn on.
    """

    refused_units = {  # noqa: RUF012 - as in the base class
        "client": "a client also sends its control variate, the mean of its gradients, which no noise covers"
    }

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Set all control variates to zero."""
        self._own = ClientTensors()
        self._server: list[Tensor] = []
        self._change: ExactSum | None = None
        self._correction, self._gradient_sum, self._sent = list[Tensor](), list[Tensor](), list[Tensor]()
        self._steps = 0
        self._clients = 1

    def on_client_start(self, work: LocalWork) -> None:
        """Bring the client's correction to the weights' device."""
        self._steps, self._clients, self._sent = 0, work.clients, []
        self._gradient_sum = [torch.zeros_like(weight) for weight in work.weights]
        server = _beside(self._server, work.weights)
        own = self._own.load(work.client, work.weights) or [torch.zeros_like(weight) for weight in work.weights]
        self._correction = list(torch._foreach_sub(server, own))

    @torch.no_grad()
    def on_gradient(self, work: LocalWork, gradients: list[Tensor]) -> None:
        """Note the gradient, and correct it."""
        torch._foreach_add_(self._gradient_sum, gradients)
        torch._foreach_add_(gradients, self._correction)
        self._steps += 1

    @torch.no_grad()
    def on_client_end(self, work: LocalWork) -> None:
        """Renew the client's control variate."""
        server = _beside(self._server, work.weights)
        old = torch._foreach_sub(server, self._correction)
        new = torch._foreach_div(self._gradient_sum, self._steps)
        self._sent = list(torch._foreach_sub(new, old))
        self.receive(work.client, self._sent, self._clients)
        self._own.save(work.client, list(new))
        self._gradient_sum, self._correction = [], []

    def broadcast(self) -> list[Tensor]:
        """Return the server's control variate; nothing while it is zero."""
        return self._server

    def take_broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Take over the server's control variate."""
        self._server = list(tensors)

    def sent_by(self, client: str) -> list[Tensor]:
        """Return how far the client's control variate has moved."""
        return self._sent

    def receive(self, client: str, tensors: Sequence[Tensor], clients: int) -> None:
        """Add how far a client's control variate has moved to what the server's moves by."""
        if self._change is None:
            self._change = ExactSum(clients)
        self._change.add(tensors, 1 / clients)

    def exchange(self, clients: Collection[str], shared: Sequence[Tensor]) -> None:
        """Add up the changes of control variates, and take over those of other processes' clients."""
        found = peers().gather((self._clients if self._change else 0, self._own.kept_by(clients)))
        if not self._change and (number := max(number for number, _ in found)):
            self._change = ExactSum(number)
        if self._change:
            self._change.exchange(shared)
        for _, kept in found:
            self._own.keep(kept)

    @torch.no_grad()
    def on_round_end(self) -> None:
        """Move the server's control variate."""
        if self._change:
            step = self._change.result()
            server = _beside(self._server, step)
            self._server = list(torch._foreach_add(server, step))
            self._change = None

    def state_dict(self) -> dict[str, Any]:
        """Return the server's and the clients' control variates."""
        return {"server": [tensor.cpu() for tensor in self._server], "clients": self._own.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.reset()
        self._server = list(state["server"])
        first = next(iter(state["clients"].values()), self._server)
        check_like("the server's control variates", self._server, first if self._server else [])
        self._own.load_state_dict(state["clients"], first)


class Ditto(ClientMethod):
    r"""Ditto: each client also trains a model of its own, held near the global one (Li et al. 2021, arXiv 2012.04221).

    After its shared turn a participant trains its own weights v with :math:`F_k(v) + \frac{\lambda}{2} \lVert v - w^t
    \rVert^2` (Algorithm 1), for as many steps. Both are private where the run is: the ledger counts the personal turn's
    releases too. With ``lam`` 0 the own models are those of local training.

    Args:
        lam: The paper's lambda, at least 0; it tunes it over 0.05, 0.1, 0.2, 1 and 2.

    Raises:
        ConfigError: ``lam`` is negative.
    """

    turns: tuple[Turn, ...] = ("shared", "personal")

    def __init__(self, lam: float = 0.1) -> None:
        self.lam = _at_least_zero("lam of Ditto", lam)

    def on_gradient(self, work: LocalWork, gradients: list[Tensor]) -> None:
        """Hold the client's own model near the global one."""
        if work.turn == "personal":
            _pull(gradients, work.weights, work.global_weights, self.lam)


class LocalTraining(ClientMethod):
    """Local training: each client alone, from the same first weights; nothing is sent. A federation must do better."""

    turns: tuple[Turn, ...] = ("personal",)
    refused_units = {  # noqa: RUF012 - as in the base class
        "client": "nothing is sent, so there is nothing that would be made private"
    }


def _beside(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
    """Return the tensors on the devices of the others; zeros where there are none yet."""
    if not tensors:
        return [torch.zeros_like(other) for other in others]
    return [tensor.to(other.device) for tensor, other in zip(tensors, others, strict=True)]


@torch.no_grad()
def _pull(gradients: list[Tensor], weights: Sequence[Tensor], centre: Sequence[Tensor], strength: float) -> None:
    if strength:
        torch._foreach_add_(gradients, torch._foreach_sub(list(weights), list(centre)), alpha=strength)


def _at_least_zero(name: str, value: float) -> float:
    if not 0 <= value < float("inf"):
        raise ConfigError(f"{name} must be a finite number of at least 0, but it is {value}.")
    return value
