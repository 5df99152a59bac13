"""Engines, which start runs: as processes of this machine here, as jobs of a cluster in submitit_engine.

submitit's own executor of this machine is no substitute: its jobs survive the benchmark that started them, are killed a
second after they were told to stop, and all get the same GPUs.
"""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.python_command import python_command
from adpfl_bench.processors import count_processors

_WORKER = (*python_command(), "-m", "adpfl_bench.grid.work")
_GPUS = "CUDA_VISIBLE_DEVICES"
_THREADS = "OMP_NUM_THREADS"


class Ended(NamedTuple):
    """End of a process, which says little of how its run did.

    Attributes:
        status: Its exit status; ``None`` if it was killed.
        how: In words, such as ``killed by SIGKILL``.
    """

    status: int | None
    how: str


class Job(ABC):
    """A run that was started."""

    @abstractmethod
    def poll(self) -> Ended | None:
        """How it ended, or ``None`` while it goes on."""

    @abstractmethod
    def interrupt(self) -> None:
        """Ask it to end soon."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once."""


class Engine(ABC):
    """Base of engines, which start runs.

    Attributes:
        slots: How many at a time.
    """

    slots: int

    @abstractmethod
    def start(self, run: GridRun, slot: int) -> Job:
        """Start a run.

        Args:
            run: The run.
            slot: Which of the ``slots`` it takes, from 0.

        Raises:
            BenchError: It cannot be started.
        """


class LocalEngine(Engine):
    """Runs as processes of this machine, each of which ends when this one is killed.

    Args:
        slots: How many at a time.
        gpus: GPUs, as ``CUDA_VISIBLE_DEVICES`` calls them, that the slots share in turn; empty on a CPU.
        worker: The command that makes a run; it is given this process's id and the run.
        environment: Variables for it; by default this process's.
    """

    def __init__(
        self,
        slots: int,
        gpus: Sequence[str] = (),
        worker: Sequence[str] = _WORKER,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.slots = slots
        self.gpus = tuple(gpus)
        self.worker = tuple(worker)
        self.environment = dict(os.environ if environment is None else environment)

    def start(self, run: GridRun, slot: int) -> Job:
        """Start a run; what it prints goes to its log.

        It gets a session of its own, so that Ctrl-C in a terminal reaches it through the benchmark alone.
        """
        run.files.log.parent.mkdir(parents=True, exist_ok=True)
        with run.files.log.open("ab") as log:
            process = subprocess.Popen(
                [*self.worker, str(os.getpid()), run.to_json()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.variables(slot),
                start_new_session=True,
            )
        return LocalJob(process)

    def variables(self, slot: int) -> dict[str, str]:
        """Return the environment of a slot's processes."""
        environment = {"PYTHONUNBUFFERED": "1", **self.environment}
        if self.gpus:
            environment[_GPUS] = self.gpus[slot % len(self.gpus)]
        elif _THREADS not in environment:
            environment[_THREADS] = str(max(1, count_processors() // self.slots))
        return environment


class LocalJob(Job):
    """A process of this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def poll(self) -> Ended | None:
        """How it ended."""
        code = self.process.poll()
        if code is None:
            return None
        if code < 0:
            name = signal.Signals(-code).name
            return Ended(None, f"killed by {name}{' (for want of memory, perhaps)' if name == 'SIGKILL' else ''}")
        return Ended(code, f"ended with exit status {code}")

    def interrupt(self) -> None:
        """Send SIGTERM, which no shell lets be ignored, to the process, and not to those it started."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the process and all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` calls them."""
    import torch  # deferred: it takes seconds

    count = torch.cuda.device_count()
    stated = [name.strip() for name in os.environ.get(_GPUS, "").split(",") if name.strip()]
    return stated[:count] if stated else [str(index) for index in range(count)]
