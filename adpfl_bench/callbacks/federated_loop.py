"""One Trainer epoch is one federated round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, get_args

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import OptimizerCallable

from adpfl_bench.callbacks.lookup import federated_data, need_task
from adpfl_bench.callbacks.trainer_checks import check_choice, check_optimizers, check_trainer
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.buffers import BufferPolicy, FederatedBuffers
from adpfl_bench.federation.client_optimizer import ClientOptimizerStates, OptimizerStatePolicy
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.server import Server, describe_optimizer
from adpfl_bench.results.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.seeding import derive_seed


class FederatedLoop(Callback):
    """Trains a federation with one resident module and one optimizer.

    The datamodule's loader brings every participant's local steps of a round in sequence. When the client changes,
    the global weights are copied into the module in place; when a client's last batch is done, its delta joins a
    running weighted sum; with the round's last batch the server optimizer turns the sum into new global weights.
    Lightning validates, checkpoints and logs after that, so all of them see the aggregated model. Memory does not
    grow with the number of clients.

    At the start of each client's turn torch's global generators are seeded from (seed, round, client), so that
    whatever draws from them (dropout, say) is the same when the run is resumed or visits its clients in another order.

    Attributes:
        delta_hooks: Called with each client's name and delta before the server receives it; they change it in place.

    Args:
        rounds: Number of federated rounds; equals the Trainer's ``max_epochs``.
        participation: Fraction of the clients that take part in a round, in (0, 1].
        clients_per_round: Number of participants instead of a fraction.
        local_epochs: Passes over its training records that a participant makes in a round.
        local_steps: Optimizer steps of a participant in a round, instead of whole passes.
        client_optimizer: The clients' local optimizer, in place of the task's. Its schedule stays the task's.
        server_optimizer: Steps the global weights on the pseudo-gradient; ``SGD(lr=1)`` is FedAvg. Deltas are
            weighted by the clients' numbers of training records.
        client_optimizer_state: ``reset`` clears the local optimizer's state for each turn of a client, ``keep`` gives
            each client its own back.
        buffers: What happens to running statistics, if the network has any; see
            :class:`~adpfl_bench.federation.buffers.FederatedBuffers`.
        seed: Seed of everything random in the federation; the command line links it to ``seed_everything``.

    Raises:
        ConfigError: At start, for settings that would silently be wrong; while training, when a round is cut short.
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
    ) -> None:
        check_choice("federated.client_optimizer_state", client_optimizer_state, get_args(OptimizerStatePolicy))
        check_choice("federated.buffers", buffers, get_args(BufferPolicy))
        self.schedule = RoundSchedule(rounds, seed, participation, clients_per_round, local_epochs, local_steps)
        self.client_optimizer = client_optimizer
        self.server_optimizer = server_optimizer
        self.buffer_policy: BufferPolicy = buffers
        self.round = 0
        self.client = ""
        self.local_epoch = 0
        self.rounds_completed = 0
        self.delta_hooks: list[Callable[[str, list[torch.Tensor]], None]] = []
        self._task_optimizer: OptimizerCallable | None = None
        self._server: Server | None = None
        self._buffers: FederatedBuffers | None = None
        self._optimizers = ClientOptimizerStates(client_optimizer_state)
        self._restored: dict[str, Any] = {}
        self._weights: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._round_open = False
        self._losses: list[torch.Tensor] = []
        self._metrics: list[RoundMetric] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse what would silently be wrong, and hand the datamodule its schedule."""
        datamodule = federated_data(trainer)
        if stage == "fit":
            self._restored = {}  # of an earlier evaluation; what this fit continues from is loaded after this
            check_trainer(trainer, pl_module, self.schedule.rounds)
            if self.client_optimizer is not None:
                task = need_task(pl_module)
                self._task_optimizer, task.optimizer = task.optimizer, self.client_optimizer
            datamodule.use_schedule(self.schedule)
            trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the task its own optimizer back."""
        if stage == "fit" and self._task_optimizer is not None:
            need_task(pl_module).optimizer, self._task_optimizer = self._task_optimizer, None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the global weights over from the module, and restore the federation's state from a checkpoint.

        Nothing is left of an earlier fit with this callback, which may have been interrupted inside a round.
        """
        check_optimizers(trainer)
        self._server = Server(pl_module, self.server_optimizer)
        self._buffers = FederatedBuffers(pl_module, self.buffer_policy)
        self._optimizers = ClientOptimizerStates(self._optimizers.policy)
        self.client, self._round_open = "", False
        self.rounds_completed = self._restored.get("rounds_completed", 0)
        if self._restored:
            self._server.load_state_dict(self._restored["server"])
            self._buffers.load_state_dict(self._restored["buffers"])
            self._optimizers.load_state_dict(self._restored["client_optimizers"])
            self._restored = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin a round with its first batch, and a client's turn when the client changes."""
        if not self._round_open:
            self._begin_round(trainer, batch["round"])
        if not self.client:
            self._begin_client(trainer, pl_module, batch["client"])
        self.local_epoch = batch["local_epoch"]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End a client's turn with its last batch, and the round with the last batch of all."""
        self._losses.append(outputs["loss"].detach())
        if batch["last"]:
            self._end_client(trainer, pl_module)
        if trainer.is_last_batch:
            self._end_round(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make sure that the epoch was a whole round."""
        if self._round_open:
            raise ConfigError(self._cut_short())

    def _cut_short(self) -> str:
        missing = ", ".join(sorted(self._waiting | ({self.client} if self.client else set())))
        return (
            f"Round {self.round + 1} was cut short before these clients had finished: {missing}. Let every epoch run"
            " through (no step-wise Timer, no limit on batches); the last checkpoint holds the round before."
        )

    def _begin_round(self, trainer: Trainer, round_index: int) -> None:
        if round_index != trainer.current_epoch:
            raise BenchError(
                f"The loader brings round {round_index + 1}, but the Trainer is in epoch {trainer.current_epoch + 1}."
            )
        sizes = federated_data(trainer).train_sizes
        participants = self.schedule.participants(round_index, list(sizes))
        total = sum(sizes[client] for client in participants)
        self._weights = {client: sizes[client] / total for client in participants}
        self._waiting = set(participants)
        # The schedule steps before the round is reported, so the rate that it was trained with is noted here.
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self._metrics = [RoundMetric(ALL_CLIENTS, "learning_rate", rate)]
        self.round, self._round_open = round_index, True

    def _begin_client(self, trainer: Trainer, pl_module: LightningModule, client: str) -> None:
        assert self._server is not None
        assert self._buffers is not None
        self._waiting.discard(client)
        self.client = client
        self._losses = []
        self._server.send()
        self._buffers.load_for(client, pl_module)
        self._optimizers.load_for(client, trainer.optimizers[0])
        torch.manual_seed(derive_seed(self.schedule.seed, "client", self.round, client))

    def _end_client(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self._server is not None
        assert self._buffers is not None
        weight = self._weights[self.client]
        delta = self._server.delta()
        for hook in self.delta_hooks:
            hook(self.client, delta)
        delta_norm = self._server.receive(delta, weight)
        if not torch.isfinite(torch.tensor(delta_norm)):
            raise BenchError(
                f"Client {self.client} diverged in round {self.round + 1}: its weights are no longer finite. Lower the"
                " learning rate or the noise; the last checkpoint holds the round before."
            )
        self._buffers.collect_from(self.client, pl_module, weight)
        self._optimizers.collect_from(self.client, trainer.optimizers[0])
        loss = float(torch.stack(self._losses).nanmean())  # a batch that Poisson sampling left empty has none
        self._metrics += [
            RoundMetric(self.client, "train_loss", loss),
            RoundMetric(self.client, "delta_norm", delta_norm),
        ]
        self.client = ""

    def _end_round(self, pl_module: LightningModule) -> None:
        assert self._server is not None
        assert self._buffers is not None
        if self._waiting or self.client:
            raise ConfigError(self._cut_short())
        self._server.finish_round()
        self._buffers.finish_round(pl_module)
        self._round_open = False
        self.rounds_completed = self.round + 1

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Losses and delta norms of the round that has just ended, by client and over all."""
        losses = [(self._weights[m.client], m.value) for m in self._metrics if m.name == "train_loss"]
        overall = RoundMetric(ALL_CLIENTS, "train_loss", sum(weight * loss for weight, loss in losses))
        return [*self._metrics, overall]

    @property
    def loss(self) -> float | None:
        """Loss of the last local step; ``None`` before a client's first."""
        return float(self._losses[-1]) if self._losses else None

    def describe(self) -> dict[str, Any]:
        """The federated block of a run record."""
        return {
            **asdict(self.schedule),
            "aggregation_weights": "training records",
            "client_optimizer": describe_optimizer(self.client_optimizer) if self.client_optimizer else "the task's",
            "server_optimizer": describe_optimizer(self.server_optimizer),
            "client_optimizer_state": self._optimizers.policy,
            "buffers": self.buffer_policy,
        }

    def _load_client_buffers(self, pl_module: LightningModule, batch: Any) -> None:
        if self.buffer_policy == "local":
            if self._buffers is None:
                self._buffers = FederatedBuffers(pl_module, self.buffer_policy)
                if self._restored:
                    self._buffers.load_state_dict(self._restored["buffers"])
            self._buffers.load_for(batch["client"], pl_module)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Score a client's cases with its own buffers where they are local."""
        self._load_client_buffers(pl_module, batch)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Score a client's cases with its own buffers where they are local."""
        self._load_client_buffers(pl_module, batch)

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Segment a client's cases with its own buffers where they are local."""
        self._load_client_buffers(pl_module, batch)

    def _load_global_buffers(self, pl_module: LightningModule) -> None:
        if self.buffer_policy == "local" and self._buffers is not None:
            self._buffers.finish_round(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the global model's buffers back."""
        self._load_global_buffers(pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the global model's buffers back."""
        self._load_global_buffers(pl_module)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the global model's buffers back."""
        self._load_global_buffers(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Everything of the federation that is not in the weights, as plain values and CPU tensors."""
        if self._server is None or self._buffers is None:
            return self._restored
        return {
            "rounds_completed": self.rounds_completed,
            "server": self._server.state_dict(),
            "buffers": self._buffers.state_dict(),
            "client_optimizers": self._optimizers.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the state until the module is on its device."""
        self._restored = state_dict
        self._server = self._buffers = None
        self.rounds_completed = state_dict.get("rounds_completed", 0)
