"""One line of cases.csv."""

from __future__ import annotations

from dataclasses import dataclass

GLOBAL_MODEL = "global"
"""Stands in the model column for the federation's one model; every other name is the client whose model it is."""


@dataclass(frozen=True)
class CaseRow:
    """The scores of one region of one case.

    Attributes:
        case: Case id.
        patient: Patient id.
        client: The client that holds the case.
        split: ``validation`` or ``test``.
        region: Name of the region.
        dice: Dice, in [0, 1].
        iou: Intersection over union, in [0, 1].
        hd95: 95th-percentile Hausdorff distance in ``hd95_unit``; ``None`` where it was not computed.
        hd95_unit: ``mm`` or ``px``.
        nsd: Normalised surface distance at the task's tolerance, in [0, 1]; ``None`` where it was not computed.
        missed: Whether exactly one of prediction and truth was empty.
        model: Whose model was scored: ``global``, or the name of the client whose own model it is.
    """

    case: str
    patient: str
    client: str
    split: str
    region: str
    dice: float
    iou: float
    hd95: float | None
    hd95_unit: str
    nsd: float | None
    missed: bool
    model: str = GLOBAL_MODEL
