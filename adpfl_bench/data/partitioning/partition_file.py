"""Partitions as CSV files that can be published: one line for each case, with its patient, client and split.

    case,patient,client,split
    ISIC_0027419,HAM_0000118,vidir_modern,train

The file holds identifiers only, no image and no metadata. Lines may stand in any order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.csv_table import Row, read_table
from adpfl_bench.errors import DataError
from adpfl_bench.files import replace_file
from adpfl_bench.text import a_few, count, csv_text, name_problem, plain_cell

_log = logging.getLogger(__name__)

_COLUMNS = ("case", "patient", "client", "split")
_SPLITS = ("train", "validation", "test")


def write_partition(path: Path, clients: Iterable[Client]) -> None:
    """Write clients to a partition file, whole or not at all.

    Lines are sorted by client, split and case, and end in a line feed on every platform, so equal clients give equal
    bytes. The file is written beside its destination and then renamed.

    Args:
        path: The CSV file; its folder is created if need be, and a file that is already there is replaced.
        clients: The clients.

    Raises:
        DataError: A case or patient is in two places, a client has no cases or no name, or a name is none that a table
            can state; nothing is written.
    """
    path = Path(path)
    content = partition_bytes(path, clients)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


def partition_bytes(path: Path, clients: Iterable[Client]) -> bytes:
    """Make the content of a partition file; ``path`` is what its errors name.

    Raises:
        DataError: As :func:`write_partition`.
    """
    rows = []
    for client in sorted(clients, key=lambda client: client.name):
        if not client.name.strip() or not client.cases:
            raise DataError(
                f"The client {client.name!r} has no name or no cases, so {path} cannot state it; remove it."
            )
        for split in _SPLITS:
            for case in sorted(getattr(client, split), key=lambda case: case.case_id):
                rows.append(dict(zip(_COLUMNS, (case.case_id, case.patient_id, client.name, split), strict=True)))
    for row in rows:
        for value in row.values():
            if problem := name_problem(value):
                raise DataError(f"{path} cannot state the name {value[:80]!r}, which {problem}; rename it.")
    _check_rows(path, [Row(line, values) for line, values in enumerate(rows, start=2)])
    return csv_text([_COLUMNS, *(row.values() for row in rows)]).encode()


def read_partition(path: Path, cases: Sequence[Case]) -> tuple[Client, ...]:
    """Read clients from a partition file.

    Cases of the dataset that the file does not name are left out; their number is logged.

    Returns:
        The clients sorted by name, with each split sorted by case id.

    Raises:
        DataError: The file is missing or malformed, names a case that the dataset lacks or another patient for it, or
            puts a case or patient in two places.
    """
    path = Path(path)
    table = read_table(path, _COLUMNS, "The partition file")
    rows = [Row(row.line, {column: plain_cell(cell) for column, cell in row.values.items()}) for row in table]
    _check_rows(path, rows)
    known = {case.case_id: case for case in cases}
    _check_known(path, rows, known)
    if left_out := len(known) - len(rows):
        _log.info("%s names %d of %d cases; the other %d are left out.", path, len(rows), len(known), left_out)
    members: dict[str, dict[str, list[Case]]] = {}
    for row in sorted(rows, key=lambda row: row.values["case"]):
        splits = members.setdefault(row.values["client"], {split: [] for split in _SPLITS})
        splits[row.values["split"]].append(known[row.values["case"]])
    return tuple(
        Client(name, **{split: tuple(theirs) for split, theirs in splits.items()})
        for name, splits in sorted(members.items())
    )


def _check_rows(path: Path, rows: Sequence[Row]) -> None:
    """Check that the rows contradict neither each other nor the format."""
    first_of_case: dict[str, Row] = {}
    first_of_patient: dict[str, Row] = {}
    for row in rows:
        case, patient, client, split = (row.values[column] for column in _COLUMNS)
        if split not in _SPLITS:
            raise DataError(
                f"{path}, line {row.line}: the split of case {case} must be train, validation or test; found {split!r}."
            )
        if (first := first_of_case.setdefault(case, row)) is not row:
            raise DataError(f"{path}, lines {first.line} and {row.line}: the case {case} is there twice; remove one.")
        first = first_of_patient.setdefault(patient, row)
        for column, value in (("client", client), ("split", split)):
            if first.values[column] != value:
                raise DataError(
                    f"{path}, lines {first.line} and {row.line}: the patient {patient} is in two {column}s, "
                    f"{first.values[column]} and {value}; all cases of a patient belong in one."
                )
    if not rows:
        raise DataError(f"{path} names no cases; expected one line for each.")


def _check_known(path: Path, rows: Sequence[Row], known: dict[str, Case]) -> None:
    """Check that the rows agree with the dataset."""
    unknown = [row for row in rows if row.values["case"] not in known]
    if unknown:
        names = a_few([f"{row.values['case']} (line {row.line})" for row in unknown])
        raise DataError(
            f"{path} names {count(unknown, 'case')} that the dataset does not have: {names}. "
            "Use the partition file with the dataset that it was made for."
        )
    for row in rows:
        patient = known[row.values["case"]].patient_id
        if row.values["patient"] != patient:
            raise DataError(
                f"{path}, line {row.line}: the case {row.values['case']} belongs to patient {row.values['patient']} "
                f"here, but to {patient} in the dataset; use the partition file with the dataset it was made for."
            )
