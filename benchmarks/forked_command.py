"""A command line of the suite that is forked from this process, and waits at a stated moment for a signal."""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.util
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Before(NamedTuple):
    """The moment before a file operation of the command's own process.

    Attributes:
        event: ``open``, or ``os.rename``.
        file: Matches the path that is opened, or that the file is to have.
        times: How often it has matched by then.
        holds: Is in what is to be renamed; or, of a file that is opened, in the run's record.
    """

    event: str
    file: str
    times: int = 1
    holds: str = ""


def start_forked(
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    printed: int,
    at: Before | None,
    tell: int,
    hear: int,
    others: tuple[int, int],
) -> int:
    """Fork a command, which leads a session of its own.

    Args:
        words: The command line.
        folder: Its working directory.
        environment: Its environment.
        printed: Descriptor of the file that it prints to, on both streams.
        at: Before what it waits.
        tell: It writes here that it waits.
        hear: It waits until the other end of this is closed.
        others: Those other ends.

    Returns:
        Its process id.
    """
    # Deferred, since the trials of the tests fork nothing: what a command would import.
    import monai.inferers
    import monai.networks.nets  # noqa: F401

    import adpfl_bench.datasets.isic
    import adpfl_bench.grid.benchmark
    import adpfl_bench.running.training  # noqa: F401
    from adpfl_bench.cli import main

    if number := os.fork():
        return number
    status = 1
    try:
        os.setsid()
        heed()
        for other in others:
            os.close(other)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(printed, stream)
        sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
        if at is not None:
            sys.addaudithook(_pause(at, folder, tell, hear))
        try:
            status = main(list(words))
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        multiprocessing.util._exit_function()  # as at the end of a process that was started
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)


def _pause(at: Before, folder: Path, tell: int, hear: int) -> Callable[[str, tuple[Any, ...]], None]:
    me, seen, busy = os.getpid(), 0, False

    def hook(event: str, values: tuple[Any, ...]) -> None:
        nonlocal seen, busy
        if event != at.event or busy or os.getpid() != me or seen >= at.times:
            return
        paths = values[: 2 if event == "os.rename" else 1]
        names = [os.fsdecode(path) for path in paths if not isinstance(path, int)]
        if not names or not re.search(at.file, names[-1]):
            return
        busy = True
        try:
            holders = [Path(names[0])] if event == "os.rename" else list(folder.rglob("run.json"))
            if at.holds and not any(at.holds in holder.read_text() for holder in holders):
                return
        finally:
            busy = False
        seen += 1
        if seen == at.times:
            os.write(tell, b"!")
            os.read(hear, 1)  # until the other end is closed, or the signal raises what ends the command

    return hook


def heed() -> None:
    """Undo what a shell does to what it runs in the background."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def waiting(number: int) -> Callable[[float], int | None]:
    """Return what waits some seconds for a child's end, and returns its status: None while it lives."""
    ended: list[int] = []

    def wait(seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while not ended:
            child, status = os.waitpid(number, os.WNOHANG)
            if child:
                ended.append(os.waitstatus_to_exitcode(status))
            elif time.monotonic() >= deadline:
                return None
            else:
                time.sleep(0.005)
        return ended[0]

    return wait


def readable(descriptor: int) -> bool:
    """Tell whether a forked command has said that it waits."""
    return bool(select.select([descriptor], [], [], 0)[0]) and bool(os.read(descriptor, 1))
