"""Weights & Biases logger of a run's rounds."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from adpfl_bench.wandb.session import default_mode, load_wandb

_OFFLINE = ("offline", "dryrun")


class RunWandbLogger(WandbLogger):
    """Weights & Biases logger, offline unless someone is logged in (``WANDB_MODE`` is respected).

    Curves are logged by round. The command line names the run after task, method and seed and puts its files into the
    run's folder; an offline run is uploaded later with ``wandb sync``. What is logged, and what of it leaves the
    machine, is in docs/wandb.md.

    Args:
        project: W&B project.
        save_dir: Folder of W&B's files.
        group: Runs that belong together: task/method.
        job_type: What tells runs of a group apart: the seed.
        name: Name of the run.
        offline: Whether to write files only; by default only where nobody is logged in.
        images: Whether to log pictures of test cases; by default those of phantoms, and none of patients.
        case_ids: Whether the table of test cases names cases and patients; by default those of phantoms.
        continued: Whether this goes on with the run whose files are in ``save_dir``, so that a seed stays one W&B run
            when it is resumed or scored again.
        **kwargs: Further arguments of Lightning's WandbLogger.

    Raises:
        ConfigError: The package wandb cannot be imported.
    """

    def __init__(
        self,
        project: str = "adpfl-bench",
        save_dir: Path | None = None,
        group: str | None = None,
        job_type: str | None = None,
        name: str | None = None,
        offline: bool | None = None,
        images: bool | None = None,
        case_ids: bool | None = None,
        continued: bool = False,
        **kwargs: Any,
    ) -> None:
        load_wandb()
        self.images = images
        self.case_ids = case_ids
        # wandb's service writes relative paths below the folder in which the process's first run was started.
        folder = Path(save_dir or ".").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if kwargs.get("mode") is None and offline is not False:
            kwargs["mode"] = "offline" if offline else default_mode()
        if continued and not (kwargs.get("id") or kwargs.get("version") or os.environ.get("WANDB_RUN_ID")):
            kwargs["id"] = _earlier_run(folder)
        # The command line gives every argument of wandb.init, and None would take the place of Lightning's own choice.
        kwargs["resume"] = kwargs.get("resume") or "allow"
        super().__init__(
            project=project,
            save_dir=folder,
            group=group,
            job_type=job_type,
            name=name,
            offline=kwargs.get("mode") in _OFFLINE,
            **kwargs,
        )
        # The mode says it; Lightning would say it again in the environment, too late for wandb, which warns of that.
        self._offline = False
        self._wandb_init.pop("anonymous", None)  # wandb warns of it, whatever it is
        self._by_round = False

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers of a round, which is the x-axis of every curve.

        Args:
            metrics: Numbers (or what else W&B can show) by name.
            step: The round, counted from 1.
        """
        if any(name.startswith("test_") for name in metrics):
            return  # Lightning's, which know no rounds; WandbCases logs the same as test/...
        if not self._by_round:
            self._by_round = True
            self.experiment.define_metric("round")
            self.experiment.define_metric("*", step_metric="round")
        super().log_metrics(metrics if step is None else {**metrics, "round": step}, step)


def _earlier_run(folder: Path) -> str | None:
    """Id of the W&B run that was started last in a folder, ``wandb/[offline-]run-TIME-ID/run-ID.wandb``."""
    files = (folder / "wandb").glob("*run-*/run-*.wandb")
    last = max(files, key=lambda path: path.parent.name.removeprefix("offline-"), default=None)
    return None if last is None else last.stem.removeprefix("run-")


def name_wandb_run(config: Any, run_directory: Path, continued: bool) -> None:
    """Fill in what W&B should call the run, where the configuration leaves it open, and whether it goes on with one.

    Args:
        config: The run's configuration, which is changed.
        run_directory: Its folder.
        continued: Whether the run is there already.
    """
    loggers = config.trainer.logger
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        if getattr(logger, "class_path", "").endswith("RunWandbLogger"):
            job = f"{'audit-' if 'audit' in config else ''}seed{config.seed_everything}"
            names = {
                "save_dir": str(run_directory),
                "group": f"{config.task}/{config.method}",
                "job_type": job,
                "name": f"{config.task}/{config.method}/{job}",
            }
            logger.init_args["continued"] = continued or logger.init_args.get("continued", False)
            for key, value in names.items():
                if logger.init_args.get(key) is None:
                    logger.init_args[key] = value
