"""Check of the scores: each is possible, and they are those of the partition's cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.region_masks import MM, PERCENT_OF_DIAGONAL
from adpfl_bench.metrics.registry import DICE, IOU
from adpfl_bench.records.partition_columns import PartitionColumns
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.text_column import BoolArray, first_repeated
from adpfl_bench.records.verification.calibration_check import impossible_calibration
from adpfl_bench.records.verification.config_values import mapping
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding
from adpfl_bench.text import count

_UNITS = (MM, PERCENT_OF_DIAGONAL, "px")
"""The last is that of records from before distances in pictures were made independent of their pixels."""
_ROUNDED = 5e-6
"""By how much Dice and IoU of a case may disagree, where somebody has rounded them to six digits."""
_LIMITS = {"test": "limit_test_batches", "validation": "limit_val_batches"}


def check_scores(evidence: Evidence) -> Iterator[Finding]:
    """Make sure that every score is possible, and there once."""
    yield from impossible_calibration(evidence.record)
    try:
        scores = evidence.scores
    except RecordError as error:
        yield Finding("scores", str(error))
        return
    if scores is not None:
        yield from impossible_scores(evidence.record, scores)


def impossible_scores(record: RunRecord, scores: ScoreColumns) -> Iterator[Finding]:
    """Find scores out of range, units that do not agree, and what is scored twice, by a run's metrics."""
    if not len(scores):
        return
    yield from _ranges(record, scores)
    yield from _units(record, scores)
    if (row := first_repeated(scores.keys())) is not None:
        yield Finding("scores", f"{_named(scores, row)} is scored twice")


def _ranges(record: RunRecord, scores: ScoreColumns) -> Iterator[Finding]:
    units = {metric.name: metric.unit for metric in record.model.metrics}
    for name, values in scores.values.items():
        impossible = ~np.isfinite(values)
        if units.get(name) == "share":
            impossible |= ~((values >= 0) & (values <= 1))
        elif units.get(name) in ("distance", "volume"):
            impossible |= ~(values >= 0)
        impossible &= ~scores.empty[name]
        if impossible.any():
            row = int(np.argmax(impossible))
            yield Finding("scores", f"{name} of {_named(scores, row)} is {values[row]:g}")
    dice, iou = scores.by(DICE), scores.by(IOU)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(iou - dice / (2 - dice)) > _ROUNDED
    if apart.any():
        row = int(np.argmax(apart))
        yield Finding("scores", f"dice and iou of {_named(scores, row)} are {dice[row]:g} and {iou[row]:g}")


def _units(record: RunRecord, scores: ScoreColumns) -> Iterator[Finding]:
    """Look at the units of distances: tolerances of surfaces are in one unit, so all distances of a run are."""
    measured: BoolArray = np.zeros(len(scores), dtype=np.bool_)
    for metric in record.model.metrics:
        if metric.measures and metric.name in scores.empty:
            measured |= ~scores.empty[metric.name]
    found = scores.distance_unit.take(measured).present()
    if unknown := [unit for unit in found if unit not in _UNITS]:
        yield Finding(
            "scores",
            f"a distance is in {unknown[0] or 'no unit'}, and should be in {', '.join(_UNITS[:-1])} or {_UNITS[-1]}",
        )
    elif len(found) > 1:
        yield Finding("scores", f"distances are in {' and '.join(sorted(found))}")


def check_cases(evidence: Evidence) -> Iterator[Finding]:
    """Make sure that what is scored are the partition's cases; where it is not there, that there are as many."""
    record = evidence.record
    try:
        scores, partition = evidence.scores, evidence.partition
    except RecordError:  # other checks say so
        return
    if scores is None or not len(scores):
        return
    clients = set(record.data.clients)
    strangers = [name for name in scores.model.present() if name != GLOBAL_MODEL and name not in clients]
    if clients and strangers:
        yield Finding("cases", f"cases.csv has scores by the model of {strangers[0]}, which is no client")
    if partition is not None and (strange := _strange_row(scores, partition)) is not None:
        score, row = scores[strange], partition.case.places.get(scores.case[strange])
        where = "does not name" if row is None else f"puts at {partition.client[row]}, {partition.split[row]}"
        found_at = f"{score.case} of {score.client}, {score.split}"
        yield Finding("cases", f"cases.csv has {found_at}, which partition.csv {where}")
        return
    trainer = mapping(record.config.get("trainer"))
    for split in scores.split.present():
        if trainer.get(_LIMITS.get(split, "")) is not None or trainer.get("fast_dev_run"):
            continue  # fewer batches were asked for
        found = _cases_by_client(scores.take(scores.split.equals(split)))
        for client, sizes in record.data.clients.items():
            wanted = getattr(sizes, split, 0)
            if found.get(client, 0) != wanted:
                scored = count(found.get(client, 0), f"{split} case")
                yield Finding("cases", f"cases.csv scores {scored} of {client}, which has {wanted:,}")
                return


def _strange_row(scores: ScoreColumns, partition: PartitionColumns) -> int | None:
    """Find the first row whose case is of another patient, client or split in the partition, or not in it."""
    rows = scores.case.codes_in(partition.case)  # which has each case once, so that its number is its row
    strange, known = rows < 0, np.flatnonzero(rows >= 0)
    for name in ("patient", "client", "split"):
        ours, theirs = getattr(scores, name), getattr(partition, name)
        strange[known] |= ours.codes_in(theirs)[known] != theirs.codes[rows[known]]
    return int(np.argmax(strange)) if strange.any() else None


def _cases_by_client(scores: ScoreColumns) -> Mapping[str, int]:
    """Count the cases of each client."""
    owners = scores.client.take(scores.case.first_rows())
    numbers = np.bincount(owners.codes, minlength=len(owners.names))
    return dict(zip(owners.names, numbers.tolist(), strict=True))


def _named(scores: ScoreColumns, row: int) -> str:
    """Name the case and region of a row."""
    score = scores[row]
    by = "" if score.model == GLOBAL_MODEL else f" by the model of {score.model}"
    return f"{score.region} of {score.case}{by}"
