"""Case score: a line of cases.csv."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.registry import Metric

COLUMNS = (
    "case",
    "patient",
    "client",
    "split",
    "region",
    "dice",
    "iou",
    "hd95",
    "hd95_unit",
    "nsd",
    "missed",
    "model",
)
SCORES = ("dice", "iou", "hd95", "nsd")
"""Columns of cases.csv that are always there: all of them, and those of scores."""


@dataclass(frozen=True)
class CaseScore:
    """The scores of one region of one case.

    Attributes:
        case: Case id.
        patient: Patient id.
        client: The client that holds the case.
        split: ``validation`` or ``test``.
        region: Name of the region, or of whatever is scored.
        values: By a metric's name the score; what was not computed is not in it.
        distance_unit: Unit of scores that are distances: ``mm``, ``% of diagonal`` or, of older records, ``px``; empty
            where there are none. Volumes are in ml beside mm, and else in percent of the image.
        missed: Whether exactly one of prediction and truth was empty; ``None`` of what is no mask.
        model: Whose model was scored: ``global``, or the name of the client whose own model it is.
    """

    case: str
    patient: str
    client: str
    split: str
    region: str
    values: Mapping[str, float] = field(default_factory=dict)
    distance_unit: str = ""
    missed: bool | None = None
    model: str = GLOBAL_MODEL

    def __getitem__(self, metric: Metric) -> float | None:
        """The score by a metric; ``None`` where it was not computed."""
        return self.values.get(metric.name)


def columns_of(scores: Iterable[CaseScore]) -> tuple[str, ...]:
    """Return the columns of cases.csv: always the same, and after them one for each further metric."""
    further = dict.fromkeys(name for score in scores for name in score.values if name not in SCORES)
    return (*COLUMNS, *further)


def to_line(score: CaseScore) -> dict[str, Any]:
    """Return the cells of a line of cases.csv by column."""
    return {
        "case": score.case,
        "patient": score.patient,
        "client": score.client,
        "split": score.split,
        "region": score.region,
        **score.values,
        "hd95_unit": score.distance_unit,
        "missed": score.missed,
        "model": score.model,
    }
