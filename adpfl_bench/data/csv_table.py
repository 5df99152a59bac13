"""CSV files written by other people, read strictly: a bad line is named instead of guessed at."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.errors import DataError
from adpfl_bench.text import listed, name_problem


@dataclass(frozen=True)
class Row:
    """One row of a CSV file.

    Attributes:
        line: Line of the file on which the row starts; the header is line 1.
        values: Its cells by column name.
    """

    line: int
    values: Mapping[str, str]


def read_table(path: Path, required: Sequence[str], what: str) -> list[Row]:
    """Read a UTF-8 CSV file (commas or, where the header has no comma, tabs).

    Args:
        path: The file.
        required: Columns that must exist and be filled in on every line, by names that tables can state.
        what: What the file is, to begin error sentences with, e.g. ``"HAM10000 metadata"``.

    Returns:
        The rows in file order; blank lines are skipped.

    Raises:
        DataError: The file is missing, is not UTF-8 CSV, lacks a required column or value, has a column twice, or has a
            line with another number of fields than the header.
    """
    lines = _read_lines(path, what)
    if not lines:
        raise DataError(f"{what} {path} is empty; expected a header with the columns {', '.join(required)}.")
    _, header = lines[0]
    missing = [column for column in required if column not in header]
    if missing:
        raise DataError(f"{what} {path} lacks the column(s) {', '.join(missing)}; its first line has {listed(header)}.")
    if twice := [column for column in header if column and header.count(column) > 1]:
        raise DataError(f"{what} {path} has the column {listed(twice[:1])} twice; keep one.")
    rows = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise DataError(
                f"{what} {path}, line {line}: {len(fields)} fields where the header has {len(header)}; "
                "correct the line or take the publisher's file again."
            )
        values = dict(zip(header, fields, strict=True))
        for column in required:
            if not values[column].strip():
                raise DataError(f"{what} {path}, line {line}: the column {column} is empty; fill it in.")
            if problem := name_problem(values[column]):
                raise DataError(
                    f"{what} {path}, line {line}: the column {column} has {values[column][:200]!r}, which"
                    f" {problem}; rename it."
                )
        rows.append(Row(line, values))
    return rows


def _read_lines(path: Path, what: str) -> list[tuple[int, list[str]]]:
    """Read (line, fields) of every line that is not blank, the header included."""
    lines: list[tuple[int, list[str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter="," if "," in header or "\t" not in header else "\t", strict=True)
            start = 1
            for fields in reader:
                if any("\0" in field for field in fields):
                    raise csv.Error("line contains NUL")  # as Python 3.10 says it
                if fields:
                    lines.append((start, fields))
                start = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(f"{what} {path} does not exist; check the path.") from None
    except OSError as error:
        raise DataError(f"{what} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{what} {path} is not UTF-8 text (byte {error.start}: {error.reason}); save it as CSV in UTF-8."
        ) from error
    except csv.Error as error:
        raise DataError(f"{what} {path} is not CSV: {error} near line {start}; save it as CSV in UTF-8.") from error
    return lines
