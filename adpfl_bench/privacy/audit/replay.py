"""Replay of a run by what it released: a second federation, told nothing else, must arrive at the same weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.federation import Federation
from adpfl_bench.federation.own_models import split_parameters
from adpfl_bench.federation.round_schedule import Turn
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.checks import Check
from adpfl_bench.privacy.public_mirror import PublicMirror

_TOLERANCE = 1e-3  # of how far the weights moved last
_STILL = 1e-3  # a step is taken for at least so much of the weights
Steps = Mapping[tuple[str, Turn], int]


class Replay:
    """A run made again from its releases and public numbers alone.

    The replay has a network, an optimizer, a client method, an aggregator and a server of its own, copied before
    anything was trained. Of private data it never sees a batch, a loss or a gradient; it is told each release, and
    steps on it. What it arrives at is therefore post-processing of releases; weights of the run that are the same are
    so too, whatever made them. What differs came around the release: an optimizer that uses the raw loss, a callback
    that writes to weights or to the optimizer, a client method or an aggregator that remembers data, layers that begin
    to train.

    Learning rates and the like are read once a round and taken as public numbers.

    Args:
        module: Copy of what is trained.
        optimizer: Optimizer of the copy's parameters.
        settings: Copy of what the federation is made of.
        sizes: Training examples of every client that trains.
        deltas: Whether clients release deltas, and train on raw gradients before: then only what is shared is compared.
        mirror: Mixes gradients of public data into the module's, where the run does.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: Optimizer,
        settings: FederatedSettings,
        sizes: Mapping[str, int],
        deltas: bool,
        mirror: PublicMirror | None = None,
    ) -> None:
        self._federation = Federation(module, settings)
        self._schedule = settings.schedule
        self._optimizer = optimizer
        self._sizes = sizes
        self._deltas = deltas
        shared = split_parameters(module, settings.local_parameters)[0]
        self._names = list(shared) if deltas else [name for name, _ in module.named_parameters()]
        self._module = module
        self._mirror = mirror
        self._trained = [p for p in module.parameters() if p.requires_grad]
        self._before: dict[str, Tensor] = self._copy()
        self._round: int | None = None
        self._turn: tuple[str, Turn] | None = None
        self._delta: Tensor | None = None
        self._errors: list[float] = []
        self._problem: str | None = None

    def begin(self, batch: TrainingBatch, steps: Steps, optimizer: Optimizer, weights: Mapping[str, Tensor]) -> None:
        """Begin a step.

        Args:
            batch: The step's batch, of which the public numbers alone are used.
            steps: Steps of each turn of its round.
            optimizer: The run's own, for its public numbers at the start of a round.
            weights: The run's weights, by name.
        """
        if batch.round != self._round:
            self.end_round()
            self._begin_round(batch.round, steps, optimizer)
        fresh = self._turn is None
        if fresh:
            self._turn = (batch.client, batch.turn)
            self._federation.begin_turn(batch.client, batch.turn, self._optimizer)
        if not self._deltas or (fresh and batch.turn == "shared"):  # else the client trains by itself
            self._compare(weights, f"before a step of round {batch.round + 1}")

    def _begin_round(self, round_index: int, steps: Steps, optimizer: Optimizer) -> None:
        for own, public in zip(self._optimizer.param_groups, optimizer.param_groups, strict=True):
            own.update({name: value for name, value in public.items() if name != "params"})
        fine_tuning = self._schedule.is_fine_tuning(round_index)
        momentum = float(self._optimizer.param_groups[0].get("momentum", 0.0))
        self._federation.begin_round(self._sizes, steps, momentum, fine_tuning)
        self._round = round_index

    def step(self, batch: TrainingBatch, gradient: Tensor, threshold: float, weights: Mapping[str, Tensor]) -> None:
        """Step on a release, and compare with the run's weights after it.

        Args:
            batch: The step's batch, of which the public numbers alone are used.
            gradient: The release after division by public numbers, [P].
            threshold: Its threshold C.
            weights: The run's weights, by name.
        """
        parts = torch.split(gradient, [p.numel() for p in self._trained])
        for parameter, part in zip(self._trained, parts, strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype).clone()
        if self._mirror is not None:
            self._mirror.mix_(batch, threshold)
        self._federation.change_gradients()
        self._before = self._copy()
        try:
            type(self._optimizer).step(self._optimizer, _no_loss)
        except Exception as error:  # an optimizer of somebody's own may do whatever it likes
            self._note(f"{type(self._optimizer).__name__} cannot step on a release alone ({error})")
            return
        finally:
            for parameter in self._trained:
                parameter.grad = None
        self._compare(weights, f"after a step of round {(self._round or 0) + 1}")

    def delta(self, released: Tensor) -> None:
        """Take in what a client sent, [P] over the shared parameters."""
        self._delta = released.clone()

    def end_turn(self) -> None:
        """End the turn whose last step was made."""
        if self._turn is not None:
            self._turn = None
            self._federation.end_turn(self._optimizer, self._send)

    def _send(self, client: str, delta: list[Tensor]) -> None:
        if self._deltas and self._delta is not None:
            parts = torch.split(self._delta, [tensor.numel() for tensor in delta])
            for tensor, part in zip(delta, parts, strict=True):
                tensor.copy_(part.view_as(tensor))
            self._delta = None

    def end_round(self) -> None:
        """End the round, if one is open."""
        if self._round is not None:
            self.end_turn()
            self._before = self._copy()
            self._federation.end_round()
            self._round = None

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """End the last round, and compare with the weights that the run ends with."""
        self.end_round()
        self._compare(weights, "at the end of the run")

    def _copy(self) -> dict[str, Tensor]:
        own = dict(self._module.named_parameters())
        return {name: own[name].detach().clone() for name in self._names}

    def _compare(self, weights: Mapping[str, Tensor], when: str) -> None:
        own = dict(self._module.named_parameters())
        worst = 0.0
        for name in self._names:
            expected, found = own[name].detach().double(), weights[name].detach().double()
            moved = float(torch.linalg.vector_norm(expected - self._before[name].double()))
            size = float(torch.linalg.vector_norm(expected))
            distance = float(torch.linalg.vector_norm(found - expected))
            error = distance / max(moved, _STILL * size, 1e-30) if distance else 0.0
            if not error <= _TOLERANCE:
                self._note(f"{when}, {name} is not what the releases explain")
            worst = max(worst, error if not math.isnan(error) else math.inf)
        self._errors.append(worst)

    def _note(self, problem: str) -> None:
        self._problem = self._problem or problem

    def check(self) -> Check:
        """Check that the run's weights were at every step, and are in the end, those that follow from releases."""
        if not self._errors:
            return Check(None, reason="no step was compared")
        figures = {"largest_difference": max(self._errors), "compared": len(self._errors)}
        return Check(self._problem is None, figures, self._problem)


def _no_loss() -> Any:
    """What the replay's optimizer is told of the loss: nothing."""
    return torch.tensor(math.nan)
