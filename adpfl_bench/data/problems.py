"""Problems of a dataset: one entry for each case and problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.errors import DataError
from adpfl_bench.text import count

_SHOWN = 5


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
