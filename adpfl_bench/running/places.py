"""Places of processes in a run: how many a command line asks for, and which one the environment says that this is."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

from adpfl_bench.config.config_files import CommandLine
from adpfl_bench.config.yaml_text import parse_yaml
from adpfl_bench.errors import ConfigError
from adpfl_bench.peers import PeerLost, join_peers, peers
from adpfl_bench.processors import check_workers, count_processors
from adpfl_bench.stopping import is_stop

_ALL = ("auto", "-1", -1)
_GPUS = ("gpu", "cuda", "auto", None)


class Asked(NamedTuple):
    """What a command line asks for.

    Attributes:
        processes: Processes on each machine.
        machines: Number of machines.
        devices: The GPUs of this machine, by number, that its processes take in turn; none on the CPU.
    """

    processes: int
    machines: int
    devices: tuple[int, ...]

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


def asked_for(line: CommandLine) -> Asked:
    """Read ``trainer.devices`` and ``trainer.num_nodes`` of a settled command line.

    All GPUs are meant by ``auto`` and -1; on the CPU these are one process.

    Raises:
        ConfigError: They are no numbers of processes.
    """
    stated = _trainer_settings(line)
    machines = _number("num_nodes", stated.get("num_nodes", 1))
    devices = stated.get("devices", 1)
    gpus = _gpus() if stated.get("accelerator", "auto") in _GPUS and devices != 1 else 0
    if devices in _ALL or devices is None:
        return Asked(max(1, gpus), machines, tuple(range(gpus)))
    if isinstance(devices, str) and "," in devices:
        devices = [word for word in devices.split(",") if word.strip()]
    if isinstance(devices, list | tuple):
        numbers = tuple(_number("devices", number, least=0) for number in devices)
        return Asked(max(1, len(numbers)), machines, numbers if gpus else ())
    processes = _number("devices", devices)
    check_workers("trainer.devices", processes)
    return Asked(processes, machines, tuple(range(gpus)))


def found_place() -> RunPlace | None:
    """Return the place that torchrun or srun has given this process; ``None`` where it was started alone."""
    environment = os.environ
    if int(environment.get("WORLD_SIZE", 1)) > 1 and {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= {*environment}:
        return RunPlace(int(environment["RANK"]), int(environment["WORLD_SIZE"]))
    # Of the step, and not of the allocation: a script that sbatch runs, and no srun, is one process.
    if int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in environment:
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        nodes = environment.get("SLURM_STEP_NODELIST", environment.get("SLURM_NODELIST", "127.0.0.1"))
        step = int(environment["SLURM_JOB_ID"]) + int(environment.get("SLURM_STEP_ID", 0))
        environment.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes))
        environment.setdefault("MASTER_PORT", str(15000 + step % 10000))  # steps at once have ports of their own
        return RunPlace(int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"]))
    return None


def check_place(place: RunPlace, asked: Asked) -> None:
    """Refuse, by a ConfigError, a command line that asks for another number of processes than were started."""
    if asked.total not in (1, place.total):
        raise ConfigError(
            f"{place.total} processes were started, but trainer.devices and trainer.num_nodes ask for {asked.total}:"
            " leave both out where torchrun or srun starts the processes, or let them agree."
        )


@contextmanager
def joined(place: RunPlace) -> Iterator[None]:
    """Take a place in a run that several processes share: join the others, and be quiet where it is not the first.

    Each has its part of the machine's processors, unless OMP_NUM_THREADS says otherwise.

    Raises:
        PeerLost: Another process has ended. Whatever is raised here ends the others.
    """
    import torch
    from lightning.pytorch.utilities import rank_zero_only

    untyped: Any = rank_zero_only
    others = join_peers(place.rank, place.total)
    untyped.rank = place.rank
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(others.divided(count_processors()))
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
            if not is_stop(error):
                others.fail(f"{error}" or type(error).__name__)
            raise
    others.leave()


def own_device(line: CommandLine) -> int | list[int]:
    """Return what the Trainer of this process is to be told of devices: one, which is its own."""
    stated = _trainer_settings(line).get("accelerator", "auto")
    numbers = asked_for(line).devices or (tuple(range(_gpus())) if stated in _GPUS else ())
    return [numbers[peers().local_rank % len(numbers)]] if numbers else 1


def refuse_several(line: CommandLine, what: str) -> None:
    """Refuse, by a ConfigError, several processes for what only one can do."""
    if asked_for(line).total > 1 or found_place() is not None:
        raise ConfigError(
            f"{what} needs one process, but several are asked for: set trainer.devices and trainer.num_nodes to 1, and"
            " start it without torchrun or srun."
        )


def _trainer_settings(line: CommandLine) -> dict[str, Any]:
    stated: dict[str, Any] = {}
    for file in line.files:
        block = file.content.get("trainer")
        stated |= block if isinstance(block, Mapping) else {}
    for name, value in _options(line.words):
        if name == "--trainer" and isinstance(block := parse_yaml(value), Mapping):
            stated |= block
        elif name.startswith("--trainer."):
            stated[name.removeprefix("--trainer.")] = parse_yaml(value)
    return stated


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            yield name, value if equals else following


def _number(name: str, value: object, least: int = 1) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if number < least:
        raise ConfigError(f"trainer.{name} must be a whole number of at least {least}, but it is {value!r}.")
    return number


def _gpus() -> int:
    import torch  # deferred: a command line that asks for one process does not need it here

    return torch.cuda.device_count()
