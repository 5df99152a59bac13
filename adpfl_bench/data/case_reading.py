"""Reading all cases of a dataset at once, with one error for all that is damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from adpfl_bench.data.case import Case
from adpfl_bench.errors import DataError
from adpfl_bench.processors import in_parallel
from adpfl_bench.text import count

_ERRORS_SHOWN = 5

_Result = TypeVar("_Result")


def read_cases(
    cases: Sequence[Case], read: Callable[[int], _Result], title: str, workers: int | None = None
) -> list[_Result]:
    """Read cases in threads.

    Args:
        cases: The cases.
        read: Reads the case at an index.
        title: What is being done, for the bar that a terminal shows.
        workers: Threads; by default one for each processor.

    Returns:
        What was read, in the order of the cases.

    Raises:
        DataError: Cases cannot be read; all of those are told at once.
    """
    results: dict[int, _Result] = {}
    errors: dict[int, str] = {}

    def attempt(index: int) -> None:
        try:
            results[index] = read(index)
        except DataError as error:
            errors[index] = str(error)

    for _ in in_parallel(attempt, range(len(cases)), title, workers):
        pass
    if errors:
        lines = [errors[i] for i in sorted(errors)]
        more = f"\n  and {len(lines) - _ERRORS_SHOWN:,} more" if len(lines) > _ERRORS_SHOWN else ""
        listing = "".join(f"\n  {line}" for line in lines[:_ERRORS_SHOWN])
        raise DataError(f"{count(lines, 'case')} of {len(cases):,} cannot be used:{listing}{more}")
    return [results[i] for i in range(len(cases))]
