"""Predicted masks as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from PIL import Image


class PredictionWriter(BasePredictionWriter):
    """Writes what ``predict`` segments to ``predictions/<case>_<region>.png`` in the run's folder.

    Masks are 0 or 255, on the grid of the case's own file.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the masks of one batch."""
        folder = Path(trainer.default_root_dir) / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        for case, regions in zip(batch["case"], prediction, strict=True):
            for name, mask in zip(pl_module.regions, regions, strict=True):  # type: ignore[arg-type]
                Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{case}_{name}.png")
