"""Privacy audit from within a run: canaries, the strongest attack on them, and named checks of every release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.privacy_checks import check_private_task
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.checks import Check, release_count
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.one_run import audit, ceiling
from adpfl_bench.privacy.audit.step_attack import FlatRelease, StepAttack
from adpfl_bench.privacy.audit.verdict import verdict
from adpfl_bench.privacy.audit.witness import CHECKS, ReleaseWitness
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.release_plan import BATCH_SENSITIVITY
from adpfl_bench.records.blocks import AuditedBlock, CheckBlock
from adpfl_bench.tasks.federated_task import FederatedTask

# Shares of a gradient by which it may differ when it is computed again in another batch; GPUs convolve in TF32.
_EXACT = 1e-4
_COARSE = 2e-2


class PrivacyAudit(Callback):
    """Privacy audit: canaries join one client, its releases are attacked, and epsilon is bounded from below.

    The attack is white-box: it sees every release of the client (the noised sum after each local step), the weights
    at every step, and all units but the canaries. A FederatedLoop of the same Trainer lets it take part.

    Args:
        canaries: Number of canaries. The more there are, the higher the bound can become, and the less is the run like
            one without.
        client: Whom they join; by default the client with the fewest units.
        guesses: Number of canaries that a guess is made about; by default the best of 100 %, 50 % and 20 % of them, at
            a third of the error probability each.
        confidence: Probability that the bound is not too high.
        delta: The delta that epsilon is bounded at; by default ``privacy.delta``.
        records: Examples of each canary where units are patients; by default 2.

    Attributes:
        result: What was found; it goes into the run record as ``privacy.audited``.

    Raises:
        ConfigError: A number is out of range, or this run cannot be audited.
    """

    def __init__(
        self,
        canaries: int = 100,
        client: str | None = None,
        guesses: int | None = None,
        confidence: float = 0.95,
        delta: float | None = None,
        records: int | None = None,
    ) -> None:
        if not 0 < confidence < 1:
            raise ConfigError(f"audit.confidence must lie between 0 and 1, but it is {confidence}.")
        if delta is not None and not 0 < delta < 1:
            raise ConfigError(f"audit.delta must lie between 0 and 1, but it is {delta}.")
        ceiling(canaries, delta or 0.0, confidence, guesses)  # refuses numbers that are out of range
        self.count = canaries
        self.client = client
        self.guesses = guesses
        self.confidence = confidence
        self.delta = delta
        self.records = records
        self.result: AuditedBlock | None = None
        self._canaries: Canaries | None = None
        self._rounds = 0
        self._divisor = 1.0

    def plant(self, privacy: DifferentialPrivacy, seed: int) -> Canaries:
        """Make the canaries, which join the data with the run's plan.

        Raises:
            ConfigError: This method cannot be audited.
        """
        if privacy.unit == "client":
            raise ConfigError(
                "privacy.unit is client, which an audit with canaries cannot test: a canary would have to be a whole"
                " client. Audit with the unit record, patient, batch or none."
            )
        by_patient = privacy.unit == "patient"
        if self.records not in (None, 1) and not by_patient:
            raise ConfigError(
                f"audit.records is {self.records}, but with privacy.unit {privacy.unit} a canary is one example."
            )
        records = self.records or (2 if by_patient else 1)
        self._canaries = Canaries(self.count, seed, records, by_patient, self.client, privacy.engine.clips_units)
        return self._canaries

    def prepare(
        self,
        task: FederatedTask,
        privacy: DifferentialPrivacy,
        schedule: RoundSchedule,
        datamodule: FederatedDataModule,
    ) -> None:
        """Check that gradients can be told apart and computed again.

        Raises:
            ConfigError: They cannot.
        """
        check_private_task(task)
        for name, layer in task.named_modules():
            if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0:
                raise ConfigError(
                    f"{name} is {type(layer).__name__}, so that gradients cannot be computed again as an audit needs:"
                    " set its probability to 0 (model.network_arguments.dropout: 0)."
                )
        self._task, self._privacy, self._schedule, self._data = task, privacy, schedule, datamodule

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with nothing seen.

        Raises:
            ConfigError: The run continues from a checkpoint, or the optimizer has other parameters than the module.
        """
        assert self._canaries is not None
        if trainer.current_epoch > 0:
            raise ConfigError("An audit must see every release of a run from its first round on: start it anew.")
        privacy = self._privacy
        coarse = str(trainer.precision) == "bf16-mixed" or self._task.device.type != "cpu"
        rounding = _COARSE if coarse else _EXACT
        self._attack = StepAttack(self._task, self._canaries, privacy.mechanism, privacy.memory_budget, rounding)
        self._rounding = rounding
        self._order = _order(self._task, trainer.optimizers[0])
        sums = privacy.engine.sums
        self._witness = ReleaseWitness(sums) if sums is not None else None
        self._autocast = trainer.precision_plugin.train_step_context

    def see_release(self, batch: TrainingBatch, seen: StepObservation) -> None:
        """Check a release, and attack it if it is the audited client's."""
        assert self._witness is not None
        exact, released = self._flat(seen.exact), self._flat(seen.released)
        scale = self._witness.see(seen, exact, released, batch.planned_units)
        self._look(batch, FlatRelease(exact, released, seen.threshold, scale))
        self._divisor = float(batch.divisor) if self._privacy.engine.clips_units else 1.0
        if self._privacy.normalize and seen.threshold > 0:
            self._divisor *= seen.threshold

    def see_gradient(self, batch: TrainingBatch) -> None:
        """Look at what the optimizer steps on, before the client's method adds what it computes of releases.

        Where nothing is private, the gradient as it is is attacked.
        """
        self._rounds = batch.round + 1
        if self._witness is not None:
            self._witness.used(self._gradient(), self._divisor)
        elif self._privacy.unit == "none":
            flat = self._gradient()
            self._look(batch, FlatRelease(flat, flat, torch.inf, 0.0))

    def _gradient(self) -> Tensor:
        parameters = [p for p in self._task.parameters() if p.requires_grad]
        return torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in parameters])

    def _look(self, batch: TrainingBatch, seen: FlatRelease) -> None:
        assert self._canaries is not None
        if batch.client == self._canaries.client:
            with torch.no_grad(), self._autocast():
                self._attack.see(batch, seen)

    def _flat(self, tensors: list[Tensor]) -> Tensor:
        return torch.cat([tensors[place].flatten() for place in self._order])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bound epsilon, and compare it with what is accounted for the client."""
        assert self._canaries is not None
        privacy = self._privacy
        delta = self.delta or privacy.delta
        included = self._canaries.included
        by_rank = not (privacy.sampling == "poisson" and self._canaries.clipped)
        gaussian = privacy.accounted.accountant == "Gaussian DP"
        bound = audit(self._attack.evidence, included, delta, self.confidence, self.guesses, by_rank, gaussian)
        claims = privacy.accounted.epsilon is not None
        client = self._canaries.client
        assert client is not None
        accounted = privacy.engine.books.epsilons(delta).get(client) if claims else None
        checks = self._checks()
        self.result = AuditedBlock(
            epsilon=bound.epsilon,
            confidence=self.confidence,
            delta=delta,
            canaries=self.count,
            included=int(included.sum()),
            guesses=bound.guesses,
            correct=bound.correct,
            guesses_tried=tuple(bound.tried),
            ceiling=ceiling(self.count, delta, self.confidence, self.guesses),
            mu=bound.mu,
            epsilon_f_dp=None if bound.mu is None else gaussian_epsilon(bound.mu, delta),
            client=client,
            accounted=accounted,
            checks={name: CheckBlock.model_validate(check.describe()) for name, check in checks.items()},
            verdict=verdict(bound.epsilon, accounted, checks),
        )
        privacy.audited = self.result

    def _checks(self) -> dict[str, Check]:
        privacy = self._privacy
        if self._witness is None:
            return dict.fromkeys(CHECKS, Check(None, reason="the method is not private"))
        limit = BATCH_SENSITIVITY if privacy.unit == "batch" else 1.0
        found = self._witness.checks(self._attack.moves, limit, 10 * self._rounding)
        found["release count"] = self._release_count(self._witness.released)
        return found

    def _release_count(self, released: Mapping[str, int]) -> Check:
        privacy, data = self._privacy, self._data
        assert privacy.engine.plan is not None
        assert privacy.noise_multiplier is not None
        sizes, schedule = data.unit_sizes, self._schedule
        planned: Counter[str] = Counter()
        for round_index in range(self._rounds):
            for visit in schedule.visits(round_index, list(sizes)):
                planned[visit.client] += visit.steps(sizes[visit.client], data.units_per_step)
        events = privacy.engine.plan.events_by_round(privacy.noise_multiplier, schedule, sizes)
        *_, ledger = islice(events, self._rounds)
        made = {client: privacy.ledger.events(client) for client in sizes}
        return release_count(planned, released, ledger, made)


def _order(task: FederatedTask, optimizer: Optimizer) -> list[int]:
    """Where each of the module's parameters is among the optimizer's."""
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    places = {id(parameter): place for place, parameter in enumerate(trained)}
    own = [p for p in task.parameters() if p.requires_grad]
    if {id(p) for p in own} != set(places):
        raise ConfigError("An audit needs an optimizer of all parameters of the model that are trained.")
    return [places[id(parameter)] for parameter in own]
