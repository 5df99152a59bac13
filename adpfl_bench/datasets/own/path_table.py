"""Tables of paths: a CSV file whose rows are cases, with columns for images, mask, patient, site, split and others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adpfl_bench.data.case import SPLITS, Case
from adpfl_bench.data.csv_table import Row, read_table
from adpfl_bench.data.label_scheme import UNNAMED
from adpfl_bench.data.problems import Problem
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.datasets.own.dataset_json import Kind, endings_of
from adpfl_bench.errors import DataError
from adpfl_bench.text import folder_name_problem, listed, name_problem

_WHAT = "The table of paths"
_COLOURS = ["red", "green", "blue"]
_FOREGROUND = dict.fromkeys(UNNAMED, 1)
_SYNONYMS = {"training": "train", "val": "validation", "valid": "validation", "testing": "test"}


def described_by_table(path: Path, stated: DatasetDescription, kind: Kind) -> DatasetDescription:
    """Complete a description by the table's header.

    Raises:
        DataError: The table cannot be read, or lacks a column.
    """
    header = _header(path)
    columns = _settle(path, header, stated.columns)
    images = columns.images or []
    names = [name.removeprefix("image_") for name in images]
    channels = _COLOURS if kind == "pictures" and len(names) == 1 else names
    patients = columns.patient is not None
    if stated.channels is not None and len(images) not in (1, len(stated.channels)):
        raise DataError(
            f"{_WHAT} {path} has {len(images)} columns of images ({listed(images)}), but data.description.channels"
            f" names {len(stated.channels)}; expected one for each."
        )
    name = path.stem if not folder_name_problem(path.stem) else "own"
    found = DatasetDescription(name, channels, _FOREGROUND, ids_identify="patient" if patients else "image")
    described = stated.completed(replace(found, labels=stated.labels or _FOREGROUND), str(path))
    return replace(described, columns=columns)


def list_table(path: Path, description: DatasetDescription, kind: Kind) -> tuple[list[Case], list[Problem]]:
    """List the cases of a table, whose paths are relative to it.

    Raises:
        DataError: The table is malformed, or has no rows; a patient is in two splits, or a split is none.
    """
    columns = description.columns
    assert columns.images is not None
    assert columns.mask is not None
    required = [*columns.images, columns.mask]
    required += [name for name in (columns.case, columns.patient, columns.site, columns.split) if name is not None]
    rows = read_table(path, required, _WHAT)
    if not rows:
        raise DataError(f"{_WHAT} {path} has no rows; expected one for each case.")
    reading = _Reading(path, columns, kind, _folder(path, rows, (*columns.images, columns.mask)))
    cases, problems = [], []
    first: dict[str, int] = {}
    owners: dict[Path, int] = {}
    patients: dict[str, tuple[str | None, int]] = {}
    for row in rows:
        case = reading.case(row, description)
        wrong = [*reading.faults(row, case)]
        if (line := first.setdefault(case.case_id, row.line)) != row.line:
            wrong.append(Problem(case.case_id, f"lines {line} and {row.line} are of one case; keep one", path))
        for image in case.images:
            if (line := owners.setdefault(image, row.line)) != row.line:
                wrong.append(Problem(case.case_id, f"lines {line} and {row.line} name the same image", image))
        split, line = patients.setdefault(case.patient_id, (case.split, row.line))
        if split != case.split:
            raise DataError(
                f"{_WHAT} {path}, lines {line} and {row.line}: the patient {case.patient_id} is in two splits, {split}"
                f" and {case.split}; all cases of a patient belong in one."
            )
        problems += wrong
        if not wrong:
            cases.append(case)
    return cases, problems


@dataclass(frozen=True)
class _Reading:
    """How the rows of a table become cases."""

    path: Path
    columns: TableColumns
    kind: Kind
    folder: Path

    def case(self, row: Row, description: DatasetDescription) -> Case:
        columns, cell = self.columns, row.values
        images = tuple(self._file(cell[name]) for name in columns.images or [])
        case_id = cell[columns.case].strip() if columns.case is not None else _stem(images[0])
        if problem := folder_name_problem(case_id) or name_problem(case_id):
            raise DataError(
                f"{_WHAT} {self.path}, line {row.line}: the case {case_id[:80]!r} {problem}, but names files; give it"
                " another id."
            )
        patient, site = description.of_case(case_id)
        if columns.patient is not None:
            patient = cell[columns.patient].strip()
        if columns.site is not None:
            site = cell[columns.site].strip()
        used = {*(columns.images or []), columns.mask, columns.case, columns.patient, columns.site, columns.split}
        metadata = {name: value for name, value in cell.items() if name and name not in used}
        split = None if columns.split is None else self._split(row, cell[columns.split].strip())
        return Case(case_id, patient, images, self._file(cell[columns.mask or ""]), site, metadata, split)

    def faults(self, row: Row, case: Case) -> list[Problem]:
        """Files that are not there, or are of another kind."""
        found = []
        names = [*(self.columns.images or []), self.columns.mask]
        for column, file in zip(names, case.files, strict=True):
            if not file.name.lower().endswith(endings_of(self.kind)):
                expected = ", ".join(endings_of(self.kind))
                what = f"line {row.line}: {column} ends in none of {expected}"
            elif file.is_dir() or not file.exists():
                what = f"line {row.line}: {column} {'is a folder' if file.is_dir() else 'does not exist'}"
            else:
                continue
            found.append(Problem(case.case_id, what, file))
        if case.label in case.images:
            found.append(Problem(case.case_id, f"line {row.line}: the mask is the image", case.images[0]))
        return found

    def _file(self, cell: str) -> Path:
        return Path(os.path.normpath(self.folder / cell.strip()))

    def _split(self, row: Row, cell: str) -> str:
        split = _SYNONYMS.get(cell.lower(), cell.lower())
        if split not in SPLITS:
            raise DataError(
                f"{_WHAT} {self.path}, line {row.line}: the split is {listed([cell])}; expected {', '.join(SPLITS)}."
            )
        return split


def _folder(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> Path:
    """The table's folder; in full where some files lie elsewhere, so that all paths have something in common."""
    inside = all(
        not os.path.isabs(cell) and not os.path.normpath(cell).startswith("..")
        for row in rows
        for cell in (row.values[column].strip() for column in columns)
    )
    return path.parent if inside else path.parent.absolute()


def _stem(path: Path) -> str:
    known = (*endings_of("volumes"), *endings_of("pictures"))
    ending = next((end for end in known if path.name.lower().endswith(end)), "")
    return path.name[: len(path.name) - len(ending)].removesuffix("_0000")


def _header(path: Path) -> list[str]:
    rows = read_table(path, [], _WHAT)
    if not rows:
        raise DataError(f"{_WHAT} {path} has no rows; expected a header, and one row for each case.")
    return list(rows[0].values)


def _settle(path: Path, header: Sequence[str], stated: TableColumns) -> TableColumns:
    """The columns that there are, by what is stated and by their usual names."""
    settled: Mapping[str, str | None] = {
        name: _column(path, header, f"{name}", getattr(stated, name)) for name in ("case", "patient", "site", "split")
    }
    usual = [name for name in header if name.startswith("image_") and name != "image_"]
    images = stated.images or (["image"] if "image" in header else usual)
    mask = stated.mask or "mask"
    for name in (*images, mask):
        _column(path, header, "images" if name in images else "mask", name)
    if not images:
        raise DataError(
            f"{_WHAT} {path} has no column image, and none that begins with image_; its columns are {listed(header)}:"
            " say which hold images with data.description.columns.images."
        )
    return TableColumns(images, mask, **settled)


def _column(path: Path, header: Sequence[str], what: str, stated: str | None) -> str | None:
    if stated is not None and stated not in header:
        raise DataError(
            f"{_WHAT} {path} has no column {listed([stated])}; its columns are {listed(header)}: say which it is with"
            f" data.description.columns.{what}."
        )
    return stated if stated is not None else (what if what in header else None)
