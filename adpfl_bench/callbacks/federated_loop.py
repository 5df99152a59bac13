"""Federated training as a Trainer callback: one epoch is one round."""

from __future__ import annotations

from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import OptimizerCallable

from adpfl_bench.callbacks.asked_round import AskedRound, assembled, kept
from adpfl_bench.callbacks.checkpoint_blocks import check_federation, check_loops, check_optimizer
from adpfl_bench.callbacks.data_changes import data_state
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federation_record import describe_federation
from adpfl_bench.callbacks.lookup import federated_data, find_callback, need_task
from adpfl_bench.callbacks.model_loading import ModelLoading
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.callbacks.privacy_exchange import exchange_privacy
from adpfl_bench.callbacks.process_checks import check_processes, check_same_start
from adpfl_bench.callbacks.run_plan import run_plan
from adpfl_bench.callbacks.trainer_checks import check_accumulation, check_optimizers, check_trainer
from adpfl_bench.errors import BenchError
from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.aggregation_weights import AggregationWeights, WeightRule
from adpfl_bench.federation.aggregator import Aggregator
from adpfl_bench.federation.buffers import BufferPolicy
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.federation.client_optimizer import OptimizerStatePolicy
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.federation import Federation
from adpfl_bench.federation.round_progress import RoundProgress
from adpfl_bench.federation.round_schedule import Availability, RoundSchedule
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.local_step import LocalStep
from adpfl_bench.records.blocks import FederatedBlock
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric


class FederatedLoop(ModelLoading):
    """Federated training of one resident module with one optimizer.

    The datamodule's loader brings every participant's local steps of a round in sequence. When the client changes,
    the global weights are copied into the module in place; when a client's last batch is done, its delta joins the
    aggregate; with the round's last batch the server optimizer turns that into new global weights.
    Lightning validates, checkpoints and logs after that, so all of them see the aggregated model. Memory on the device
    does not grow with the number of clients.

    At start it hands the datamodule its plan and the task its :class:`~adpfl_bench.privacy.local_step.LocalStep`, in
    which DifferentialPrivacy and a PrivacyAudit of the same Trainer have their places, in whatever order the callbacks
    stand. For each client's turn torch's global generators are seeded, so that dropout, say, is the same when the run
    is resumed or visits its clients in another order.

    Args:
        rounds: Number of federated rounds.
        participation: Fraction of the clients that take part in a round, in (0, 1].
        clients_per_round: Number of participants instead of a fraction.
        local_epochs: Passes over its training examples that a participant makes in a turn.
        local_steps: Optimizer steps of a participant in a turn, instead of whole passes.
        client_optimizer: The clients' local optimizer, in place of the task's. Its schedule stays the task's.
        server_optimizer: Steps the global weights on the pseudo-gradient; ``SGD(lr=1)`` is FedAvg. Others are in
            :mod:`adpfl_bench.federation.server_optimizers`.
        client_optimizer_state: ``reset`` clears the local optimizer's state for each turn of a client, ``keep`` gives
            each client its own back.
        buffers: What happens to running statistics, if the network has any; see FederatedBuffers.
        seed: Seed of everything random in the federation; the command line links it to ``seed_everything``.
        client_method: What clients do beside plain local steps: FedProx, Scaffold, Ditto or LocalTraining of
            :mod:`adpfl_bench.federation.client_methods`.
        aggregator: Makes one delta of the participants'; the weighted mean by default.
        aggregation_weights: The participants' weights: ``cases`` (numbers of training examples), ``uniform``, or
            ``capped`` (numbers of training examples up to ``weight_cap``). They are public.
        weight_cap: As above.
        local_parameters: Regular expression of parameters, by name, that stay with their client.
        fine_tuning_epochs: Passes that every client makes in one further round, to adapt the final weights to itself.
        fine_tuning_rate: Learning rate of that round, as a share of the first round's.
        pooled: Train on all clients' examples together, as one client: the centralised reference.
        held_out_clients: Clients that never train; their test cases are scored as an unseen hospital's.
        availability: ``uniform`` or ``cyclic`` participation; see RoundSchedule.
        dropout: Probability that a drawn client fails in a round, of all or by client.
        straggling: Probability that a participant is slow in a round, of all or by client.
        straggler_work: Share of its local steps that a slow participant makes.
        cross_scores: Score every client's own model on everyone's test cases, and not only on its own.

    Attributes:
        settings: The parts of the federation.
        asked: The round that a server elsewhere asks for; ``None`` where the whole federation is here.
        local_epoch: The client's pass over its examples in the round at hand, counted from 0.
        rounds_completed: Number of whole rounds.

    Raises:
        ConfigError: A value is out of range, or two settings do not go together, also those of the Trainer; a round is
            cut short.
    """

    def __init__(
        self,
        rounds: int = 25,
        participation: float = 1.0,
        clients_per_round: int | None = None,
        local_epochs: int = 1,
        local_steps: int | None = None,
        client_optimizer: OptimizerCallable | None = None,
        server_optimizer: OptimizerCallable = lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        client_optimizer_state: OptimizerStatePolicy = "reset",
        buffers: BufferPolicy = "average",
        seed: int = 0,
        client_method: ClientMethod | None = None,
        aggregator: Aggregator | None = None,
        aggregation_weights: WeightRule = "cases",
        weight_cap: int | None = None,
        local_parameters: str | None = None,
        fine_tuning_epochs: int = 0,
        fine_tuning_rate: float = 0.1,
        pooled: bool = False,
        held_out_clients: list[str] | None = None,
        availability: Availability = "uniform",
        dropout: float | dict[str, float] = 0.0,
        straggling: float | dict[str, float] = 0.0,
        straggler_work: float = 0.5,
        cross_scores: bool = True,
    ) -> None:
        method = client_method or ClientMethod()
        who = (rounds, seed, participation, clients_per_round, local_epochs, local_steps)
        chance = (availability, dropout, straggling, straggler_work)
        schedule = RoundSchedule(*who, *chance, method.turns, fine_tuning_epochs)
        self.settings = FederatedSettings(
            schedule,
            method,
            client_optimizer,
            server_optimizer,
            client_optimizer_state,
            buffers,
            aggregator or WeightedMean(),
            AggregationWeights(aggregation_weights, weight_cap),
            local_parameters,
            fine_tuning_rate,
            pooled,
            tuple(held_out_clients or ()),
            cross_scores,
        )
        self.asked: AskedRound | None = None
        self.local_epoch, self.rounds_completed = 0, 0
        self._federation: Federation | None = None
        self._progress: RoundProgress | None = None
        self._step: LocalStep | None = None
        self._privacy = DifferentialPrivacy()
        self._restored: dict[str, Any] = {}

    @property
    def schedule(self) -> RoundSchedule:
        """The schedule of rounds: who takes part in which, and for how long."""
        return self.settings.schedule

    @property
    def round(self) -> int:
        """The round at hand, or the last one, counted from 0."""
        return self._progress.round if self._progress is not None else 0

    @property
    def client(self) -> str | None:
        """The client whose turn it is; ``None`` between turns."""
        return self._progress.client if self._progress else None

    @property
    def loss(self) -> float | None:
        """Loss of the last local step; ``None`` before a client's first."""
        return self._progress.report.loss if self._progress is not None else None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what would silently be wrong, hand the datamodule its plan and the task its local step."""
        datamodule, task, training = federated_data(trainer), need_task(pl_module), stage == "fit"
        privacy = self._privacy = find_callback(trainer, DifferentialPrivacy) or DifferentialPrivacy()
        audit = find_callback(trainer, PrivacyAudit) if training else None
        if training:
            self._restored = {}  # of an earlier evaluation; what this fit continues from is loaded later
            check_trainer(trainer, task, self.schedule.total_rounds)
        check_processes(trainer, self.settings, audit is not None)
        canaries = audit.plant(privacy, self.schedule.seed) if audit is not None else None
        datamodule.use_plan(run_plan(self.settings, privacy, task, training, canaries, self.asked))
        if training:
            self.settings.check_participants(list(datamodule.train_sizes))
        privacy.prepare(trainer, task, self.settings, datamodule, training)
        if audit is not None:
            audit.prepare(task, privacy, self.settings, datamodule)
        if training:
            losses, make, watch = task.example_losses, self.settings.client_optimizer, privacy.guarantee.watch
            self._step = task.local_step = LocalStep(losses, privacy.engine, make, audit, watch)
            trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the task as it was."""
        if stage == "fit":
            need_task(pl_module).local_step = None

    def _assemble(self, pl_module: LightningModule) -> Federation:
        """Take the global weights over from the module, and restore the federation's state from a checkpoint."""
        restored, self._restored = self._restored, {}
        self.rounds_completed = restored.get("rounds_completed", 0)
        self._federation = assembled(pl_module, self.settings, self.asked, restored.get("federation", {}))
        return self._federation

    def load_model(self, pl_module: LightningModule, client: str | None) -> None:
        """Put a client's model into the network, or the global one."""
        (self._federation or self._assemble(pl_module)).load_model(client)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Make sure that the state can be restored, and that the run that is resumed had these data and this seed."""
        task = need_task(pl_module)
        check_federation(checkpoint, Federation(task, self.settings))
        if trainer.state.fn == "fit":
            check_loops(checkpoint, trainer)
            check_optimizer(checkpoint, self.settings.client_optimizer or task.optimizer, task.parameters())
            task.lineage.resume(checkpoint, data_state(trainer), self.schedule.seed, self._privacy.unit)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the module's weights; nothing is left of an earlier fit, which may have been cut off."""
        check_optimizers(trainer)
        check_same_start(pl_module)
        assert self._step is not None
        federation = self._step.federation = self._assemble(pl_module)
        self._progress = RoundProgress(federation, self.settings, self._privacy.draws(self.schedule.seed))
        self._privacy.begin(trainer, need_task(pl_module), self.settings, federated_data(trainer))

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: TrainingBatch, batch_idx: int
    ) -> None:
        """Begin a round with its first batch, and a client's turn when the client changes."""
        assert self._progress is not None
        assert self._step is not None
        check_accumulation(trainer)
        self._begin_round(trainer)
        if self._progress.client is None:
            self._progress.begin_turn(batch.client, batch.turn, trainer.optimizers[0])
        self.local_epoch = batch.local_epoch
        self._step.begin(batch)

    def _begin_round(self, trainer: Trainer) -> None:
        assert self._progress is not None
        if self._progress.open:
            return
        loader, epoch = cast(Any, trainer).train_dataloader, trainer.current_epoch
        if loader.round_index != epoch:
            raise BenchError(f"The loader brings round {loader.round_index + 1}, the Trainer is in epoch {epoch + 1}.")
        sizes = federated_data(trainer).train_sizes
        self._progress.begin(epoch, sizes, loader.turns, loader.clients, trainer.optimizers[0])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: TrainingBatch | None, batch_idx: int
    ) -> None:
        """End a client's turn with its last batch, and the round with the last batch of all."""
        assert self._progress is not None
        assert self._step is not None
        self._begin_round(trainer)
        if batch is not None:  # there is none where others train all participants of the round
            self._step.end()
            self._progress.report.step(outputs["loss"].detach())
            if batch.last:
                self._progress.end_turn(trainer.optimizers[0], self._step.release_delta)
        if trainer.is_last_batch:
            own, privacy = cast(Any, trainer).train_dataloader.clients, self._privacy
            exchange_privacy(privacy.engine, privacy.guarantee, own, federated_data(trainer).train_sizes)
            self._progress.end()
            self.rounds_completed = self._progress.round + 1
            if self.asked is not None:
                trainer.should_stop = self.asked.end_round(self._progress.round, self._federation)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make sure that the epoch was a whole round."""
        if self._progress and self._progress.open:
            self._progress.refuse_rest()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave one journal of releases, which has those of all processes."""
        self._privacy.engine.books.close()

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Losses and delta norms of the round that has just ended, by client and over all (weighted as deltas are)."""
        assert self._federation is not None
        assert self._progress is not None
        numbers = self._progress.report.numbers(self._federation.shares)
        return [RoundMetric(client or ALL_CLIENTS, name, value) for client, name, value in numbers]

    def describe(self, pl_module: LightningModule) -> FederatedBlock:
        """Return the federated block of a run record."""
        return describe_federation(self.settings, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return everything of the federation that is not in the weights, as plain values and CPU tensors."""
        if self._federation is None:
            return self._restored
        whole = {"rounds_completed": self.rounds_completed, **kept(self.asked)}
        return {**whole, "federation": self._federation.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the state until the module is on its device."""
        self._restored = state_dict
        self._federation = None
        self.rounds_completed = state_dict.get("rounds_completed", 0)
