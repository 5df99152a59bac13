"""Survey of a dataset of one's own, whichever way it is laid out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.dataset_json import FILE, DatasetJson, Kind, read_dataset_json
from adpfl_bench.datasets.own.path_table import described_by_table, list_table
from adpfl_bench.datasets.own.phantom_like import as_read
from adpfl_bench.datasets.own.raw_folder import list_folder
from adpfl_bench.errors import DataError

TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class OwnSurvey:
    """What is in a folder or a table, without opening an image.

    Attributes:
        description: What its files hold, complete.
        cases: Complete cases, sorted by id.
        problems: What is missing or there twice; cases with such a problem are not among ``cases``.
        in_one_file: Whether a case's channels are all in one file.
    """

    description: DatasetDescription
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    in_one_file: bool


def is_table(root: Path) -> bool:
    """Whether a dataset is a table of paths, by its name."""
    return root.suffix.lower() in TABLES


def describe_own(root: Path, stated: DatasetDescription, kind: Kind) -> DatasetDescription:
    """Complete a description by what the files state.

    Args:
        root: Folder with ``dataset.json``, or a CSV file.
        stated: What is stated of it.
        kind: Whether it holds pictures or volumes.

    Raises:
        DataError: The files are not there, or wrong.
        ConfigError: They and what is stated contradict each other, or themselves.
    """
    if is_table(root):
        description = described_by_table(root, stated, kind)
    else:
        described = _read(root)
        description = stated.completed(described.description, str(described.path))
    description.scheme()  # refuses what no label map can be painted of
    return description


def survey_own(root: Path, stated: DatasetDescription, kind: Kind) -> OwnSurvey:
    """List the cases of a folder or a table; as :func:`describe_own`."""
    description = as_read(root, describe_own(root, stated, kind))
    if is_table(root):
        cases, problems = list_table(root, description, kind)
        in_one_file = all(len(case.images) == 1 for case in cases)
    else:
        cases, problems, in_one_file = list_folder(_read(root), description, kind)
    return OwnSurvey(description, tuple(sorted(cases, key=lambda case: case.case_id)), tuple(problems), in_one_file)


def holder_of(root: Path, cases: Sequence[Case]) -> Path:
    """The folder that holds all files of a table's cases: its own, or the nearest above it."""
    if not is_table(root):
        return root
    files = [path for case in cases for path in case.files]
    own = root.parent
    if all(path.is_relative_to(own) and ".." not in path.parts for path in files):
        return own
    return Path(os.path.commonpath([own.absolute(), *(path.parent for path in files)]))


def _read(root: Path) -> DatasetJson:
    if not root.exists():
        raise DataError(f"{root} does not exist; give a folder with {FILE}, imagesTr/ and labelsTr/, or a CSV file.")
    if root.is_file():
        raise DataError(
            f"{root} is a file that does not end in {' or '.join(TABLES)}; give a folder with {FILE}, imagesTr/ and"
            " labelsTr/, or a table of paths."
        )
    return read_dataset_json(root / FILE)
