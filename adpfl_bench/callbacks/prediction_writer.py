"""Prediction files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.lookup import federated_data, need_task
from adpfl_bench.data.evaluation.evaluation_batch import SPARE, EvaluationBatch
from adpfl_bench.errors import RecordError
from adpfl_bench.peers import peers


class PredictionWriter(Callback):
    """Writer of what ``predict`` finds: ``predictions/`` in the run's folder, in files as the dataset has them.

    Masks are on the grid of the case's own file.
    """

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: EvaluationBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the masks of one batch, unless another process does.

        Raises:
            RecordError: They could not be written.
        """
        if batch.place == SPARE:
            return
        folder = Path(trainer.default_root_dir) / "predictions"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for case, masks in zip(batch.cases, outputs, strict=True):
                federated_data(trainer).write_prediction(folder, case, masks, need_task(pl_module).predicted)
        except OSError as error:
            raise RecordError(
                f"The predictions {folder} could not be written: {error.strerror or error}. Make room or mend the"
                " folder, and predict again."
            ) from error

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the masks are, when those of every process are."""
        peers().gather(None)
        print(f"masks written to {Path(trainer.default_root_dir) / 'predictions'}")
