"""Findings: problems of a case, collected one file after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from adpfl_bench.data.problems import Problem
from adpfl_bench.errors import DataError

_Read = TypeVar("_Read")


class Findings:
    """The problems of a case, in the order in which they were found.

    Args:
        case_id: The case.
    """

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
            problem = Problem(self.case_id, _without_path(error, path), path)
            if problem not in self.problems:
                self.problems.append(problem)
            return None


def _without_path(error: DataError, path: Path) -> str:
    """What an error says of a file, for a line that names the file itself."""
    return str(error).removeprefix(f"{path} ").removesuffix(".")
