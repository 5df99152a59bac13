"""Case score: a line of cases.csv, and the one place where means over cases are taken."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.registry import Metric


def mean_if_all(values: Iterable[float | None]) -> float | None:
    """Return the mean; ``None`` where a value is missing or not finite, or there is none."""
    found = list(values)
    known = [value for value in found if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known and len(known) == len(found) else None


def sample_sd(values: Iterable[float]) -> float | None:
    """Return the standard deviation with ddof=1; ``None`` for fewer than two values."""
    array = np.array(list(values))
    return float(array.std(ddof=1)) if len(array) > 1 else None


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
    """Return the columns of cases.csv: always the same, and after them one for each further metric."""
    further = dict.fromkeys(name for score in scores for name in score.values if name not in _SCORES)
    return (*_COLUMNS, *further)


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
    """Take the mean over models of each case on one region, so that all weigh the same however many models scored them.

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
    """Return the mean over cases; ``None`` where one lacks the score, where units differ, and of no case."""
    found = list(scores)
    if metric.unit == "distance" and len({score.distance_unit for score in found}) > 1:
        return None
    return mean_if_all(score[metric] for score in found)


def means_by(scores: Iterable[CaseScore], key: Callable[[CaseScore], str], metric: Metric) -> dict[str, float]:
    """Return the mean over the cases of each group; one of which a case lacks the score is left out."""
    groups: dict[str, list[CaseScore]] = {}
    for score in scores:
        groups.setdefault(key(score), []).append(score)
    means = {name: mean_score(groups[name], metric) for name in groups}
    return {name: mean for name, mean in means.items() if mean is not None}


@dataclass(frozen=True)
class ScoreMeans:
    """Means over cases, seeds or regions, whatever the scores are of.

    Attributes:
        scores: One for each case (region, seed).
        metrics: What they were scored by; the first is the main one.
        held_out: Clients that took no part in training.
    """

    scores: Sequence[CaseScore]
    metrics: Sequence[Metric]
    held_out: Collection[str] = ()

    def mean(self, metric: Metric) -> float | None:
        """Return the mean by a metric; ``None`` where a case lacks it or units are mixed."""
        return mean_score(self.scores, metric)

    @cached_property
    def clients(self) -> dict[str, float]:
        """The main metric's mean of each client, by name."""
        means = means_by(self.scores, lambda score: score.client, self.metrics[0])
        return {client: means[client] for client in sorted(means)}

    @property
    def trained(self) -> dict[str, float]:
        """The same of those clients that took part in training."""
        return {client: mean for client, mean in self.clients.items() if client not in self.held_out}

    @property
    def worst_client(self) -> str | None:
        """The client with the worst mean among those that took part in training; ``None`` where there is none."""
        sign = 1 if self.metrics[0].higher_is_better else -1
        return min(self.trained, key=lambda name: (sign * self.trained[name], name), default=None)

    @property
    def spread(self) -> float | None:
        """Highest minus lowest mean of the clients that took part in training."""
        return max(self.trained.values()) - min(self.trained.values()) if self.trained else None

    @property
    def distance_unit(self) -> str:
        """Unit of the distances, ``mm`` or ``px``, or both; empty where there are none."""
        return "/".join(sorted({score.distance_unit for score in self.scores} - {""}))


def count_missed(scores: Iterable[CaseScore]) -> int | None:
    """Number of scores of which exactly one of prediction and truth is empty; ``None`` where none is of masks."""
    known = [score.missed for score in scores if score.missed is not None]
    return sum(known) if known else None
