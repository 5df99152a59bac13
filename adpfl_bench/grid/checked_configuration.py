"""Check of a grid's configurations: what each command line of fit amounts to, or why fit would refuse it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.processors import count_processors, in_parallel
from adpfl_bench.records.settings import flatten_config
from adpfl_bench.text import say_loading


class AskedProcesses(NamedTuple):
    """Processes that a run's files ask for.

    Attributes:
        devices: ``trainer.devices`` as a number; 1 where it is left to the suite.
        machines: ``trainer.num_nodes``.
        gpus: Whether the files say that each has a GPU.
    """

    devices: int = 1
    machines: int = 1
    gpus: bool = False

    @classmethod
    def of(cls, trainer: Mapping[str, Any]) -> AskedProcesses:
        """Read them from the block of the Trainer."""
        stated = trainer.get("devices", 1)
        numbers = stated.split(",") if isinstance(stated, str) and "," in stated else stated
        count = len(numbers) if isinstance(numbers, list) else int(numbers) if str(numbers).isdecimal() else 1
        return cls(max(1, count), int(trainer.get("num_nodes", 1)), trainer.get("accelerator") in ("gpu", "cuda"))


ONE_PROCESS = AskedProcesses()


@dataclass(frozen=True)
class Configuration:
    """A run's configuration, whatever its seed.

    Attributes:
        task: Name of the task.
        method: Name of the method.
        rounds: Rounds of a run, a round of fine-tuning included.
        settings: Its settings, by dotted name.
        asked: What its trainer states of processes.
    """

    task: str
    method: str
    rounds: int
    settings: Mapping[str, str]
    asked: AskedProcesses = ONE_PROCESS


def check_configuration(words: Sequence[str]) -> Configuration:
    """Parse a command line of fit and make everything that it names, up to where data would be read.

    Raises:
        ConfigError: What fit would refuse.
    """
    from adpfl_bench.running.planned_run import PlannedRun  # deferred: importing torch and Lightning takes seconds
    from adpfl_bench.running.training import run

    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    try:
        # What it says of files is said again by the run itself, in its log.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            planned = run(["fit", *words], PlannedRun)
            planned.config_init["privacy"].reservation.find()
    except BenchError:
        raise
    except Exception as error:
        raise ConfigError(f"{type(error).__name__}: {error}") from error
    config: dict[str, Any] = planned.config_dump
    rounds = int(planned.trainer.max_epochs or 0)  # never none: it is linked to the federation's rounds
    asked = AskedProcesses.of(config["trainer"])
    return Configuration(config["task"], config["method"], rounds, flatten_config(config), asked)


Check = Callable[[Sequence[str]], Configuration]
_FOR_A_PROCESS = 4
"""So many configurations are worth a process."""


def checked_configurations(
    every: Sequence[Sequence[str]], check: Check
) -> Iterator[tuple[Sequence[str], Configuration | str]]:
    """What each command line amounts to, or why it is refused; of many, in processes that share what is loaded."""
    workers = 1
    if check is check_configuration:
        say_loading("benchmark")
        from adpfl_bench.running import planned_run  # noqa: F401  # deferred, as above

        workers = min(count_processors(), max(1, len(every) // _FOR_A_PROCESS))
    bar = len(every) >= _FOR_A_PROCESS
    asked = partial(_or_problem, check)
    return in_parallel(asked, every, "Checking configurations", workers, processes=True, bar=bar, forked=True)


def _or_problem(check: Check, words: Sequence[str]) -> Configuration | str:
    """What a check finds, or the sentence that it refuses with: between processes an error may lose what it carries."""
    try:
        return check(words)
    except BenchError as error:
        return str(error)
