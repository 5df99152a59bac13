"""Predicted masks as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

from adpfl_bench.errors import ConfigError
from adpfl_bench.tasks.segmentation import SegmentationTask


class PredictionWriter(Callback):
    """Writes what ``predict`` segments to ``predictions/<case>_<region>.png`` in the run's folder.

    Masks are 0 or 255, on the grid of the case's own file.
    """

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the masks of one batch."""
        if not isinstance(pl_module, SegmentationTask):
            raise ConfigError(f"Masks are written of a SegmentationTask, but the model is {type(pl_module).__name__}.")
        folder = Path(trainer.default_root_dir) / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        for case, regions in zip(batch["case"], outputs, strict=True):
            for name, mask in zip(pl_module.regions, regions, strict=True):
                Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{case}_{name}.png")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the masks are."""
        print(f"masks written to {Path(trainer.default_root_dir) / 'predictions'}")
