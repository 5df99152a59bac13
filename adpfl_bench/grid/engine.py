"""Engines, which start runs: as processes of this machine here, as jobs of a cluster in submitit_engine.

submitit's own executor of this machine is no substitute: its jobs survive the benchmark that started them, are killed a
second after they were told to stop, and all get the same GPUs.
"""

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.python_command import python_command
from adpfl_bench.processors import PROCESSORS, THREADS, count_processors
from adpfl_bench.running.places import asked_for

_WORKER = (*python_command(), "-m", "adpfl_bench.grid.work")
_GPUS = "CUDA_VISIBLE_DEVICES"
_PATIENCE_S = 300.0


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

    The processors are divided among the slots, and a slot's among the processes of its run.

    Args:
        slots: How many runs at a time.
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
        """Start a run, in as many processes as it asks for; what it prints goes to its log.

        Each gets a session of its own, so that Ctrl-C in a terminal reaches it through the benchmark alone.

        Raises:
            ConfigError: It asks for several machines.
        """
        if run.asked.machines > 1:
            raise ConfigError(
                f"trainer.num_nodes is {run.asked.machines}, but --engine local has one machine: use --engine slurm."
            )
        run.files.log.parent.mkdir(parents=True, exist_ok=True)
        with run.files.log.open("ab") as log:
            processes = [
                subprocess.Popen(
                    [*self.worker, str(os.getpid()), run.to_json()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )
                for environment in self.environments(run, slot)
            ]
        return LocalJob(processes)

    def environments(self, run: GridRun, slot: int) -> list[dict[str, str]]:
        """Return the environment of each of a run's processes."""
        shared = {"PYTHONUNBUFFERED": "1", **self.environment}
        count, processors = run.asked.devices, max(1, count_processors() // self.slots)
        if self.gpus:
            own = dict.fromkeys(self.gpus[(slot * count + index) % len(self.gpus)] for index in range(count))
            shared[_GPUS] = ",".join(own)
        else:
            asked = asked_for(settle(run.words), processors=processors)
            count = asked.processes
            shared[PROCESSORS] = str(processors)
            shared.setdefault(THREADS, str(asked.threads or max(1, processors // count)))
        if count == 1:
            return [shared]
        shared |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        return [{**shared, "RANK": str(rank)} for rank in range(count)]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class LocalJob(Job):
    """Processes of this machine that make a run; the first of them keeps its books.

    Args:
        processes: The processes.
        patience: Seconds after which the others are killed, where one has failed and they wait for it to come.
    """

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]], patience: float = _PATIENCE_S) -> None:
        self.processes = list(processes)
        self._patience = patience
        self._failed_at: float | None = None

    def poll(self) -> Ended | None:
        """How the first ended, when all have."""
        codes = [process.poll() for process in self.processes]
        code = codes[0]
        if code is None or None in codes:
            if any(codes):
                self._failed_at = self._failed_at or time.monotonic()
                if time.monotonic() - self._failed_at > self._patience:
                    self.kill()
            return None
        if code < 0:
            name = signal.Signals(-code).name
            return Ended(None, f"killed by {name}{' (for want of memory, perhaps)' if name == 'SIGKILL' else ''}")
        return Ended(code, f"ended with exit status {code}")

    def interrupt(self) -> None:
        """Send SIGTERM, which no shell lets be ignored, to the processes, and not to those that they started."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the processes and all that they started."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` calls them."""
    import torch  # deferred: it takes seconds

    count = torch.cuda.device_count()
    stated = [name.strip() for name in os.environ.get(_GPUS, "").split(",") if name.strip()]
    return stated[:count] if stated else [str(index) for index in range(count)]
