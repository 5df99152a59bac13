"""Configuration of a planned run: what a command line of fit amounts to, without training."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.records.settings import flatten_config
from adpfl_bench.text import say_loading


@dataclass(frozen=True)
class Configuration:
    """A run's configuration, whatever its seed.

    Attributes:
        task: Name of the task.
        method: Name of the method.
        rounds: Rounds of a run, a round of fine-tuning included.
        settings: Its settings, by dotted name.
    """

    task: str
    method: str
    rounds: int
    settings: Mapping[str, str]


def check_configuration(words: Sequence[str]) -> Configuration:
    """Parse a command line of fit and make everything that it names, up to where data would be read.

    Args:
        words: What would follow ``fit``.

    Raises:
        ConfigError: What fit would refuse.
    """
    say_loading("benchmark")
    from adpfl_bench.running.planned_run import PlannedRun  # deferred: importing torch and Lightning takes seconds
    from adpfl_bench.running.training import run

    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)
    try:
        # What it says of files is said again by the run itself, in its log.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            planned = run(["fit", *words], PlannedRun)
    except BenchError:
        raise
    except Exception as error:
        raise ConfigError(f"{type(error).__name__}: {error}") from error
    config: dict[str, Any] = planned.config_dump
    rounds = int(planned.trainer.max_epochs or 0)  # never none: it is linked to the federation's rounds
    return Configuration(config["task"], config["method"], rounds, flatten_config(config))


def method_name(words: Sequence[str]) -> str:
    """Name the method of a command line of fit, without parsing the rest of it."""
    return settle(words).method


def source_digests(words: Sequence[str]) -> dict[str, str]:
    """SHA-256 of each configuration file that a command line of fit reads, by the name it is given."""
    return {file.name: hashlib.sha256(file.path.read_bytes()).hexdigest() for file in settle(words).files}
