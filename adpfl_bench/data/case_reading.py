"""Reading all cases of a dataset at once, with a bar for those who wait and one error for all that is damaged."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from adpfl_bench.data.case import Case
from adpfl_bench.errors import DataError
from adpfl_bench.processors import count_processors
from adpfl_bench.text import count

_PROGRESS_AFTER_SECONDS = 2.0
_ERRORS_SHOWN = 5

_Result = TypeVar("_Result")


def read_cases(
    cases: Sequence[Case], read: Callable[[int], _Result], title: str, workers: int | None = None
) -> list[_Result]:
    """Read cases in threads.

    Args:
        cases: The cases.
        read: Reads the case at an index.
        title: What is being done, for the bar that a terminal shows after two seconds.
        workers: Threads; by default one for each processor.

    Returns:
        What was read, in the order of the cases.

    Raises:
        DataError: Cases cannot be read; all of those are told at once.
    """
    results: dict[int, _Result] = {}
    errors: dict[int, str] = {}
    started = time.monotonic()
    progress = Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
    task = progress.add_task(title, total=len(cases))
    pool = ThreadPoolExecutor(workers or count_processors(), thread_name_prefix="read")
    try:
        futures = {pool.submit(read, i): i for i in range(len(cases))}
        for future in as_completed(futures):
            if isinstance(error := future.exception(), DataError):
                errors[futures[future]] = str(error)
            else:
                results[futures[future]] = future.result()
            progress.advance(task)
            if not progress.live.is_started and time.monotonic() - started > _PROGRESS_AFTER_SECONDS:
                progress.start()
    finally:
        pool.shutdown(cancel_futures=True)
        progress.stop()
    if errors:
        lines = [errors[i] for i in sorted(errors)]
        more = f"\n  and {len(lines) - _ERRORS_SHOWN:,} more" if len(lines) > _ERRORS_SHOWN else ""
        listing = "".join(f"\n  {line}" for line in lines[:_ERRORS_SHOWN])
        raise DataError(f"{count(lines, 'case')} of {len(cases):,} cannot be used:{listing}{more}")
    return [results[i] for i in range(len(cases))]
