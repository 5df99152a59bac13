"""config.yaml: the configuration of a run, as a file that makes the run again."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from adpfl_bench.records.run_directory import RunDirectory


class SavedConfiguration(SaveConfigCallback):
    """Lightning's callback, with a file in the run's folder that is replaced as a whole.

    Raises:
        RecordError: It cannot be written.
    """

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file."""
        text = self.parser.dump(self.config, skip_unset=False)
        RunDirectory(Path(trainer.default_root_dir)).write_configuration(text)
