"""Inventory of a dataset's folder: its files, and what reading them has shown, for ``adpfl-bench verify``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem, refuse


@dataclass(frozen=True)
class CheckedCase:
    """A case all of whose files were read.

    Attributes:
        problems: What is wrong; empty for a good case.
        digest: Hash of the first channel's voxels, the same for copies of an image; empty if it cannot be read.
        warnings: What is probably not as it was meant; the case can be used all the same.
    """

    problems: tuple[Problem, ...]
    digest: str
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """A dataset's folder, with all that can be seen to be wrong without opening an image.

    Attributes:
        name: What it was recognised as, e.g. ``"KiTS23"``.
        cases: What can be read: of volumes the complete cases, of pictures all files.
        problems: What is missing or there twice.
        check: Reads a case; it can be sent to another process.
    """

    name: str
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    check: Callable[[Case], CheckedCase]

    def complete(self, advice: str) -> list[Case]:
        """Return the cases if nothing is wrong.

        Raises:
            DataError: Something is; the first few problems are told, with the number of the others, and the advice.
        """
        refuse(self.problems, self.name, advice)
        return list(self.cases)


def duplicate_problems(cases: Mapping[str, tuple[str, str, Path]]) -> list[Problem]:
    """Find images that are there under two patients' names, and would train and test the same model.

    Args:
        cases: By case id the patient id, the image's digest, and its file.
    """
    first: dict[str, str] = {}
    problems = []
    for case_id, (patient, digest, path) in sorted(cases.items()):
        if not digest:
            continue
        other = first.setdefault(digest, case_id)
        if cases[other][0] != patient:
            problems.append(
                Problem(case_id, f"has the same image as {other}, which is another patient; remove one", path)
            )
    return problems
