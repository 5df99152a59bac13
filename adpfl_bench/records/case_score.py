"""What a case scored, whichever and however many models scored it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adpfl_bench.records.averages import mean_if_all
from adpfl_bench.records.case_row import CaseRow


@dataclass(frozen=True)
class CaseScore:
    """The scores of one region of one case, each the mean over the models that scored it.

    Attributes:
        dice: Dice, in [0, 1].
        hd95: 95th-percentile Hausdorff distance, in the unit of the case's rows; ``None`` where a model's lacks it.
        nsd: Normalised surface distance, in [0, 1]; ``None`` where a model's lacks it.
        client: The client that holds the case.
        patient: Patient id.
        iou: Intersection over union, in [0, 1].
    """

    dice: float
    hd95: float | None
    nsd: float | None
    client: str
    patient: str
    iou: float


def mean_over_models(rows: Iterable[CaseRow]) -> dict[str, CaseScore]:
    """Take the mean over models of each case, so that every case weighs the same however many models scored it.

    Args:
        rows: Rows of one region.

    Returns:
        Scores by case id, in the order in which the cases come.
    """
    by_case: dict[str, list[CaseRow]] = {}
    for row in rows:
        by_case.setdefault(row.case, []).append(row)
    return {case: _mean(models) for case, models in by_case.items()}


def mean_dice(rows: Sequence[CaseRow]) -> float:
    """Mean Dice over cases and regions, where a case that several models scored counts once.

    Args:
        rows: At least one row, of any regions.
    """
    regions = {row.region for row in rows}
    by_region = [mean_over_models(row for row in rows if row.region == region) for region in sorted(regions)]
    return float(np.mean([score.dice for scores in by_region for score in scores.values()]))


def _mean(rows: Sequence[CaseRow]) -> CaseScore:
    return CaseScore(
        dice=float(np.mean([row.dice for row in rows])),
        hd95=mean_if_all([row.hd95 for row in rows]),
        nsd=mean_if_all([row.nsd for row in rows]),
        client=rows[0].client,
        patient=rows[0].patient,
        iou=float(np.mean([row.iou for row in rows])),
    )
