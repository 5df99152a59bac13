"""Problems of a dataset: one entry for each case and problem, collected one file after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from adpfl_bench.errors import DataError
from adpfl_bench.text import count

_SHOWN = 5

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Problem:
    """A problem of one case.

    Attributes:
        case: Case id; empty for what concerns the dataset as a whole.
        problem: What was found and what was expected, as a sentence without a full stop.
        path: The file or folder it was found in.
    """

    case: str
    problem: str
    path: Path

    def __str__(self) -> str:
        return f"{self.case}: {self.problem} ({self.path})" if self.case else f"{self.problem} ({self.path})"


def refuse(problems: Sequence[Problem], dataset: str, advice: str) -> None:
    """Raise all problems as one error, with the advice as its last sentence; return if there are none.

    Raises:
        DataError: There is a problem; the first few are told, with the number of the others.
    """
    if not problems:
        return
    lines = "".join(f"\n  {problem}" for problem in problems[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    raise DataError(f"{dataset} has {count(problems, 'problem')}:{lines}{more}\n{advice}")


class Findings:
    """The problems of a case, in the order in which they were found."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.problems: list[Problem] = []

    def add(self, path: Path, problem: str) -> None:
        """Note a problem of a file; a path that its sentence begins with is dropped, as the problem has it anyway."""
        self.problems.append(Problem(self.case_id, problem.removeprefix(f"{path} "), path))

    def attempt(self, path: Path, read: Callable[[], _Read]) -> _Read | None:
        """Read, or note why it cannot be read, once."""
        try:
            return read()
        except DataError as error:
            problem = Problem(self.case_id, str(error).removeprefix(f"{path} ").removesuffix("."), path)
            if problem not in self.problems:
                self.problems.append(problem)
            return None


def unreadable(path: Path, reason: str) -> DataError:
    """Return the error for a file that is missing, empty or, for a reason, damaged."""
    if not path.exists():
        return DataError(f"{path} does not exist; restore it or scan the folder again.")
    if path.is_file() and path.stat().st_size == 0:
        return DataError(f"{path} is empty; take it again from the publisher's archive.")
    reason = " ".join(reason.split())
    return DataError(f"{path} cannot be read ({reason}); take it again from the publisher's archive.")


def check_binary(path: Path, values: Sequence[int]) -> None:
    """Refuse, by a DataError, a mask with other values than 0 and 255, or 0 and 1."""
    if not (set(values) <= {0, 255} or set(values) <= {0, 1}):
        found = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
        raise DataError(f"{path} is a mask with the values {found}; expected 0 and 255, or 0 and 1, only.")
