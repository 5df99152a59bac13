"""Calibration of a segmentation: probabilities at a sample of each test case's voxels, beside the truth there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.evaluation_batch import SPARE, EvaluationBatch
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.functional.reliability import Reliability
from adpfl_bench.peers import peers
from adpfl_bench.records.calibration_block import CalibrationBlock
from adpfl_bench.seeding import numpy_generator

POINTS = 4096
"""Voxels that are looked at in each case, drawn with replacement: as many in a picture as in a volume."""

_Models = Literal["global", "own"]


class Calibration:
    """The calibration of an evaluation at hand."""

    def __init__(self) -> None:
        self._found: list[tuple[int, _Models, str, Reliability]] = []

    def add(self, logits: Tensor, batch: EvaluationBatch, predicted: Sequence[str], regions: Sequence[str]) -> None:
        """Add a batch's cases.

        Args:
            logits: What the network predicts of them, [B, P, *spatial].
            batch: The batch, with labels of the scored regions.
            predicted: Names of the P channels.
            regions: Names of the scored regions, among which these are.
        """
        models: _Models = "global" if batch.model == GLOBAL_MODEL else "own"
        for case, label, grid, name in zip(logits, batch.labels, batch.grids, batch.cases, strict=True):
            truths = label[[regions.index(region) for region in predicted]]
            probabilities, truth = sample(case, truths, grid, name)
            for region, found, true in zip(predicted, probabilities, truth, strict=True):
                reliability = Reliability.of(found, true)
                if reliability.counts.any():  # a model that diverged has no probabilities
                    self._found.append((batch.place, models, region, reliability))

    def exchange(self) -> None:
        """Take in what the run's other processes found, in the order in which one process would have all."""
        if peers().count > 1:
            every = [row for own in peers().gather(self._found) for row in own if row[0] != SPARE]
            self._found = sorted(every, key=lambda row: row[0])

    def blocks(self) -> tuple[CalibrationBlock, ...]:
        """Return what a record states: a block for each region, by the global model and by clients' own."""
        groups: dict[tuple[_Models, str], list[Reliability]] = {}
        for _, models, region, found in self._found:
            groups.setdefault((models, region), []).append(found)
        return tuple(CalibrationBlock.of(*key, found) for key, found in groups.items())


def sample(
    logits: Tensor, truths: Tensor, grid: CaseGrid | None, case: str
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """Return probabilities and truth at voxels of a case, which are drawn by its name and so the same for every model.

    Args:
        logits: Of the case, [P, *spatial].
        truths: Masks [P, *grid] of the same regions.
        grid: The way between the two. Voxels are drawn from the box that the network sees: outside of it the
            prediction is nothing.
        case: Name of the case.

    Returns:
        Both [P, POINTS]. Logits are interpolated linearly to the grid of the truth.
    """
    masks = list(truths.cpu().numpy())
    if grid is not None:
        box = tuple(slice(start, stop) for start, stop in grid.box)
        masks = [grid.to_canonical(mask)[box] for mask in masks]
    shape = masks[0].shape
    places = numpy_generator(0, "calibration", case).integers(0, shape, (POINTS, len(shape)))
    truth = np.stack([mask[tuple(places.T)] for mask in masks]).astype(np.bool_)
    # Centres of voxels, from -1 at the grid's one face to 1 at the other; torch wants the last axis first.
    centres = ((2 * places + 1) / np.array(shape) - 1)[:, ::-1].copy()
    points = torch.from_numpy(centres).to(logits.device, torch.float32).reshape(1, *(1,) * (len(shape) - 1), POINTS, -1)
    found = functional.grid_sample(logits[None].float(), points, padding_mode="border", align_corners=False)
    return torch.sigmoid(found).reshape(len(logits), POINTS).cpu().numpy(), truth
