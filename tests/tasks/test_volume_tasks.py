"""Tasks on volumes: what the network predicts, what is scored, and at which tolerance."""

import numpy as np
import pytest
import torch
from torch import nn

from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch, EvaluationCase, collate_cases
from adpfl_bench.data.evaluation.sliding_window import SlidingWindow
from adpfl_bench.metrics.false_components import COMPONENTS
from adpfl_bench.metrics.functional import normalized_surface_distance
from adpfl_bench.metrics.registry import METRICS
from adpfl_bench.tasks.brain_tumour import BrainTumorTask
from adpfl_bench.tasks.kidney_tumour import KidneyTumorTask
from tests.schemes import SCHEMES

CHALLENGE = {
    "brats": {"brats2023_dice", "brats2023_hd95", "brats2023_whole_hd95"},
    "brats2024": {"brats2024_dice", "brats2024_hd95", "brats2024_nsd05", "brats2024_nsd1"},
}
SMALL = {"network": "UNet", "network_arguments": {"channels": [4, 8], "strides": [2]}}


def batch_of(label_map: np.ndarray, scheme, window: tuple[int, int, int] | None = None, grid=None) -> EvaluationBatch:
    """A case whose image says, where positive, which regions the network is to predict."""
    logits = np.where(scheme.masks(label_map, scheme.predicted), 1.0, -1.0).astype(np.float32)
    label = torch.from_numpy(scheme.masks(label_map).astype(np.uint8))
    sliding = None if window is None else SlidingWindow(window, 0.5, 2, 0.0)
    case = EvaluationCase(torch.from_numpy(logits), label, (1.0, 1.0, 2.0), grid, sliding)
    return collate_cases([case], ["case"], ["patient"], "client", "test")


@pytest.mark.parametrize("network", ["UNet", "DynUNet", "SegResNet"])
def test_networks_by_name_predict_a_channel_for_each_painted_region(network: str) -> None:
    for task in (KidneyTumorTask(network=network), BrainTumorTask("brats2024", network=network)):
        with torch.no_grad():
            logits = task.network(torch.zeros(1, task.in_channels, 32, 32, 32))
        assert logits.shape == (1, len(task.predicted), 32, 32, 32)


@pytest.mark.parametrize("name", sorted(SCHEMES))
@pytest.mark.parametrize("window", [None, (8, 8, 8)])
def test_a_perfect_network_scores_perfectly_in_every_region(name: str, window: tuple | None) -> None:
    scheme = SCHEMES[name]
    label_map = np.random.default_rng(0).integers(0, len(scheme.classes) + 1, (12, 9, 10)).astype(np.uint8)
    task = (KidneyTumorTask if name.startswith("kits") else BrainTumorTask)(name, **SMALL)
    task.network = nn.Identity()
    task.score(batch_of(label_map, scheme, window), complete=True)
    assert [row.region for row in task.scores] == list(scheme.regions)
    perfect = {metric.name: metric.both_empty for metric in task.metrics if metric is not COMPONENTS}
    assert all(row.values == {**perfect, "components": row.values["components"]} for row in task.scores)
    assert {metric.name for metric in task.metrics} == {metric.name for metric in METRICS} | CHALLENGE.get(name, set())


def test_scores_are_those_of_the_painted_label_map() -> None:
    scheme = SCHEMES["brats2024"]
    task = BrainTumorTask("brats2024", **SMALL)
    task.network = nn.Identity()
    truth = np.zeros((8, 8, 8), dtype=np.uint8)
    truth[2:6, 2:6, 2:6] = 2
    batch = batch_of(truth, scheme)
    batch.image[0, 2, :1] = 1.0  # enhancing tumour outside of what was found as whole tumour: it counts there too
    task.score(batch, complete=False)
    dice = {row.region: row.values["dice"] for row in task.scores}
    assert dice["ET"] == dice["TC"] == 0
    assert dice["WT"] == pytest.approx(2 * 64 / (64 + 128))
    assert dice["SNFH"] == dice["RC"] == dice["NETC"] == 1


def test_each_region_has_its_published_tolerance_unless_another_is_given() -> None:
    truth = np.zeros((12, 12, 12), dtype=np.uint8)
    truth[2:9, 2:9, 2:9], truth[4:7, 4:7, 4:7] = 1, 2
    scheme = SCHEMES["kits"]
    shifted = np.roll(truth, 1, axis=2)
    for given, expected in ((None, scheme.tolerances), (3.0, dict.fromkeys(scheme.regions, 3.0))):
        task = KidneyTumorTask("kits", surface_tolerance=given, **SMALL)
        task.network = nn.Identity()
        batch = batch_of(shifted, scheme)
        batch.labels = batch_of(truth, scheme).labels
        task.score(batch, complete=True)
        masks = zip(scheme.masks(shifted), scheme.masks(truth), strict=True)
        for row, (predicted, target) in zip(task.scores, masks, strict=True):
            reference = normalized_surface_distance(predicted, target, expected[row.region], (1.0, 1.0, 2.0))
            assert row.values["nsd"] == reference
            assert (row.values["nsd"] == 1) == (given == 3.0)


def test_predictions_come_back_to_the_grid_of_the_file() -> None:
    scheme = SCHEMES["kits"]
    task = KidneyTumorTask("kits", **SMALL)
    task.network = nn.Identity()
    affine = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [-1.0, 0, 0, 0], [0, 0, 0, 1]])
    whole = CaseGrid((10, 11, 12), affine)
    grid = CaseGrid((10, 11, 12), affine, ((1, 9), (2, 8), (0, 7)))
    stored = np.zeros((10, 11, 12), dtype=np.uint8)
    stored[4:9, 4:8, 4:9] = 3
    within = tuple(slice(*side) for side in grid.box)
    batch = batch_of(whole.to_canonical(stored)[within], scheme, (6, 6, 6), grid)
    batch.labels = [torch.from_numpy(scheme.masks(stored).astype(np.uint8))]
    (masks,) = task.predict_regions(batch)
    np.testing.assert_array_equal(scheme.paint(masks), stored)
    task.score(batch, complete=True)
    assert all(row.values["dice"] == 1 for row in task.scores)
