"""Parallel work on many items, in threads or in processes, with a bar for those who wait."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from adpfl_bench.errors import ConfigError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST_WORKERS = 64  # also on a small machine, where a configuration of a large one may be tried
_MOST_PER_PROCESSOR = 4
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


PROCESSORS = "ADPFL_PROCESSORS"
"""Variable that says how many processors a command may use, where that is fewer than it could be scheduled on."""

THREADS = "OMP_NUM_THREADS"
"""Variable that says how many threads a process computes with."""


def count_processors() -> int:
    """Count the processors that this process may use.

    Raises:
        ConfigError: ADPFL_PROCESSORS is no number of processors.
    """
    there = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(there, _stated(PROCESSORS) or there)


def stated_threads() -> int | None:
    """Return how many threads the environment lets a process compute with; ``None`` where it does not say.

    Raises:
        ConfigError: OMP_NUM_THREADS is no number of threads.
    """
    return _stated(THREADS)


def _stated(name: str) -> int | None:
    text = os.environ.get(name, "").partition(",")[0].strip()  # of nested levels, of which there are none
    if text and not (text.isdecimal() and int(text) > 0):
        raise ConfigError(f"{name} must be a whole number of at least 1, but it is {os.environ[name]!r}.")
    return int(text) if text else None


def check_workers(name: str, workers: int, least: int = 1) -> None:
    """Refuse a number of workers that none or no machine could be.

    Args:
        name: What the number is called.
        workers: The number.
        least: The smallest one that has a meaning.

    Raises:
        ConfigError: It is out of range; far more than there are processors would only fill the memory.
    """
    processors = count_processors()
    most = max(_MOST_WORKERS, _MOST_PER_PROCESSOR * processors)
    if not least <= workers <= most:
        raise ConfigError(
            f"{name} must be from {least} to {most} on this machine, which has {processors} processors, but it is"
            f" {workers}."
        )


def in_parallel(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    title: str,
    workers: int | None = None,
    processes: bool = False,
    bar: bool = True,
    forked: bool = False,
) -> Iterator[tuple[_Item, _Result]]:
    """Work on items, and yield each with its result as soon as that is there.

    After an error, or Ctrl-C, no further item is begun.

    Args:
        function: What is done with an item; for processes it must be picklable.
        items: The items.
        title: What is being done, for the bar that a terminal shows, or for a line where there is none.
        workers: How many at a time; by default one for each processor. One works in this thread.
        processes: Whether the workers are processes, and not threads.
        bar: Whether to show either.
        forked: Whether processes begin as copies of this one, which have imported what it has. Only for work that no
            thread of this process could be holding a lock of; elsewhere than on Linux they start anew all the same.

    Raises:
        ConfigError: A process was ended from outside. Whatever the function raises is raised too.
    """
    workers = min(workers or count_processors(), len(items))
    if workers > 1:
        method = "fork" if forked and sys.platform == "linux" else "spawn"
        done = _shared(function, items, title, workers, method if processes else None)
    else:
        done = ((item, function(item)) for item in items)
    yield from with_bar(done, len(items), title, bar)


def with_bar(items: Iterable[_Item], number: int, title: str, bar: bool = True) -> Iterator[_Item]:
    """Yield items one by one, with a bar that a terminal shows, or a line where there is none.

    Args:
        items: The items; no more of them is asked for than is used.
        number: How many there will be.
        title: What is being done.
        bar: Whether to show either.
    """
    from rich.console import Console  # deferred: the ground floor is imported by commands that show no bar
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if bar and not console.is_terminal:
        print(f"{title}: {number:,} to do ...", file=sys.stderr, flush=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (bar and console.is_terminal), transient=True) as progress:
        yield from progress.track(items, total=number, description=title)


def _shared(
    function: Callable[[_Item], _Result], items: Sequence[_Item], title: str, workers: int, processes: str | None
) -> Iterator[tuple[_Item, _Result]]:
    """Begin at once, so that processes are copied before a bar has its thread."""
    pool: Executor
    if processes:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context(processes), _begin_worker, (os.getpid(),))
    else:
        pool = ThreadPoolExecutor(workers)
    with _ctrl_c_held_back():
        futures = {pool.submit(function, item): item for item in items}
    return _as_done(pool, futures, title)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Let Ctrl-C wait: processes that start meanwhile are deaf to it until they ignore it, and so say nothing of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _as_done(pool: Executor, futures: Mapping[Future[_Result], _Item], title: str) -> Iterator[tuple[_Item, _Result]]:
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            f"{title}: a process was ended from outside, probably for want of memory; use fewer --workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(parent: int) -> None:
    """Leave Ctrl-C, which the terminal sends to every process, to the one that started the others, and end with it.

    A copy of that one heeds no stops of its own either.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with(parent)


def end_with(parent: int) -> None:
    """Let the system kill this process when its parent has died; elsewhere than on Linux it goes on to its end.

    It is killed, and not stopped, because a run can be continued after either and a stop can be missed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        sys.exit(1)
