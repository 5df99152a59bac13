"""Volumes scored while the next are predicted, beside one after the other.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/scoring_behind.py

A U-Net segments made-up volumes of the size of BraTS (240x240x155 voxels) by patches of 128^3, and all metrics score
its regions, as after a fit. What is predicted is then replaced by the truth, moved and with another surface, so that
scores have the work that a trained network gives them. The two ways take turns; what counts is the ratio of the medians
of wall time, and that the scores are equal. Where this process has one processor both are the same.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from unittest.mock import patch

import numpy as np
import torch

from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch
from adpfl_bench.data.evaluation.sliding_window import SlidingWindow
from adpfl_bench.phantoms.volumes.space import Space, depth_in_ellipsoid, smooth_field
from adpfl_bench.processors import count_processors
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.tasks import work_behind
from adpfl_bench.tasks.brain_tumour import BrainTumorTask
from adpfl_bench.tasks.scored_task import Mask

SHAPE, SPACING = (240, 240, 155), (1.0, 1.0, 1.0)


def tumour(seed: int, shift: float) -> Mask:
    """Masks of regions within each other, [3, *SHAPE]."""
    space, generator = Space(SHAPE, SPACING), np.random.default_rng(seed)
    depth = depth_in_ellipsoid(space, (20.0 + shift, -10.0, 5.0), (32.0, 27.0, 34.0))
    depth = depth + 0.15 * smooth_field(generator, space, 25)
    return np.stack([depth > least for least in (0.0, 0.3, 0.6)])


class Moved(BrainTumorTask):
    """Predicts as it has to, and says something else."""

    found: Mask

    def segment(self, batch: EvaluationBatch) -> list[Mask]:
        """Predict, and paint; then take other masks."""
        super().segment(batch)
        return [self.found]


def scored(task: Moved, batch: EvaluationBatch, cases: int, processors: int) -> tuple[float, list[CaseScore]]:
    """Score so many cases; wall seconds and scores."""
    task.scores = []
    with patch.object(work_behind, "count_processors", lambda: processors), torch.inference_mode():
        start = time.perf_counter()
        for _ in range(cases):
            task.score(batch, complete=True)
        found = task.scores
        return time.perf_counter() - start, found


def main() -> int:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    task = Moved(
        label_scheme="brats",
        network="UNet",
        network_arguments={"channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 0},
    ).eval()
    task.found = tumour(1, 3.0)
    label = torch.from_numpy(tumour(0, 0.0).astype(np.uint8))
    window = SlidingWindow((128, 128, 128), 0.25, 1, 0.0)
    batch = EvaluationBatch(
        torch.randn(1, 4, *SHAPE), [label], [SPACING], [None], ["case"], ["patient"], "clinic", "test", window=window
    )
    ways = {"one after the other": 1, "behind the next": count_processors()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rows = {}
    for _ in range(options.repetitions):
        for name, processors in ways.items():
            spent, rows[name] = scored(task, batch, options.cases, processors)
            seconds[name].append(spent)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<20} {median / options.cases:6.2f} s a case")
    one, behind = ways
    print(f"ratio {medians[behind] / medians[one]:.2f}; scores {'equal' if rows[one] == rows[behind] else 'DIFFER'}")
    return 0 if rows[one] == rows[behind] else 1


if __name__ == "__main__":
    sys.exit(main())
