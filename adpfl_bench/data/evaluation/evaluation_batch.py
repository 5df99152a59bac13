"""Evaluation cases, one by one and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.sliding_window import SlidingWindow
from adpfl_bench.federation.scored_models import GLOBAL_MODEL

Spacing = tuple[float, ...]

SPARE = -1
"""Place of a batch for a process that would have none; what it scores there counts nowhere."""


@dataclass
class EvaluationCase:
    """A case to be scored, as a datamodule brings it.

    Attributes:
        image: For the network, [C, *spatial].
        label: The truth, as uint8 masks [R, *grid] where regions are segmented.
        spacing: Spacing of the label's grid in mm; ``None`` where only pixels are known.
        grid: The way from the network's grid to the label's; ``None`` where they are the same, and of pictures.
        window: How an image that is larger than the network's input is segmented; ``None`` where none is.
    """

    image: Tensor
    label: Tensor
    spacing: Spacing | None = None
    grid: CaseGrid | None = None
    window: SlidingWindow | None = None


@dataclass
class EvaluationBatch:
    """Cases of one client, scored by one model.

    Lightning moves it by :meth:`to`; it is not frozen, so that other precisions may convert its image.

    Attributes:
        image: [B, C, *spatial].
        labels: The truth of each case, on a grid of its own.
        spacings: Spacing of each label's grid in mm, or ``None``.
        grids: The way from the network's grid to each label's, or ``None``.
        cases: Case ids.
        patients: Patient ids.
        client: The client that holds the cases.
        split: ``validation`` or ``test``.
        model: Whose model scores them: ``global``, or the name of the client whose own model it is.
        window: How images that are larger than the network's input are segmented.
        place: Number of the batch in the whole evaluation, whichever process scores it; :data:`SPARE` of one that
            another process scores too.
    """

    image: Tensor
    labels: Sequence[Tensor]
    spacings: Sequence[Spacing | None]
    grids: Sequence[CaseGrid | None]
    cases: Sequence[str]
    patients: Sequence[str]
    client: str
    split: str
    model: str = GLOBAL_MODEL
    window: SlidingWindow | None = None
    place: int = 0

    def to(self, *arguments: Any, **options: Any) -> EvaluationBatch:
        """Return the batch with its images moved as by :meth:`torch.Tensor.to`; labels are compared where they are."""
        return replace(self, image=self.image.to(*arguments, **options))


def collate_cases(
    cases: Sequence[EvaluationCase],
    ids: Sequence[str],
    patients: Sequence[str],
    client: str,
    split: str,
    model: str = GLOBAL_MODEL,
    place: int = 0,
) -> EvaluationBatch:
    """Stack the images of cases of one client, of one without a copy; labels keep their own sizes."""
    first = cases[0].image
    return EvaluationBatch(
        image=first[None] if len(cases) == 1 else torch.stack([case.image for case in cases]),
        labels=[case.label for case in cases],
        spacings=[case.spacing for case in cases],
        grids=[case.grid for case in cases],
        cases=list(ids),
        patients=list(patients),
        client=client,
        split=split,
        model=model,
        window=cases[0].window,
        place=place,
    )
