"""Loading of the model that scores a batch of cases."""

from __future__ import annotations

from abc import abstractmethod

from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.lookup import need_task
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.tasks.scored_task import ScoredTask


class ModelLoading(Callback):
    """Base of callbacks that load the model which scores a batch of cases, and the global one after them.

    The global model's cases come first and find it in the network; it is touched only where another one was loaded.
    """

    _in_network: str = GLOBAL_MODEL

    @abstractmethod
    def load_model(self, pl_module: LightningModule, client: str | None) -> None:
        """Put a client's model into the network, or the global one."""

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: EvaluationBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Load the model that scores, or segments, these cases."""
        if batch.model != self._in_network:
            self._in_network = batch.model
            self.load_model(pl_module, None if self._in_network == GLOBAL_MODEL else self._in_network)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the scores of all processes of the run together, before their means are taken."""
        need_task(pl_module).exchange_scores()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the global model back."""
        if self._in_network != GLOBAL_MODEL:
            self._in_network = GLOBAL_MODEL
            self.load_model(pl_module, None)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Score no further cases: whatever ended the command does not wait for them."""
        if isinstance(pl_module, ScoredTask):
            pl_module.drop_unfinished()

    on_test_batch_start = on_predict_batch_start = on_validation_batch_start
    on_test_epoch_end = on_validation_epoch_end
    on_test_end = on_predict_end = on_validation_end
