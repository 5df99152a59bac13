"""Differential privacy of what each client sends, as a Trainer callback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from adpfl_bench.callbacks import privacy_checks as checks
from adpfl_bench.callbacks.checkpoint_blocks import reading_block
from adpfl_bench.callbacks.plain_privacy import PlainPrivacy
from adpfl_bench.callbacks.privacy_metrics import epsilon_metrics, release_metrics
from adpfl_bench.callbacks.privacy_record import SECRET_NOISE, SEEDED_NOISE, ProtectedUnits, accounted_block
from adpfl_bench.callbacks.release_settings import release_settings
from adpfl_bench.callbacks.releases_to_come import PlannedReleases
from adpfl_bench.callbacks.run_books import RunBooks
from adpfl_bench.callbacks.run_guarantee import RunGuarantee
from adpfl_bench.callbacks.run_reservation import RunReservation
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.accounting import Accounted
from adpfl_bench.privacy.guarantee import PrivacySetting
from adpfl_bench.privacy.ledger import PrivacyLedger, PrivacyUnit, Sampling
from adpfl_bench.privacy.lineage import Ancestor
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.records.blocks import AuditedBlock, PrivacyBlock
from adpfl_bench.records.protected import unit_text
from adpfl_bench.records.round_metrics import RoundMetric
from adpfl_bench.seeding import Draws, SecretDraws, SeededDraws
from adpfl_bench.tasks.federated_task import FederatedTask


class DifferentialPrivacy(PlainPrivacy):
    """Differential privacy: what each client sends is made private before anybody else sees it.

    * ``unit: batch`` (the published rule): the gradient of a batch's mean loss is clipped to the client's threshold C
      and receives noise of scale ``z C`` in every coordinate. It protects one example, at sensitivity 2C, one release
      per local epoch; a patient with several examples is not protected.
    * ``unit: record`` or ``patient``: every unit's gradient (the sum over its examples) is clipped to C; their sum
      receives noise of scale ``z C`` and is divided by a public number of units. The loss must not mix examples.
    * ``unit: client``: what a client sends at the end of its turn, the change of its weights, is clipped and noised.
      Each client noises its own, since the server is not trusted.

    A threshold that learns from a noised statistic shares the budget with the gradient; z is what they have together.

    A FederatedLoop of the same Trainer asks it at every step, in whatever order the callbacks stand. Without one it
    makes any LightningModule private that has a loss per example, on a plain DataLoader; see
    :class:`~adpfl_bench.callbacks.plain_privacy.PlainPrivacy`.

    Args:
        unit: ``none``, ``batch``, ``record``, ``patient`` or ``client``.
        threshold: Rule for the clipping threshold C.
        mechanism: Law of the noise.
        noise_multiplier: Noise scale z in units of C, at least 0; or ``null`` with ``target_epsilon``.
        target_epsilon: The accounted epsilon that the run may reach with its last round; z is solved for before
            anything is trained.
        delta: The delta at which epsilon is accounted; at most 0.01, and at most 1 / (2 units of the largest client).
        units_per_step: Units of a local step, in place of ``data.batch_size``: large steps suit noise, and one
            larger than every client makes each pass a single step. Memory for gradients does not grow with it.
        views: How often a record's or patient's examples are in a step, augmented anew; their mean gradient is clipped.
        sampling: ``shuffle`` visits every unit once per local epoch, and claims no amplification; ``poisson`` draws
            each unit independently for every step; ``fixed`` deals units out to batches that take turns for the whole
            run, as correlated noise needs. The latter two are for the units record and patient.
        normalize: Divide each release by C, so that the learning rate need not follow the threshold.
        secure: Draw noise from the operating system and harden the release against attacks on floating-point numbers.
            Such a run cannot be repeated, and a run that is resumed spends the broken-off round's budget twice.
        memory_budget: MiB that the gradients and activations of a chunk of examples may take.
        nominal_epsilon: The epsilon that the method's authors state; recorded as such and used for nothing.
        account: Folder of the account of the cohort (``adpfl-bench account create``): the run reserves there what it
            plans, and is refused where no room is left for it.

    Attributes:
        engine: What stands between a client's gradients and everybody else.
        audited: What an audit found, for the record.
        units: What the units are, as the dataset states them.
        guarantee: What a proof supports of the run.
        run_books: Connects what is released with the run, its checkpoints and the runs before it.
        reservation: Connects the run with the account of its cohort.

    Raises:
        ConfigError: A value is out of range, the Trainer or the network would change what is released, or no noise
            reaches the target.
    """

    def __init__(
        self,
        unit: PrivacyUnit = "none",
        threshold: Threshold | None = None,
        mechanism: Mechanism | None = None,
        noise_multiplier: float | None = 0.0,
        target_epsilon: float | None = None,
        delta: float = 1e-4,
        units_per_step: int | None = None,
        sampling: Sampling = "shuffle",
        normalize: bool = False,
        secure: bool = False,
        memory_budget: float = 1024.0,
        nominal_epsilon: float | None = None,
        account: Path | None = None,
        views: int = 1,
    ) -> None:
        checks.check_settings(unit, sampling, delta, units_per_step, memory_budget, nominal_epsilon, views)
        if unit != "none":
            checks.check_method(unit, threshold, mechanism, noise_multiplier, target_epsilon, sampling)
        self.unit: PrivacyUnit = unit
        self.threshold = threshold
        self.mechanism = mechanism
        self.noise_multiplier = noise_multiplier
        self.target_epsilon = target_epsilon
        self.delta = delta
        self.units_per_step = units_per_step
        self.views = views
        self.sampling: Sampling = sampling
        self.normalize = normalize
        self.secure = secure
        self.memory_budget = memory_budget
        self.nominal_epsilon = nominal_epsilon
        self.engine = PrivacyEngine(unit, threshold, mechanism, normalize, secure)
        self.audited: AuditedBlock | None = None
        self.guarantee = RunGuarantee(PrivacySetting(unit, threshold, mechanism, noise_multiplier, sampling))
        self.units = ProtectedUnits.of(unit)
        self.run_books = RunBooks(self.engine)
        self.reservation = RunReservation(account, self.engine.books, secure, lambda: self.accounted.reason)
        self.reservation.check_reason()

    @property
    def ledger(self) -> PrivacyLedger:
        """The releases since the run's start, as far as the checkpoint that it continues from knows."""
        return self.engine.books.ledger

    def prepare(
        self,
        trainer: Trainer,
        task: FederatedTask,
        federation: FederatedSettings,
        datamodule: FederatedDataModule,
        training: bool,
    ) -> None:
        """Check Trainer, network and delta, and settle the noise, before anything is trained.

        FederatedLoop calls it when the datamodule knows who trains on what. Without training, cases are only scored.

        Raises:
            ConfigError: As the class says.
        """
        self.units = ProtectedUnits.of(self.unit, datamodule)
        if training:
            self.run_books.open(Path(trainer.default_root_dir), task.lineage)
        if not training or self.unit == "none":
            return
        checks.check_private_trainer(trainer)
        checks.check_private_federation(self.unit, federation)
        checks.check_delta(self.delta, self.unit, datamodule.unit_sizes, self.units.counted)
        self.guarantee.decide(trainer, task, federation, datamodule)
        schedule, word = federation.schedule, str(self.units.word)
        plan = self.settle_noise(schedule, datamodule.unit_sizes, datamodule.units_per_step)
        checks.check_room(self.engine, task, datamodule.unit_sizes)
        self.reservation.plan(lambda z: PlannedReleases.of(plan, z, schedule, datamodule, word), self.noise_multiplier)
        if self.engine.clips_units:
            checks.check_private_task(task)
            self.engine.clip_units_of(task, task.example_losses, self.memory_budget, self.views)

    def draws(self, seed: int) -> Draws:
        """Return where the chance of training comes from: of the operating system too, where the noise is."""
        return SecretDraws() if self.secure and self.unit != "none" else SeededDraws(seed)

    def begin(
        self, trainer: Trainer, task: FederatedTask, federation: FederatedSettings, datamodule: FederatedDataModule
    ) -> None:
        """Settle the key of the noise, and what earlier runs of the same data count, before the first step.

        FederatedLoop calls it when a checkpoint has been loaded.
        """
        kind, cohort, division = datamodule.describe().kind, datamodule.fingerprint, datamodule.division
        seed, contents = federation.schedule.seed, datamodule.contents.digest
        own = Ancestor("", kind, cohort, division, self.unit, seed=seed, contents=contents)
        untyped: Any = trainer

        def settings() -> dict[str, Any]:
            return release_settings(task, datamodule, federation, self.settings, str(untyped.precision))

        self.run_books.begin(own, task, settings, untyped.strategy.root_device, lambda: self.accounted.reason)
        self.reservation.reserve(task.lineage, cohort)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask the account of the cohort, before anything is written."""
        self.reservation.demand(self.run_books.run)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Look for the journal of the run that is resumed."""
        super().on_load_checkpoint(trainer, pl_module, checkpoint)
        if self.unit != "none" and trainer.state.fn == "fit":
            self.run_books.look_beside(trainer, checkpoint)
            self.reservation.go_on(checkpoint)

    def settle_noise(self, schedule: RoundSchedule, units: Mapping[str, int], units_per_step: int) -> ReleasePlan:
        """Solve for the noise if a target is given, and return what the run will release; units are by client.

        Raises:
            ConfigError: No noise reaches the target, there is no guarantee to calibrate, or the threshold leaves
                nothing of the budget.
        """
        assert self.mechanism is not None
        plan = ReleasePlan(self.unit, self.sampling, units_per_step, self.mechanism)
        if self.target_epsilon is not None:
            if reason := self.guarantee.found.reason:
                raise ConfigError(
                    f"privacy.target_epsilon is {self.target_epsilon}, but no epsilon can be accounted: {reason}. State"
                    " privacy.noise_multiplier instead."
                )
            self.noise_multiplier = plan.calibrate(self.target_epsilon, self.delta, schedule, units)
        assert self.noise_multiplier is not None
        self.engine.settle(plan, self.noise_multiplier)
        return plan

    @property
    def accounted(self) -> Accounted:
        """The guarantee that is proved for everything released so far."""
        found = self.guarantee.found
        if found.reason:
            return Accounted(None, self.delta, found.reason)
        return replace(self.engine.books.accounted(self.delta, found.admitted), claimed=found.claimed)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that changes what is released, for the key of its noise."""
        names = ("unit", "threshold", "mechanism", "noise_multiplier", "sampling", "normalize", "secure")
        plan = {"plan": self.engine.plan.units_per_step if self.engine.plan else None}
        views = {"views": self.views} if self.views > 1 else {}  # so that other runs keep the key that they had
        return {name: getattr(self, name) for name in names} | plan | views | self.engine.public_key

    def describe(self) -> PrivacyBlock:
        """Return the privacy block of a run record."""
        private, plan, accounted = self.unit != "none", self.engine.plan, self.accounted
        settings: dict[str, Any] = {
            "adjacency": "zero-out",
            "mechanism": type(self.mechanism).__name__,
            **({"clipping_norm": m.norm, "trust": m.trust} if (m := self.mechanism) is not None else {}),
            "threshold": type(self.threshold).__name__,
            "noise_multiplier": self.noise_multiplier,
            "target_epsilon": self.target_epsilon,
            "sampling": self.sampling,
            "units_per_step": plan.units_per_step if plan is not None else None,
            "views": self.views if self.engine.clips_units else None,
            "secure": self.secure,
            "nominal_epsilon": self.nominal_epsilon,
        }
        stated: dict[str, Any] = settings if private else dict.fromkeys(settings)
        return PrivacyBlock(
            unit=self.unit,
            **stated,
            protects=self.units.word,
            units_per_person=self.units.most_per_person,
            accounted=accounted_block(accounted, self.units.group_epsilon(accounted, self.engine.books, self.unit)),
            audited=self.audited,
            ledger=self.engine.books.spent.state_dict(),
        )

    def promise(self) -> str:
        """Return the run's promise, in one line for its start."""
        if self.unit == "none":
            return "none, and none claimed"
        threshold, mechanism = type(self.threshold).__name__, type(self.mechanism).__name__
        unit, noise = unit_text(self.unit, str(self.units.word)), SECRET_NOISE if self.secure else SEEDED_NOISE
        rule = f"unit {unit}, {threshold}, {mechanism} with z = {self.noise_multiplier:.4g}"
        if self.guarantee.found.reason:
            return f"{rule}; accounted epsilon: none, since {self.guarantee.found.reason}; {noise}"
        rule += "".join(f"; claimed by the author of {claim}" for claim in self.guarantee.found.claimed)
        if self.target_epsilon is None:
            return f"{rule}; epsilon is accounted at delta {self.delta:g} as the run goes on; {noise}"
        return f"{rule}, for epsilon {self.target_epsilon:g} at delta {self.delta:g} after the last round; {noise}"

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Thresholds, noise scales, gradient-norm quantiles and accounted epsilon of the round, by client."""
        return [*release_metrics(self.engine.released), *epsilon_metrics(self.accounted)]

    def state_dict(self) -> dict[str, Any]:
        """Thresholds, ledger and what the guarantee has become, as plain values."""
        threshold = self.threshold.state_dict() if self.threshold else {}
        return {"threshold": threshold, "guarantee": self.guarantee.state_dict(), **self.run_books.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore thresholds and ledger; what has been withdrawn before stays withdrawn.

        Raises:
            CheckpointError: They are not those of such a run.
        """
        with reading_block("callbacks.DifferentialPrivacy"):
            self.guarantee.load_state_dict(state_dict.get("guarantee", {}))
            if self.threshold:
                self.threshold.load_state_dict(state_dict["threshold"])
            self.run_books.load_state_dict(state_dict)
