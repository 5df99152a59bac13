"""Score columns: the scores of many cases, what cases.csv holds, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.case_score import COLUMNS, SCORES, CaseScore
from adpfl_bench.records.csv_columns import CsvColumns, blanks, check_names, numbers
from adpfl_bench.records.text_column import BoolArray, TextBuilder, TextColumn, join_texts
from adpfl_bench.text import plain_cell

FloatArray = NDArray[np.float64]

_TEXTS = {
    "case": "case",
    "patient": "patient",
    "client": "client",
    "split": "split",
    "region": "region",
    "distance_unit": "hd95_unit",
    "model": "model",
}
"""Columns of texts, and what the file calls them."""

_SPLITS = ("validation", "test")
_MISSED = {"": -1, "0": 0, "1": 1}


@dataclass(frozen=True, eq=False)
class ScoreColumns:
    """The scores of N rows, each of one region of one case by one model; ``columns[row]`` is a :class:`CaseScore`.

    To check all rows at once, compare arrays: ``(columns.values["dice"] > 1).any()``; which row is the first that is
    wrong says ``argmax``. Whether a row is there twice says ``len(numpy.unique(columns.keys())) < len(columns)``.

    Attributes:
        case: Case ids.
        patient: Patient ids.
        client: The clients that hold the cases.
        split: ``validation`` or ``test``.
        region: Names of the regions.
        distance_unit: Units of scores that are distances; empty where there are none.
        model: Whose models were scored.
        values: By a metric's name the scores, of shape ``[N]``; not a number where one was not computed.
        empty: By a metric's name whether its cell is empty, of shape ``[N]``. A cell that says ``nan`` is not.
        missed: Whether exactly one of prediction and truth was empty, 1 or 0; -1 of what is no mask. Of shape ``[N]``.
    """

    case: TextColumn
    patient: TextColumn
    client: TextColumn
    split: TextColumn
    region: TextColumn
    distance_unit: TextColumn
    model: TextColumn
    values: Mapping[str, FloatArray]
    empty: Mapping[str, BoolArray]
    missed: NDArray[np.int8]

    @classmethod
    def of(cls, scores: Iterable[CaseScore]) -> ScoreColumns:
        """Make columns of scores."""
        rows = list(scores)
        names = dict.fromkeys(name for row in rows for name in row.values)
        empty = {name: np.fromiter((name not in row.values for row in rows), np.bool_, len(rows)) for name in names}
        return cls(
            **{column: TextColumn.of(getattr(row, column) for row in rows) for column in _TEXTS},
            values={name: np.array([row.values.get(name, np.nan) for row in rows], dtype=np.float64) for name in names},
            empty=empty,
            missed=np.array([-1 if row.missed is None else row.missed for row in rows], dtype=np.int8),
        )

    def __len__(self) -> int:
        return len(self.case)

    def __getitem__(self, row: int) -> CaseScore:
        return next(iter(self.take(np.array([range(len(self))[row]]))))

    def __iter__(self) -> Iterator[CaseScore]:
        texts = zip(*(getattr(self, column).texts() for column in _TEXTS), strict=True)
        scores = {name: (self.values[name].tolist(), self.empty[name].tolist()) for name in self.values}
        for row, (cells, missed) in enumerate(zip(texts, self.missed.tolist(), strict=True)):
            yield CaseScore(
                **dict(zip(_TEXTS, cells, strict=True)),
                values={name: found[row] for name, (found, empty) in scores.items() if not empty[row]},
                missed=None if missed < 0 else bool(missed),
            )

    def by(self, metric: Metric) -> FloatArray:
        """Return the scores by a metric, of shape ``[N]``; not a number where they were not computed."""
        found = self.values.get(metric.name)
        return np.full(len(self), np.nan) if found is None else found

    def take(self, rows: NDArray[Any]) -> ScoreColumns:
        """Return some rows, given by a mask or by their places; itself where a mask takes all."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        return ScoreColumns(
            **{column: getattr(self, column).take(rows) for column in _TEXTS},
            values={name: found[rows] for name, found in self.values.items()},
            empty={name: found[rows] for name, found in self.empty.items()},
            missed=self.missed[rows],
        )

    def of_region(self, region: str) -> ScoreColumns:
        """Return the rows of a region."""
        return self.take(self.region.equals(region))

    def pairs(self) -> NDArray[np.int64]:
        """Numbers that are equal where case and region are, of shape ``[N]``."""
        return self.case.codes.astype(np.int64) * max(1, len(self.region.names)) + self.region.codes

    def keys(self) -> NDArray[np.int64]:
        """Numbers that are equal where split, case, region and model are, of shape ``[N]``; they should all differ."""
        models, splits = max(1, len(self.model.names)), max(1, len(self.split.names))
        return (self.pairs() * models + self.model.codes) * splits + self.split.codes


def join_scores(parts: Sequence[ScoreColumns]) -> ScoreColumns:
    """Return the rows of all parts, one part under the other."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.values)
    return ScoreColumns(
        **{column: join_texts([getattr(part, column) for part in parts]) for column in _TEXTS},
        values={n: np.concatenate([p.values.get(n, np.full(len(p), np.nan)) for p in parts]) for n in names},
        empty={n: np.concatenate([p.empty.get(n, np.ones(len(p), np.bool_)) for p in parts]) for n in names},
        missed=np.concatenate([part.missed for part in parts]),
    )


def parse_scores(content: bytes, path: Path) -> ScoreColumns:
    """Read what cases.csv holds; one without a column ``model`` holds scores of the global model.

    The content is that of ``RunDirectory.cases_content``: whoever wants a digest takes it of the same bytes.

    Raises:
        RecordError: It is malformed.
    """
    try:
        return _parse(CsvColumns(content))
    except ValueError as error:
        raise RecordError(f"{path} cannot be read as a table of cases: {error}") from error


def _parse(file: CsvColumns) -> ScoreColumns:
    file.require([name for name in COLUMNS if name != "model"])
    metrics = [*SCORES, *(name for name in file.names if name not in COLUMNS)]
    texts = {column: TextBuilder(plain_cell) for column in _TEXTS}
    values: dict[str, list[FloatArray]] = {name: [np.zeros(0)] for name in metrics}
    empty: dict[str, list[BoolArray]] = {name: [np.zeros(0, np.bool_)] for name in metrics}
    missed: list[NDArray[np.int8]] = [np.zeros(0, np.int8)]
    for cells in file.pieces():
        rows = len(cells["case"])
        models = cells.get("model", (GLOBAL_MODEL,) * rows)
        if "" in models:
            raise ValueError("a line does not say which model it scores")
        for column, name in _TEXTS.items():
            texts[column].add(models if name == "model" else cells[name])
        for name in metrics:
            values[name].append(numbers(cells[name]))
            empty[name].append(blanks(cells[name]))
        if unknown := set(cells["missed"]) - _MISSED.keys():
            raise ValueError(f"missed should be 0, 1 or empty, but a line has {min(unknown)}")
        missed.append(np.fromiter(map(_MISSED.__getitem__, cells["missed"]), np.int8, rows))
    columns = {column: builder.column() for column, builder in texts.items()}
    for column, found in columns.items():
        check_names(column, found.names)
    if unknown := set(columns["split"].names) - set(_SPLITS):
        raise ValueError(f"a split is {' or '.join(_SPLITS)}, but a line has {min(unknown)}")
    return ScoreColumns(
        **columns,
        values={name: np.concatenate(parts) for name, parts in values.items()},
        empty={name: np.concatenate(parts) for name, parts in empty.items()},
        missed=np.concatenate(missed),
    )
