"""Requeue of a run by Slurm, after its last whole round."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from signal import Signals
from typing import Any, cast

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.lookup import find_callback
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.files import replace_file
from adpfl_bench.peers import peers
from adpfl_bench.stopping import StopSignals, is_stop, stop_signals

_MARK = ".slurm-job"
_PATIENCE_S = 60.0
_TELLING_S = 30.0  # on a busy machine, from the first process of a job that hears the signal to the last one


class SlurmRequeue(Callback):
    """Requeue by Slurm's signal, such as SIGUSR1 of ``#SBATCH --signal=SIGUSR1@120``, which a job gets in good time.

    Lightning has it too, under ``SLURMEnvironment(auto_requeue=True)``, which it assumes in a job that srun started. It
    saves in the midst of a round, though, which no federation can be continued from. Here the signal stops the run as
    SIGTERM would, its record and the checkpoint of its last whole round are there, and then ``scontrol requeue`` is
    asked to start the job once more. A `fit` that finds itself in the same job again continues.

    Of several processes that share a run, each of which Slurm tells, all stop, and the first one asks.

    In a Trainer's list of callbacks it stands behind the RunRecorder, so that the record is there when Slurm ends the
    job.

    Args:
        told_by: Slurm's signal to several processes that share a run, whose Trainers know nothing of Slurm; by default
            the Trainer's environment says whether there is one, and which.
    """

    def __init__(self, told_by: Signals | None = None) -> None:
        self._signal = told_by
        self._stops: StopSignals | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Heed the signal."""
        environment = cast(Any, trainer)._accelerator_connector.cluster_environment
        if isinstance(environment, SLURMEnvironment) and environment.auto_requeue:
            self._signal = environment.requeue_signal
        elif self._signal is None:
            return
        self._stops = stop_signals()
        if self._signal is not None:
            self._stops.heed(self._signal)
        if peers().count > 1:
            self._stops.patience_s = _TELLING_S

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note in the run's folder, whose record is open by now, which job the run belongs to."""
        if self._stops is not None and peers().first and (job := slurm_job()) is not None:
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(folder / _MARK, job.encode())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the signal to others, unless a command goes on with the next stage."""
        self._leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Ask for another start of the job if its signal has come; the run has been recorded before."""
        stops = self._stops
        if stops is not None and stops.came is None:
            is_stop(exception)  # waits for the signal, where another process may have heard it sooner
        if stops is not None and stops.came is not None and stops.came == self._signal and peers().first:
            with stops.quiet():
                print(self._requeue(trainer), flush=True)
        self._leave()

    def _requeue(self, trainer: Trainer) -> str:
        if find_callback(trainer, PrivacyAudit) is not None:
            return "An audit cannot be continued, so Slurm is not asked to start its job again."
        job = slurm_job()
        if job is None:
            return "Slurm does not say which job this is (SLURM_JOB_ID), so it cannot be started again."
        command = ["scontrol", "requeue", job]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE_S)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip()
            return f"Slurm could not be asked to start job {job} again ({' '.join(command)}: {said}); submit it again."
        return f"Slurm starts job {job} again, and with it this command, which goes on after the last whole round."

    def _leave(self) -> None:
        if self._stops is not None and self._stops is not stop_signals():
            self._stops.restore()
        self._stops = None


def slurm_job() -> str | None:
    """Return the id by which scontrol knows the job that this process belongs to; ``None`` outside Slurm."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID") or None


def was_requeued(run_directory: Path) -> bool:
    """Tell whether a run was begun by an earlier start of the Slurm job that this process belongs to."""
    job, mark = slurm_job(), run_directory / _MARK
    again = os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")
    return again and job is not None and mark.is_file() and mark.read_text() == job
