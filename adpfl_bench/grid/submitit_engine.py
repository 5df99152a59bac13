"""Runs as jobs of a Slurm cluster, through submitit."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.grid.engine import Ended, Engine, Job
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.python_command import SAFE_PATH, python_shell_command
from adpfl_bench.grid.work import FAILED, perform
from adpfl_bench.running.places import found_place

_TIMEOUT_MIN = 24 * 60  # submitit's own 5 minutes would end every run
_TIMEOUTS = 100  # how often a job may be out of time and go on; each time it has come further


class RunJob:
    """Work of a job: the same as that of a process of the local engine."""

    def __init__(self, run: GridRun) -> None:
        self.run = run

    def __call__(self) -> int:
        """Make the run, or this task's part of it; returns its exit status."""
        _take_place()
        with _printing_to(self.run.files.log):
            return self.make()

    def make(self) -> int:
        """Make the run, printing to wherever the process prints."""
        return perform(self.run, stops=_stops())

    def checkpoint(self) -> Any:
        """Continue the run, when a job that was preempted or out of time is started again."""
        from submitit.helpers import DelayedSubmission  # deferred: an optional dependency

        return DelayedSubmission(self)


class SubmititEngine(Engine):
    """Runs as jobs of submitit's executors."""

    def __init__(self, executor: Any, slots: int) -> None:
        self.executor = executor
        self.slots = slots
        self._shared = False  # whether a run of several processes has been submitted, whose parameters stay

    def start(self, run: GridRun, slot: int) -> Job:
        """Submit a run: a task for each of its processes."""
        run.files.log.parent.mkdir(parents=True, exist_ok=True)
        devices, machines, gpus = run.asked
        asks = {"nodes": machines, "tasks_per_node": devices, **({"gpus_per_node": devices} if gpus else {})}
        shared = devices * machines > 1
        self._shared |= shared
        try:
            self.executor.update_parameters(
                name="adpfl-" + run.name.replace("/", "-"), **(asks if self._shared else {})
            )
        except ValueError as error:
            raise BenchError(f"the cluster has no {machines} machines of {devices} processes: {error}") from error
        try:
            return SubmittedJob(self.executor.submit(RunJob(run)))
        except (RuntimeError, subprocess.CalledProcessError) as error:  # what submitit raises for sbatch's complaints
            raise BenchError(f"the job could not be submitted: {error}") from error


class SubmittedJob(Job):
    """A job of submitit."""

    def __init__(self, job: Any) -> None:
        self.job = job

    def poll(self) -> Ended | None:
        """How it ended; one without a result was killed, by its time limit perhaps."""
        if not self.job.done():
            return None
        from submitit.core.utils import FailedJobError  # deferred: an optional dependency

        error = self.job.exception()
        if error is None:
            status = int(self.job.results()[0])  # the first task keeps the books
            return Ended(status, f"ended with exit status {status}")
        if isinstance(error, FailedJobError):
            return Ended(FAILED, f"broke down in job {self.job.job_id} ({_raised(error)})")
        return Ended(None, f"ended by the cluster (job {self.job.job_id}, {self.job.state})")

    def interrupt(self) -> None:
        """Cancel it."""
        self.job.cancel(check=False)

    kill = interrupt


def _take_place() -> None:
    """Say in the environment which of the job's tasks this is, as torchrun does, unless Slurm has said it."""
    from submitit import JobEnvironment  # deferred: an optional dependency
    from submitit.helpers import TorchDistributedEnvironment

    if JobEnvironment().num_tasks > 1 and found_place() is None:
        TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)


def _stops() -> tuple[type[Exception], ...]:
    """What submitit raises in a job that is out of time for the last time."""
    from submitit.core.utils import UncompletedJobError  # deferred: an optional dependency

    return (UncompletedJobError,)


def make_submitit_engine(cluster: str, folder: Path, parameters: Mapping[str, Any], slots: int) -> SubmititEngine:
    """Make the engine of a cluster.

    Args:
        cluster: ``slurm``, or ``local`` for processes of this machine under submitit.
        folder: Where submitit keeps its files.
        parameters: What jobs ask for, as submitit's AutoExecutor calls it.
        slots: How many jobs are submitted at a time.

    Raises:
        ConfigError: submitit is missing, there is no such cluster, or it has no such parameter.
    """
    try:
        from submitit import AutoExecutor  # deferred: an optional dependency
    except ImportError:
        raise ConfigError(
            "Jobs are submitted with submitit, which is not installed: pip install 'adpfl-bench[cluster]', or use"
            " --engine local."
        ) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault(SAFE_PATH, "1")  # for what submitit starts beside the jobs themselves
        how = {"max_num_timeout": _TIMEOUTS, "python": python_shell_command()}
        executor = AutoExecutor(folder=folder, cluster=cluster, **{f"{cluster}_{key}": how[key] for key in how})
        executor.update_parameters(**{"timeout_min": _TIMEOUT_MIN, **parameters})
    except (RuntimeError, NameError, ValueError, AssertionError, TypeError) as error:
        raise ConfigError(f"Jobs cannot be submitted to {cluster}: {error}") from error
    return SubmititEngine(executor, slots)


def _raised(error: Exception) -> str:
    """Return the line of a job's traceback that says what was raised."""
    lines = [line for line in str(error).splitlines() if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return lines[-1] if lines else type(error).__name__


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Let this process, and what it starts, print to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with log.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
