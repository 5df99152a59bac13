"""The command line in processes of its own.

They start in milliseconds, since they are forked from one that has imported what they need, and has run no test.
"""

import atexit
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any
from unittest.mock import patch

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "adpfl_bench.running.training",
        "adpfl_bench.datasets.isic",
        "adpfl_bench.grid.benchmark",
        "monai.networks.nets",
        "monai.inferers",
    ]
)
_NUMBERS = itertools.count()


def begin() -> None:
    """Make the process that commands are forked from, a copy of this one: a new interpreter would import all again."""
    _COPIES.start()
    try:
        forkserver.ensure_running()
    finally:
        _COPIES.stop()


def _copy(path: bytes, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
    """Run, in a copy of this process, the code that an interpreter was to be started for."""
    if process := os.fork():
        return process
    try:
        kept = [2, *sorted(descriptors)]
        for number, following in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(number + 1, following)
        atexit._clear()
        forkserver._forkserver.__init__()  # whose lock is held, and which would take this process for its child
        _COPIES.stop()
        sys.stdout = sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        exec(arguments[-1], {})
    finally:
        os._exit(0)


class Command:
    """A command line that runs in a process of its own.

    Args:
        folder: Its working directory.
        arguments: What stands behind ``adpfl-bench``.
        variables: Variables that it has beside the environment of this process.
        program: Function of a module that takes the command line, in place of ``adpfl-bench``.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None = None,
        program: Callable[[list[str]], int] | None = None,
    ) -> None:
        self._file = folder / f".printed-{next(_NUMBERS)}"
        environment = {**os.environ, **(variables or {})}
        self._process = _FORKS.Process(target=_run, args=(str(self._file), list(arguments), environment, program))
        self._process.start()

    @property
    def printed(self) -> str:
        """What it has printed so far, on both streams."""
        return self._file.read_text() if self._file.exists() else ""

    @property
    def status(self) -> int | None:
        """Its exit status, or the negative number of the signal that killed it; None while it runs."""
        return self._process.exitcode

    @property
    def process(self) -> int:
        """Its id."""
        return self._process.pid

    def children(self) -> set[int]:
        """Ids of the processes that it has started, and that nobody has asked for their status; on Linux alone."""
        return {int(word) for word in Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()}

    def threads(self) -> int:
        """Number of its threads, on Linux alone."""
        return len(list(Path(f"/proc/{self.process}/task").iterdir()))

    def stop(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it has ended."""
        self.send(number)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it has not ended."""
        if self.status is None:
            os.kill(self._process.pid, number)

    def wait(self) -> int:
        """Wait until it has ended; its status."""
        self._process.join(300)
        assert self.status is not None, self.printed
        return self.status

    def wait_for(self, condition: Callable[[], Any]) -> None:
        """Wait until something is so, which it must bring about."""
        deadline = time.monotonic() + 200
        while not condition():
            assert self.status is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.005)


def alive(process: int) -> bool:
    """Tell whether a process lives, and is none that has ended and that nobody has asked for its status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def finish(command: Command) -> str:
    """Wait for a command that must succeed, and return what it printed."""
    assert command.wait() == 0, command.printed
    return command.printed


_COPIES = patch.object(util, "spawnv_passfds", _copy)


def _run(
    output: str, arguments: list[str], environment: dict[str, str], program: Callable[[list[str]], int] | None
) -> None:
    assert "torch" in sys.modules, "the process that is forked has imported nothing"
    from adpfl_bench.cli import main

    multiprocessing.set_start_method(None, force=True)  # as in a command that was started, and not forked
    os.chdir(Path(output).parent)
    os.environ.clear()
    os.environ.update(environment)
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit((program or main)(arguments))
