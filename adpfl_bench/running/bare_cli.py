"""The command line of a run as it was recorded, for what trains nothing: on whatever hardware is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer

from adpfl_bench.config.yaml_text import dump_yaml
from adpfl_bench.running.training import BenchCLI


class BareCLI(BenchCLI):
    """A command line whose Trainer shows and records nothing, and whose run's folder is left alone.

    Attributes:
        place: What it may compute on.
    """

    works_in_folder = False
    place: Literal["auto", "cpu"] = "cpu"

    def before_instantiate_classes(self) -> None:
        """Leave out of the Trainer what only a run needs, and what is on the machine that it runs on."""
        super().before_instantiate_classes()
        settings = self.config.trainer
        settings.accelerator, settings.strategy = self.place, "auto"
        settings.devices, settings.num_nodes = 1, 1
        settings.logger, settings.profiler, settings.plugins = False, None, None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the Trainer without what a run adds; it decides device and precision."""
        return self.make_trainer(enable_progress_bar=False, **kwargs)

    def start(self) -> None:
        """Train nothing."""


def recorded_words(
    command: str, config: Mapping[str, Any], checkpoint: Path, scratch: Path, trust: Sequence[str]
) -> list[str]:
    """Words of a command line that does something with what a recorded configuration has made.

    Args:
        command: The command.
        config: The configuration; it is written into ``scratch``.
        checkpoint: The weights.
        scratch: An empty folder, which stands in for that of the run.
        trust: Modules whose classes the configuration may name beside those of the list; its own word counts for
            nothing.
    """
    path = scratch / "config.yaml"
    path.write_text(dump_yaml(dict(config)), encoding="utf-8")
    words = ["--config", str(path), "--ckpt_path", str(checkpoint), "--trainer.default_root_dir", str(scratch)]
    return [command, *words, *(f"--trust={module}" for module in trust)]
