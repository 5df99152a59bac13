"""Case score: a line of cases.csv, and the one place where means over cases are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.averages import mean_if_all

_COLUMNS = (
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
_SCORES = ("dice", "iou", "hd95", "nsd")


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
        distance_unit: Unit of scores that are distances, ``mm`` or ``px``; empty where there are none.
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
    """The columns of cases.csv: always the same, and after them one for each further metric."""
    further = dict.fromkeys(name for score in scores for name in score.values if name not in _SCORES)
    return (*_COLUMNS, *further)


def to_line(score: CaseScore) -> dict[str, Any]:
    """The cells of a line of cases.csv by column."""
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


def from_line(line: Mapping[str, str]) -> CaseScore:
    """Read a line of cases.csv; one without a column ``model`` is of the global model.

    Raises:
        KeyError: A column is missing.
        ValueError: A cell is missing or cannot be read.
    """
    if not line.get("model", GLOBAL_MODEL):
        raise ValueError("a line does not say which model it scores")
    if None in line.values():
        raise ValueError("a line has too few cells")
    names = (*_SCORES, *(name for name in line if name not in _COLUMNS))
    return CaseScore(
        case=line["case"],
        patient=line["patient"],
        client=line["client"],
        split=line["split"],
        region=line["region"],
        values={name: float(line[name]) for name in names if line[name]},
        distance_unit=line["hd95_unit"],
        missed=bool(int(line["missed"])) if line["missed"] else None,
        model=line.get("model", GLOBAL_MODEL),
    )


def mean_over_models(scores: Iterable[CaseScore]) -> dict[str, CaseScore]:
    """Take the mean over models of each case, so that every case weighs the same however many models scored it.

    Args:
        scores: Of one region.

    Returns:
        By case id, in the order in which the cases come. A mean is there if all models have the score.
    """
    by_case: dict[str, list[CaseScore]] = {}
    for score in scores:
        by_case.setdefault(score.case, []).append(score)
    return {case: _mean(models) for case, models in by_case.items()}


def _mean(models: Sequence[CaseScore]) -> CaseScore:
    if len(models) == 1:
        return models[0]
    means = {name: mean_if_all(score.values.get(name) for score in models) for name in models[0].values}
    return replace(models[0], values={name: mean for name, mean in means.items() if mean is not None}, missed=None)


def mean_score(scores: Iterable[CaseScore], metric: Metric) -> float | None:
    """Mean over cases; ``None`` where one lacks the score, where units differ, and of no case."""
    found = list(scores)
    if metric.unit == "distance" and len({score.distance_unit for score in found}) > 1:
        return None
    return mean_if_all(score[metric] for score in found)


def means_by(scores: Iterable[CaseScore], key: Callable[[CaseScore], str], metric: Metric) -> dict[str, float]:
    """Mean over the cases of each group; one of which a case lacks the score is left out."""
    groups: dict[str, list[CaseScore]] = {}
    for score in scores:
        groups.setdefault(key(score), []).append(score)
    means = {name: mean_score(groups[name], metric) for name in groups}
    return {name: mean for name, mean in means.items() if mean is not None}
