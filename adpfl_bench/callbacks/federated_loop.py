"""One Trainer epoch is one federated round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import OptimizerCallable
from torch.optim import Optimizer

from adpfl_bench.callbacks.federated_settings import FederatedSettings
from adpfl_bench.callbacks.federation_checks import check_participants, describe_federation, model_scopes
from adpfl_bench.callbacks.lookup import federated_data, need_task
from adpfl_bench.callbacks.trainer_checks import check_optimizers, check_trainer
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.federation import DeltaHook, Federation
from adpfl_bench.federation.round_report import RoundReport
from adpfl_bench.federation.round_schedule import Turn
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.records.federated_block import FederatedBlock
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.seeding import derive_seed


class FederatedLoop(FederatedSettings):
    """Trains a federation with one resident module and one optimizer.

    The datamodule's loader brings every participant's local steps of a round in sequence. When the client changes,
    the global weights are copied into the module in place; when a client's last batch is done, its delta joins the
    aggregate; with the round's last batch the server optimizer turns that into new global weights.
    Lightning validates, checkpoints and logs after that, so all of them see the aggregated model. Memory on the device
    does not grow with the number of clients.

    At the start of each client's turn torch's global generators are seeded from (seed, round, client), so that
    whatever draws from them (dropout, say) is the same when the run is resumed or visits its clients in another order.

    Attributes:
        delta_hooks: Called with each client's name and delta before the server receives it; they change it in place.
        gradient_observers: Called before the client method changes a local step's gradients.

    Raises:
        ConfigError: At start, for settings that would silently be wrong; while training, when a round is cut short.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.round = 0
        self.client = ""
        self.local_epoch = 0
        self.rounds_completed = 0
        self.delta_hooks: list[DeltaHook] = []
        self.gradient_observers: list[Callable[[], None]] = []
        self._task_optimizer: OptimizerCallable | None = None
        self._federation: Federation | None = None
        self._restored: dict[str, Any] = {}
        self._waiting: set[tuple[str, Turn]] = set()
        self._turn: Turn = "shared"
        self._round_open = False
        self._report = RoundReport()
        self._use_own_models: Callable[[], None] = lambda: None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what would silently be wrong, and hand the datamodule its schedule."""
        datamodule = federated_data(trainer)
        datamodule.use_federation(self.pooled, self.held_out_clients)
        self._use_models(datamodule, pl_module, fine_tuned=stage != "fit")
        if stage == "fit":
            self._restored = {}  # of an earlier evaluation; what this fit continues from is loaded after this
            check_trainer(trainer, pl_module, self.schedule.total_rounds)
            check_participants(self, list(datamodule.train_sizes))
            need_task(pl_module).change_gradients = self._change_gradients
            if self.client_optimizer is not None:
                task = need_task(pl_module)
                self._task_optimizer, task.optimizer = task.optimizer, self.client_optimizer
            datamodule.use_schedule(self.schedule)
            trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]

    def _use_models(self, datamodule: FederatedDataModule, module: LightningModule, fine_tuned: bool) -> None:
        scopes = model_scopes(self, module, fine_tuned)
        datamodule.use_models(scopes.validation, scopes.test)
        # A run that continues with its fine-tuning round has its loaders made before the round starts.
        self._use_own_models = lambda: self._use_models(datamodule, module, fine_tuned=True)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the task its own optimizer and gradients back."""
        if stage == "fit":
            need_task(pl_module).change_gradients = None
            if self._task_optimizer is not None:
                need_task(pl_module).optimizer, self._task_optimizer = self._task_optimizer, None

    def _assemble(self, pl_module: LightningModule) -> Federation:
        """Take the global weights over from the module, and restore the federation's state from a checkpoint."""
        federation = Federation(
            pl_module,
            self.client_method,
            self.server_optimizer,
            self.aggregator,
            self.aggregation_weights,
            self.buffer_policy,
            self.client_optimizer_state,
            self.local_parameters,
        )
        self.rounds_completed = 0
        if self._restored:
            self.rounds_completed = self._restored["rounds_completed"]
            federation.load_state_dict(self._restored["federation"])
            self._restored = {}
        self._federation = federation
        return federation

    def load_model(self, pl_module: LightningModule, client: str | None) -> None:
        """Put a client's model into the network, or the global one."""
        federation = self._federation or self._assemble(pl_module)
        federation.load_model(client)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the module's weights; nothing is left of an earlier fit, which may have been cut off."""
        check_optimizers(trainer)
        self._assemble(pl_module)
        self.client, self._round_open = "", False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the clients' own models be validated from the round on in which they are trained."""
        if self.schedule.is_fine_tuning(trainer.current_epoch):
            self._use_own_models()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: TrainingBatch, batch_idx: int
    ) -> None:
        """Begin a round with its first batch, and a client's turn when the client changes."""
        if not self._round_open:
            self._begin_round(trainer, batch.round)
        if not self.client:
            self._begin_turn(trainer, batch.client, batch.turn)
        self.local_epoch = batch.local_epoch

    def _change_gradients(self, optimizer: Optimizer) -> None:
        assert self._federation is not None
        for observe in self.gradient_observers:
            observe()
        self._federation.change_gradients()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: TrainingBatch, batch_idx: int
    ) -> None:
        """End a client's turn with its last batch, and the round with the last batch of all."""
        self._report.step(outputs["loss"].detach())
        if batch.last:
            self._end_turn(trainer)
        if trainer.is_last_batch:
            self._end_round()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make sure that the epoch was a whole round."""
        if self._round_open:
            raise ConfigError(self._cut_short())

    def _cut_short(self) -> str:
        missing = ", ".join(sorted({client for client, _ in self._waiting} | ({self.client} if self.client else set())))
        return (
            f"Round {self.round + 1} was cut short before these clients had finished: {missing}. Let every epoch run"
            " through (no step-wise Timer, no limit on batches); the last checkpoint holds the round before."
        )

    def _begin_round(self, trainer: Trainer, round_index: int) -> None:
        assert self._federation is not None
        if round_index != trainer.current_epoch:
            raise BenchError(
                f"The loader brings round {round_index + 1}, but the Trainer is in epoch {trainer.current_epoch + 1}."
            )
        sizes = federated_data(trainer).train_sizes
        untyped: Any = trainer
        steps: Mapping[tuple[str, Turn], int] = Counter((s.client, s.turn) for s in untyped.train_dataloader.steps)
        fine_tuning = self.schedule.is_fine_tuning(round_index)
        groups = trainer.optimizers[0].param_groups
        if fine_tuning:
            for group in groups:
                group["lr"] = group.get("initial_lr", group["lr"]) * self.fine_tuning_rate
        self._federation.begin_round(sizes, steps, float(groups[0].get("momentum", 0.0)), fine_tuning)
        self._waiting = set(steps)
        # The schedule steps before the round is reported, so the rate that it was trained with is noted here.
        self._report.begin(self.schedule, round_index, list(sizes), float(groups[0]["lr"]))
        self.round, self._round_open = round_index, True

    def _begin_turn(self, trainer: Trainer, client: str, turn: Turn) -> None:
        assert self._federation is not None
        self._waiting.discard((client, turn))
        self.client, self._turn = client, turn
        self._report.begin_turn()
        self._federation.begin_turn(client, turn, trainer.optimizers[0])
        personal = ("personal",) if turn == "personal" else ()
        torch.manual_seed(derive_seed(self.schedule.seed, "client", self.round, client, *personal))

    def _end_turn(self, trainer: Trainer) -> None:
        assert self._federation is not None
        norm = self._federation.end_turn(trainer.optimizers[0], self.delta_hooks)
        if not torch.isfinite(torch.tensor(norm)):
            raise BenchError(
                f"Client {self.client} diverged in round {self.round + 1}: its weights are no longer finite. Lower the"
                " learning rate or the noise; the last checkpoint holds the round before."
            )
        self._report.end_turn(self.client, self._turn, norm)
        self.client = ""

    def _end_round(self) -> None:
        assert self._federation is not None
        if self._waiting or self.client:
            raise ConfigError(self._cut_short())
        self._federation.end_round()
        self._round_open = False
        self.rounds_completed = self.round + 1

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Losses and delta norms of the round that has just ended, by client and over all (weighted as deltas are)."""
        assert self._federation is not None
        numbers = self._report.numbers(self._federation.shares)
        return [RoundMetric(client or ALL_CLIENTS, name, value) for client, name, value in numbers]

    @property
    def loss(self) -> float | None:
        """Loss of the last local step; ``None`` before a client's first."""
        return self._report.loss

    def describe(self, pl_module: LightningModule) -> FederatedBlock:
        """The federated block of a run record."""
        return describe_federation(self, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Everything of the federation that is not in the weights, as plain values and CPU tensors."""
        if self._federation is None:
            return self._restored
        return {"rounds_completed": self.rounds_completed, "federation": self._federation.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the state until the module is on its device."""
        self._restored = state_dict
        self._federation = None
        self.rounds_completed = state_dict.get("rounds_completed", 0)
        if self.schedule.is_fine_tuning(self.rounds_completed):
            self._use_own_models()
