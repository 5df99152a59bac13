"""config.yaml: the configuration of a run, as a file that makes the run again."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from adpfl_bench.records.run_directory import RunDirectory


class SavedConfiguration(SaveConfigCallback):
    """Lightning's callback, with a file in the run's folder that is replaced as a whole.

    One that is there is replaced when nothing can refuse the run any more, so that a continuation with more rounds that
    is refused leaves it as it was.

    Raises:
        RecordError: It cannot be written.
    """

    _replaces = False

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file, if there is none."""
        self._replaces = RunDirectory(Path(trainer.default_root_dir)).configuration_file.exists()
        if not self._replaces:
            self._write(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the file that was there; this callback stands behind those that refuse a run."""
        if self._replaces:
            self._write(trainer)
            self._replaces = False

    def _write(self, trainer: Trainer) -> None:
        text = self.parser.dump(self.config, skip_unset=False)
        RunDirectory(Path(trainer.default_root_dir)).write_configuration(text)
