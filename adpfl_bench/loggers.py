"""Loggers beside the run's own CSV files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger


class RunWandbLogger(WandbLogger):
    """Weights & Biases, offline unless someone is logged in.

    Curves are logged by round. The command line names the run after task, method and seed and puts its files into the
    run's folder; an offline run is uploaded later with ``wandb sync``.

    Args:
        project: W&B project.
        save_dir: Folder of W&B's files.
        group: Runs that belong together: task/method.
        job_type: What tells runs of a group apart: the seed.
        name: Name of the run.
        offline: Whether to write files only; by default only where nobody is logged in.
        **kwargs: Further arguments of Lightning's WandbLogger.
    """

    def __init__(
        self,
        project: str = "adpfl-bench",
        save_dir: Path | None = None,
        group: str | None = None,
        job_type: str | None = None,
        name: str | None = None,
        offline: bool | None = None,
        **kwargs: Any,
    ) -> None:
        # wandb's service writes relative paths below the folder in which the process's first run was started.
        folder = Path(save_dir or ".").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        offline = not _logged_in() if offline is None else offline
        if offline:
            # Lightning asks for it by an environment variable, which wandb has read by now.
            kwargs["mode"] = kwargs.get("mode") or "offline"
        super().__init__(
            project=project,
            save_dir=folder,
            group=group,
            job_type=job_type,
            name=name,
            offline=offline,
            **kwargs,
        )
        self._by_round = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers of a round, which is the x-axis of every curve.

        Args:
            metrics: Numbers by name.
            step: The round, counted from 1.
        """
        if not self._by_round:
            self._by_round = True
            self.experiment.define_metric("round")
            self.experiment.define_metric("*", step_metric="round")
        super().log_metrics(metrics if step is None else {**metrics, "round": step}, step)


def _logged_in() -> bool:
    # Deferred: wandb takes a second to import, and most runs do without it.
    import wandb

    return bool(wandb.login(prompt=False))
