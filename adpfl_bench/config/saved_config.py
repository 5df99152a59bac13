"""A run's config.yaml."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback


class SavedConfig(SaveConfigCallback):
    """Writes ``config.yaml`` so that it is the run again when it is given to ``--config`` of fit.

    What scores a trained run later leaves the file alone, and a checkpoint that it was continued from is not in it.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file at the start of a fit."""
        if stage == "fit":
            self.config = self.config.clone()
            self.config.ckpt_path = None
            super().setup(trainer, pl_module, stage)
