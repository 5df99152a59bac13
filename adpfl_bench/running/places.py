"""Places of processes in a run: how many a command line asks for, and which one the environment says that this is."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

from adpfl_bench.config.config_files import CommandLine
from adpfl_bench.errors import ConfigError
from adpfl_bench.peers import PeerLost, join_peers, peers
from adpfl_bench.processors import check_workers, count_processors, stated_threads
from adpfl_bench.running.process_choice import choose, memory_gib, work_of
from adpfl_bench.running.stated_settings import stated_settings
from adpfl_bench.stopping import is_stop

_ALL = ("auto", "-1", -1)
_GPUS = ("gpu", "cuda", "auto", None)
_CPU = ("cpu", "auto", None)
_DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")  # NVIDIA, its boards, Windows, AMD


class Asked(NamedTuple):
    """What a command line asks for.

    Attributes:
        processes: Processes on each machine.
        machines: Number of machines.
        devices: The GPUs of this machine, by number, that its processes take in turn; none on the CPU.
        threads: Threads that each process computes with; ``None`` for its part of the processors.
        chosen: Whether the suite has chosen processes and threads, for a CPU; any other number would do too.
        reason: Why it has chosen one process.
    """

    processes: int
    machines: int
    devices: tuple[int, ...]
    threads: int | None = None
    chosen: bool = False
    reason: str | None = None

    @property
    def total(self) -> int:
        """Number of processes of the run."""
        return self.processes * self.machines


class RunPlace(NamedTuple):
    """This process's place among those that others have started, as torchrun and srun say it in the environment.

    Attributes:
        rank: Which one it is, counted from 0.
        total: How many there are.
    """

    rank: int
    total: int


def asked_for(line: CommandLine, command: str = "fit", processors: int | None = None) -> Asked:
    """Read ``trainer.devices`` and ``trainer.num_nodes`` of a settled command line.

    All GPUs are meant by ``auto`` and -1. On the CPU :mod:`~adpfl_bench.running.process_choice` says what ``auto`` is,
    and a `fit` that states no number of devices has so many processes there.

    Args:
        line: The command line.
        command: What stands before it.
        processors: How many the run may use; by default those of this process.

    Raises:
        ConfigError: They are no numbers of processes.
    """
    stated = stated_settings(line)
    machines = _number("num_nodes", stated.get("trainer.num_nodes", 1))
    devices = stated.get("trainer.devices", "unstated" if command == "fit" else 1)
    gpus = _gpus() if stated.get("trainer.accelerator", "auto") in _GPUS and devices != 1 else 0
    if devices == "unstated" and (gpus or stated.get("trainer.accelerator", "auto") not in _CPU or _has_mps()):
        devices, gpus = 1, 0
    if devices in (*_ALL, "unstated", None):
        if gpus:
            return Asked(gpus, machines, tuple(range(gpus)))
        share = choose(
            work_of(command, stated, line.trusted), processors or count_processors(), memory_gib(), stated_threads()
        )
        return Asked(share.processes, machines, (), share.threads, True, share.reason)
    if isinstance(devices, str) and "," in devices:
        devices = [word for word in devices.split(",") if word.strip()]
    if isinstance(devices, list | tuple):
        numbers = tuple(_number("devices", number, least=0) for number in devices)
        return Asked(max(1, len(numbers)), machines, numbers if gpus else ())
    processes = _number("devices", devices)
    check_workers("trainer.devices", processes)
    return Asked(processes, machines, tuple(range(gpus)))


def as_chosen(line: CommandLine, options: Sequence[str]) -> list[str]:
    """Return the options with ``trainer.devices`` as ``auto`` where they leave it out, so that the record says so."""
    return [*options, *([] if "trainer.devices" in stated_settings(line) else ["--trainer.devices=auto"])]


def found_place() -> RunPlace | None:
    """Return the place that torchrun or srun has given this process; ``None`` where it was started alone."""
    environment = os.environ
    if int(environment.get("WORLD_SIZE", 1)) > 1 and {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= {*environment}:
        return RunPlace(int(environment["RANK"]), int(environment["WORLD_SIZE"]))
    if started_by_srun():
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        nodes = environment.get("SLURM_STEP_NODELIST", environment.get("SLURM_NODELIST", "127.0.0.1"))
        step = int(environment["SLURM_JOB_ID"]) + int(environment.get("SLURM_STEP_ID", 0))
        environment.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes))
        environment.setdefault("MASTER_PORT", str(15000 + step % 10000))  # steps at once have ports of their own
        return RunPlace(int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"]))
    return None


def started_by_srun() -> bool:
    """Tell whether srun, and nobody else, has started the processes that share this one's run."""
    environment = os.environ
    # Of the step, and not of the allocation: a script that sbatch runs, and no srun, is one process.
    several = int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in environment
    return several and int(environment.get("WORLD_SIZE", 1)) == 1


def check_place(place: RunPlace, asked: Asked) -> None:
    """Refuse, by a ConfigError, a command line that asks for another number of processes than were started."""
    if not asked.chosen and asked.total not in (1, place.total):
        raise ConfigError(
            f"{place.total} processes were started, but trainer.devices and trainer.num_nodes ask for {asked.total}:"
            " leave both out where torchrun or srun starts the processes, or let them agree."
        )


@contextmanager
def joined(place: RunPlace, threads: int | None = None) -> Iterator[None]:
    """Take a place in a run that several processes share: join the others, and be quiet where it is not the first.

    Args:
        place: The place.
        threads: How many it computes with; by default its part of the machine's processors. OMP_NUM_THREADS overrules
            both.

    Raises:
        PeerLost: Another process has ended. Whatever is raised here ends the others.
    """
    import torch
    from lightning.pytorch.utilities import rank_zero_only

    untyped: Any = rank_zero_only
    others = join_peers(place.rank, place.total)
    untyped.rank = place.rank
    if stated_threads() is None:
        torch.set_num_threads(threads or others.divided(count_processors()))
    with ExitStack() as quiet:
        if not others.first:  # which says the same
            nowhere = quiet.enter_context(open(os.devnull, "w"))
            quiet.enter_context(redirect_stdout(nowhere))
            quiet.enter_context(redirect_stderr(nowhere))
            quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            logging.disable(logging.WARNING)
        try:
            yield
            others.gather(None)
        except PeerLost:
            raise
        except Exception as error:
            if not is_stop(error) and not others.fail(f"{error}" or type(error).__name__):
                raise PeerLost(others.failure() or f"{error}", "it has failed too") from error
            raise
    others.leave()


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Compute with so many threads in the only process of a run; with PyTorch's own number where ``None``."""
    if threads is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def own_device(line: CommandLine) -> int | list[int]:
    """Return what the Trainer of this process is to be told of devices: one, which is its own."""
    stated = stated_settings(line)
    accelerator = stated.get("trainer.accelerator", "auto")
    numbers = (asked_for(line).devices if "trainer.devices" in stated else ()) or (
        tuple(range(_gpus())) if accelerator in _GPUS else ()
    )
    return [numbers[peers().local_rank % len(numbers)]] if numbers else 1


def without_others(plugins: Sequence[Any]) -> tuple[list[Any], signal.Signals | None]:
    """Return plugins of a Trainer that is to know of no other process, and the signal by which Slurm tells this one.

    Args:
        plugins: Those that the configuration states.

    Returns:
        The plugins, and the signal where srun has started the processes; ``None`` where Slurm is not to be asked for
        another start.
    """
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    stated = [plugin for plugin in plugins if isinstance(plugin, SLURMEnvironment)]
    tells = [plugin.requeue_signal if plugin.auto_requeue else None for plugin in stated] or [signal.SIGUSR1]
    others = [plugin for plugin in plugins if plugin not in stated]
    return [*others, LightningEnvironment()], tells[0] if started_by_srun() else None


def refuse_several(line: CommandLine, what: str) -> None:
    """Refuse, by a ConfigError, several processes for what only one can do."""
    asked = asked_for(line)
    if (asked.total > 1 and not asked.chosen) or found_place() is not None:
        raise ConfigError(
            f"{what} needs one process, but several are asked for: set trainer.devices and trainer.num_nodes to 1, and"
            " start it without torchrun or srun."
        )


def _number(name: str, value: object, least: int = 1) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least:
        raise ConfigError(f"trainer.{name} must be a whole number of at least {least}, but it is {value!r}.")
    return number


def _gpus() -> int:
    if sys.platform == "linux" and not any(os.path.exists(place) for place in _DRIVERS):
        return 0
    import torch  # deferred: it takes seconds, and what launches others needs none of it yet

    return torch.cuda.device_count()


def _has_mps() -> bool:
    if platform.system() != "Darwin":
        return False
    import torch  # deferred likewise

    return torch.backends.mps.is_available()
