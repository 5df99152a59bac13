"""Observer of an audited run: looks at every local step and release from within, and holds them against each other."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.membership import Membership, flipped
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.own_models import split_parameters
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.canary_clients import CanaryClients
from adpfl_bench.privacy.audit.checks import Check, release_count
from adpfl_bench.privacy.audit.delta_witness import DeltaWitness
from adpfl_bench.privacy.audit.ledger_watch import LedgerWatch
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.planned_releases import planned_releases
from adpfl_bench.privacy.audit.reference import joined
from adpfl_bench.privacy.audit.replay import Replay
from adpfl_bench.privacy.audit.sampling import ObservedSampling
from adpfl_bench.privacy.audit.sequence_watch import SequenceWatch
from adpfl_bench.privacy.audit.step_attack import FlatRelease, StepAttack
from adpfl_bench.privacy.audit.witness import CHECKS, ReleaseWitness
from adpfl_bench.privacy.clipping import clip_, global_norm
from adpfl_bench.privacy.release_plan import BATCH_SENSITIVITY
from adpfl_bench.tasks.federated_task import FederatedTask

# Shares of a gradient by which it may differ when it is computed again in another batch; GPUs convolve in TF32.
_EXACT, _COARSE = 1e-4, 2e-2

CANARY_CLIENTS = "canary clients"


class AuditObserver:
    """Observer of every local step of a run; it changes nothing.

    Args:
        trainer: The Trainer, at the start of training.
        task: What is trained.
        privacy: The method.
        settings: What the federation is made of.
        datamodule: Who trains on what.
        canaries: The canaries among the examples, if units are examples or patients, or nothing is private.
        clients: The canary clients, if units are clients.
    """

    def __init__(
        self,
        trainer: Trainer,
        task: FederatedTask,
        privacy: DifferentialPrivacy,
        settings: FederatedSettings,
        datamodule: FederatedDataModule,
        canaries: Canaries | None,
        clients: CanaryClients | None,
    ) -> None:
        self._trainer: Any = trainer
        self._task, self._privacy, self._settings, self._data = task, privacy, settings, datamodule
        self._canaries = canaries
        coarse = str(trainer.precision) == "bf16-mixed" or task.device.type != "cpu"
        self._coarse, self._rounding = coarse, _COARSE if coarse else _EXACT
        self._autocast = trainer.precision_plugin.train_step_context
        self._trained = [p for p in task.parameters() if p.requires_grad]
        _check_order(self._trained, trainer.optimizers[0])
        self._order = SequenceWatch(privacy.mechanism, self._batches if privacy.sampling == "fixed" else None)
        self.attack = self._new_attack() if canaries is not None else None
        shared = list(split_parameters(task, settings.local_parameters)[0].values())
        parts = [p.numel() for p in (shared if clients is not None else self._trained)]
        sums = privacy.engine.sums
        self._witness = ReleaseWitness(sums, parts) if sums is not None else None
        self._watch = LedgerWatch(lambda: privacy.ledger, privacy.unit)
        self.deltas: DeltaWitness | None = None
        if clients is not None:
            assert self._witness is not None
            self.deltas = DeltaWitness(privacy.engine, self._witness, self._watch, clients, shared)
        self._sampling = ObservedSampling()
        self._membership: Membership | None = None
        self._units: list[Any] = []
        self._visits = 0
        self._replay = self._new_replay() if sums is not None else None
        self._gradient: Tensor | None = None
        self._rounds, self._step, self._threshold = 0, -1, 0.0

    @property
    def client(self) -> str:
        """Whose epsilon the canaries bound."""
        return CANARY_CLIENTS if self._canaries is None else str(self._canaries.client)

    @property
    def evidence(self) -> NDArray[np.float64]:
        """Log-likelihood ratio of in to out for each canary, [m]."""
        if self.deltas is not None:
            return self.deltas.clients.evidence
        assert self.attack is not None
        return self.attack.evidence

    def accounted(self, delta: float) -> float | None:
        """What is accounted for whom the canaries have joined, or for each canary client; ``None`` for nothing."""
        privacy = self._privacy
        if privacy.accounted.epsilon is None:
            return None
        if self.deltas is not None:
            return max(self.deltas.books.epsilons(delta).values(), default=0.0)
        return privacy.engine.books.epsilons(delta).get(self.client)

    def _new_attack(self) -> StepAttack:
        privacy = self._privacy
        rerun = self._rerun if privacy.engine.clips_units or privacy.unit == "batch" else None
        assert self._canaries is not None
        bands = self._order.coefficients(str(self._canaries.client))
        made = self._task, self._canaries, privacy.mechanism, privacy.memory_budget, self._rounding, rerun
        return StepAttack(*made, bands, privacy.engine.scales, privacy.engine.subspace)

    def _batches(self, client: str) -> int:
        return -(-self._data.unit_sizes[client] // self._data.units_per_step)

    def _new_replay(self) -> Replay:
        """Copy what is trained before anything is, without the Trainer, the data or this audit."""
        task, optimizer = self._task, self._trainer.optimizers[0]
        memo: dict[int, Any] = {id(self._trainer): None, id(task.local_step): None}
        memo |= {id(factory): factory for factory in (task.optimizer, task.lr_scheduler)}
        module = copy.deepcopy(task, memo)
        made = (self._settings.client_optimizer or task.optimizer)(module.parameters())
        own = made if type(made) is type(optimizer) else copy.deepcopy(optimizer, memo)
        settings = replace(
            self._settings,
            client_method=copy.deepcopy(self._settings.client_method),
            aggregator=copy.deepcopy(self._settings.aggregator),
        )
        mirror = run.of(module, module.example_losses) if (run := self._privacy.engine.mirror) else None
        return Replay(module, own, settings, self._data.train_sizes, self._privacy.unit == "client", mirror)

    def _weights(self) -> dict[str, Tensor]:
        return dict(self._task.named_parameters())

    def begin(self, batch: TrainingBatch) -> None:
        """Look at the weights before a step, and at who is in it."""
        if batch.round + 1 != self._rounds:
            self._end_round()
            self._step = -1
        self._rounds = batch.round + 1
        self._step += 1
        steps = self._trainer.train_dataloader.steps
        if self._privacy.unit not in ("none", "client"):
            if self._membership is None:
                assert self._canaries is not None
                assert self._canaries.dataset is not None
                training = self._data.training
                self._membership = Membership(self._canaries.dataset, training.examples, training.patients)
            self._units, problem = self._membership.see(steps[self._step], batch)
            problem = self._order.order(batch, self._units) or problem
            self._visits = self._sampling.see(batch.client, self._units, problem)
        if self._replay is not None:
            turns = Counter((step.client, step.turn) for step in steps)
            self._replay.begin(batch, turns, self._trainer.optimizers[0], self._weights())
        if self.deltas is not None:
            self.deltas.begin(batch)

    def see_release(self, batch: TrainingBatch, seen: StepObservation) -> None:
        """Check a release, and attack it if it is the audited client's."""
        assert self._witness is not None
        assert self.attack is not None
        exact, released = self._flat(seen.exact), self._flat(seen.released)
        privacy = self._privacy
        assert privacy.mechanism is not None
        stated = self._watch.release(seen.client, self._visits)
        event = stated or privacy.mechanism.event(privacy.noise_multiplier or 0.0)
        fresh = self._order.fresh(batch, released - exact, seen.threshold)
        how = batch.planned_units, event, fresh, privacy.engine.subspace.basis
        scale = self._witness.see(seen, exact, released, *how).scale
        if self._membership is not None:
            population = self._membership.population(batch.client)
            entered = self._watch.entered(batch.client)
            self._sampling.count(batch.client, self._units, population, event.sampling_rate, entered)
        self._look(batch, FlatRelease(exact, released, seen.threshold, scale, event.norm))
        divisor = float(batch.divisor) if privacy.engine.clips_units else 1.0
        divisor *= seen.threshold if privacy.normalize and seen.threshold > 0 else 1.0
        self._gradient, self._threshold = joined(released, privacy.engine.subspace) / divisor, seen.threshold

    def see_gradient(self, batch: TrainingBatch) -> None:
        """Look at what the optimizer steps on, before the client's method adds what it computes of releases.

        Where nothing is private, the gradient as it is is attacked.
        """
        if self._privacy.unit == "none":
            flat = self._own_gradient()
            self._look(batch, FlatRelease(flat, flat, torch.inf, 0.0))
        elif self._witness is not None and self._gradient is not None:
            self._witness.used(self._own_gradient(), self._gradient)

    def end(self, batch: TrainingBatch) -> None:
        """Look at the weights after a step."""
        if self._replay is not None and self._gradient is not None:
            self._replay.step(batch, self._gradient, self._threshold, self._weights())
            self._gradient = None
        if self._replay is not None and batch.last and (self.deltas is None or batch.turn == "personal"):
            self._replay.end_turn()

    def see_delta(self, client: str, raw: list[Tensor], seen: StepObservation) -> None:
        """Check what a client sends."""
        assert self.deltas is not None
        assert self._replay is not None
        self._replay.delta(self.deltas.see(raw, seen))
        self._replay.end_turn()

    def _end_round(self) -> None:
        if self.deltas is not None and self._rounds > 0:
            self.deltas.end_round()

    def finish(self) -> None:
        """End the last round, and look at the weights that the run ends with."""
        self._end_round()
        if self._replay is not None:
            self._replay.finish(self._weights())

    def _look(self, batch: TrainingBatch, seen: FlatRelease) -> None:
        assert self._canaries is not None
        assert self.attack is not None
        with torch.no_grad(), self._autocast():
            if batch.client == self._canaries.client:
                self.attack.see(batch, seen)
            elif self._privacy.unit != "none":
                self.attack.see_others(batch, seen)

    def _flat(self, tensors: list[Tensor]) -> Tensor:
        """One vector of all that the audit knows to be trained, in the module's order."""
        optimizer = self._trainer.optimizers[0]
        trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        places = {id(parameter): place for place, parameter in enumerate(trained)}
        return torch.cat([tensors[places[id(parameter)]].flatten() for parameter in self._trained])

    def _own_gradient(self) -> Tensor:
        return torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in self._trained])

    def _rerun(self, batch: TrainingBatch, canary: int | None, threshold: float) -> Tensor:
        """Make a step once more by the run's own path, with a canary flipped, if any, and nothing learned from it."""
        assert self._canaries is not None
        engine, rule, mechanism = self._privacy.engine, self._privacy.threshold, self._privacy.mechanism
        assert rule is not None
        assert mechanism is not None
        other = batch if canary is None else flipped(batch, canary, self._canaries.examples_of(canary))
        kept = dict(vars(rule))
        rule.__dict__.update(current=lambda client: threshold, observe=lambda client, norms: None)
        try:
            with torch.random.fork_rng(), torch.enable_grad(), self._autocast():
                loss = self._task.training_step(other, 0)
                parts = torch.autograd.grad(loss, self._trained, allow_unused=True, materialize_grads=True)
        finally:
            rule.__dict__.clear()
            rule.__dict__.update(kept)
        gradient = [part.clone() for part in parts]
        if engine.clips_units:
            engine.forget_step()
        else:
            clip_(gradient, global_norm(gradient, mechanism.norm), threshold)
        return torch.cat([part.flatten() for part in gradient])

    def checks(self) -> dict[str, Check]:
        """All named checks."""
        privacy = self._privacy
        if self._witness is None:
            return dict.fromkeys(CHECKS, Check(None, reason="the method is not private"))
        by_step = self.deltas or self.attack
        assert by_step is not None
        assert self._replay is not None
        limit = BATCH_SENSITIVITY if privacy.unit == "batch" else 1.0
        errors = [] if self._coarse else by_step.errors
        found = self._witness.checks(by_step.moves, limit, 10 * self._rounding, errors)
        found["sampling"] = self._sampling.check()
        plan, sizes = privacy.engine.plan, self._data.unit_sizes
        assert plan is not None
        assert privacy.noise_multiplier is not None
        planned = planned_releases(plan, privacy.noise_multiplier, self._settings.schedule, sizes, self._rounds)
        made = {client: privacy.ledger.events(client) for client in sizes}
        beside = self.deltas.clients.names if self.deltas is not None else ()
        own = {name: count for name, count in self._witness.released.items() if name not in beside}
        found["release count"] = release_count(*planned, own, made)
        found["ledger"] = self._watch.check()
        found["weights"] = self._replay.check()
        return found


def _check_order(trained: Sequence[Tensor], optimizer: Optimizer) -> None:
    own = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    if {id(p) for p in own} != {id(p) for p in trained}:
        raise ConfigError("An audit needs an optimizer of all parameters of the model that are trained.")
