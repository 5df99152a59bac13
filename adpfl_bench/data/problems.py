"""Problems of a dataset: one entry for each case and problem, collected one file after the other; and warnings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from adpfl_bench.errors import DataError
from adpfl_bench.peers import peers
from adpfl_bench.text import count

_SHOWN = 5

_Read = TypeVar("_Read")

Severity = Literal["error", "warning"]
"""An error keeps a case from being used; a warning says what is probably not as it was meant."""

Check = Literal[
    "background",
    "exif orientation",
    "filled mask",
    "hounsfield units",
    "identical sequences",
    "inverted mask",
    "left out",
    "no header",
    "sheared",
]
"""What a warning is about."""


@dataclass(frozen=True)
class Problem:
    """A problem of one case.

    Attributes:
        case: Case id; empty for what concerns the dataset as a whole.
        problem: What was found and what was expected, as a sentence without a full stop.
        path: The file or folder it was found in.
        advice: What to do; empty where the sentence says it, or where there is nothing but to take the file again.
        check: What a warning is about; ``None`` of an error.
    """

    case: str
    problem: str
    path: Path
    advice: str = ""
    check: Check | None = None

    @property
    def severity(self) -> Severity:
        """Whether the case can be used all the same."""
        return "error" if self.check is None else "warning"

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


def tell_warnings(warnings: Sequence[Problem], say: Callable[[str], None]) -> None:
    """Tell the first few warnings, with the number of the others; nothing if there are none."""
    if not warnings:
        return
    lines = "".join(f"\n  {warning}: {warning.advice}" for warning in warnings[:_SHOWN])
    more = f"\n  and {len(warnings) - _SHOWN:,} more" if len(warnings) > _SHOWN else ""
    say(f"{count(warnings, 'warning')}, all of which `adpfl-bench verify` lists:{lines}{more}")


def tell(text: str) -> None:
    """Say something on standard error, once for all processes of a run."""
    if peers().first:
        print(text, file=sys.stderr, flush=True)


class Findings:
    """The problems and warnings of a case, in the order in which they were found."""

    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def add(self, path: Path, problem: str) -> None:
        """Note a problem of a file; a path that its sentence begins with is dropped, as the problem has it anyway."""
        self.problems.append(Problem(self.case_id, problem.removeprefix(f"{path} "), path))

    def warn(self, check: Check, path: Path, problem: str, advice: str) -> None:
        """Note what is probably not as it was meant, with what to do."""
        self.warnings.append(Problem(self.case_id, problem, path, advice, check))

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
