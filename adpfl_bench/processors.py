"""Parallel work on many items, in threads or in processes, with a bar for those who wait."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from adpfl_bench.errors import ConfigError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_MOST_WORKERS = 64  # also on a small machine, where a configuration of a large one may be tried
_MOST_PER_PROCESSOR = 4


def count_processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


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

    Raises:
        ConfigError: A process was ended from outside. Whatever the function raises is raised too.
    """
    from rich.console import Console  # deferred: the ground floor is imported by commands that show no bar
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    workers = min(workers or count_processors(), len(items))
    if workers > 1:
        done = _shared(function, items, title, workers, processes)
    else:
        done = ((item, function(item)) for item in items)
    console = Console(stderr=True)
    if bar and not console.is_terminal:
        print(f"{title}: {len(items):,} to do ...", file=sys.stderr, flush=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (bar and console.is_terminal), transient=True) as progress:
        yield from progress.track(done, total=len(items), description=title)


def _shared(
    function: Callable[[_Item], _Result], items: Sequence[_Item], title: str, workers: int, processes: bool
) -> Iterator[tuple[_Item, _Result]]:
    pool: Executor
    if processes:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _leave_interrupts)
    else:
        pool = ThreadPoolExecutor(workers)
    try:
        futures = {pool.submit(function, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise ConfigError(
            f"{title}: a process was ended from outside, probably for want of memory; use fewer --workers."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which the terminal sends to every process, to the one that started the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
