"""Privacy audit from within a run: canaries, the strongest attack on them, and named checks of every release."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from adpfl_bench.callbacks.audit_observer import AuditObserver
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.privacy_checks import check_private_task
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.canary_clients import CanaryClients
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.one_run import audit, ceiling
from adpfl_bench.privacy.audit.verdict import verdict
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism
from adpfl_bench.records.blocks import AuditedBlock, CheckBlock
from adpfl_bench.tasks.federated_task import FederatedTask


class PrivacyAudit(Callback):
    """Privacy audit: canaries join one client, its releases are attacked, and epsilon is bounded from below.

    The attack is white-box: it sees every release of the client (the noised sum after each local step), the weights
    at every step, and all units but the canaries. Where units are clients, canaries are clients that release beside the
    run. Its checks take what should have happened from the ledger alone; an honest run fails one with probability at
    most :data:`~adpfl_bench.privacy.audit.error_rates.ERROR_RATE`. A FederatedLoop lets it take part.

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
        self._clients: CanaryClients | None = None

    def plant(self, privacy: DifferentialPrivacy, seed: int) -> Canaries | None:
        """Make the canaries, which join the data with the run's plan; ``None`` where they are clients of their own.

        Raises:
            ConfigError: This method cannot be audited.
        """
        mechanism = privacy.mechanism
        if isinstance(mechanism, SummedGaussianMechanism) and mechanism.honest_clients > 1:
            raise ConfigError(
                f"An audit attacks what each client sends, but the noise of {type(mechanism).__name__} is that of"
                f" {mechanism.honest_clients} clients together: audit the run with honest_clients: 1, where each has"
                " all of it."
            )
        if privacy.unit == "client":
            if self.client is not None or self.records is not None:
                raise ConfigError(
                    "With privacy.unit client each canary is a whole client that releases by itself: leave out"
                    " audit.client and audit.records."
                )
            self._clients = CanaryClients(self.count, seed)
            return None
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
        settings: FederatedSettings,
        datamodule: FederatedDataModule,
    ) -> None:
        """Check that gradients can be told apart and computed again.

        Raises:
            ConfigError: They cannot.
        """
        self._task, self._privacy, self._settings, self._data = task, privacy, settings, datamodule
        if self._clients is not None:
            return  # no gradient of theirs is computed
        check_private_task(task)
        for name, layer in task.named_modules():
            if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0:
                raise ConfigError(
                    f"{name} is {type(layer).__name__}, so that gradients cannot be computed again as an audit needs:"
                    " set its probability to 0 (model.network_arguments.dropout: 0)."
                )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Come last: what other callbacks do to the weights in the end is to be seen."""
        untyped: Any = trainer
        untyped.callbacks = [*(other for other in untyped.callbacks if other is not self), self]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin with nothing seen.

        Raises:
            ConfigError: The run continues from a checkpoint, or the optimizer has other parameters than the module.
        """
        if trainer.current_epoch > 0:
            raise ConfigError("An audit must see every release of a run from its first round on: start it anew.")
        self._observer = AuditObserver(
            trainer, self._task, self._privacy, self._settings, self._data, self._canaries, self._clients
        )

    def begin(self, batch: TrainingBatch) -> None:
        """Look at the weights before a step, and at who is in it."""
        self._observer.begin(batch)

    def see_release(self, batch: TrainingBatch, seen: StepObservation) -> None:
        """Check a release, and attack it if it is the audited client's."""
        self._observer.see_release(batch, seen)

    def see_gradient(self, batch: TrainingBatch) -> None:
        """Look at what the optimizer steps on."""
        self._observer.see_gradient(batch)

    def end(self, batch: TrainingBatch) -> None:
        """Look at the weights after a step."""
        self._observer.end(batch)

    def see_delta(self, client: str, raw: list[Tensor], seen: StepObservation) -> None:
        """Check what a client sends."""
        self._observer.see_delta(client, raw, seen)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bound epsilon, and compare it with what is accounted for the client."""
        privacy, seen = self._privacy, self._observer
        seen.finish()
        delta = self.delta or privacy.delta
        coins: Canaries | CanaryClients | None = self._clients or self._canaries
        assert coins is not None
        by_rank = not (privacy.sampling == "poisson" and privacy.engine.clips_units)
        gaussian = privacy.accounted.accountant == "Gaussian DP"
        bound = audit(seen.evidence, coins.included, delta, self.confidence, self.guesses, by_rank, gaussian)
        accounted, checks = seen.accounted(delta), seen.checks()
        self.result = AuditedBlock(
            epsilon=bound.epsilon,
            confidence=self.confidence,
            delta=delta,
            canaries=self.count,
            included=int(coins.included.sum()),
            guesses=bound.guesses,
            correct=bound.correct,
            guesses_tried=tuple(bound.tried),
            ceiling=ceiling(self.count, delta, self.confidence, self.guesses),
            mu=bound.mu,
            epsilon_f_dp=None if bound.mu is None else gaussian_epsilon(bound.mu, delta),
            client=seen.client,
            accounted=accounted,
            checks={name: CheckBlock.model_validate(check.describe()) for name, check in checks.items()},
            verdict=verdict(bound.epsilon, accounted, checks),
        )
        privacy.audited = self.result
