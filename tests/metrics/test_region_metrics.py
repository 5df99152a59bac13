import pickle

import numpy as np
import pytest
import torch
from batch_examples import SPACING, masks
from torchmetrics import MetricCollection

from adpfl_bench.metrics.case_scores import CaseScores
from adpfl_bench.metrics.dice import Dice
from adpfl_bench.metrics.functional import dice, hausdorff_distance, iou, normalized_surface_distance
from adpfl_bench.metrics.hd95 import HD95
from adpfl_bench.metrics.iou import IoU
from adpfl_bench.metrics.missed import Missed
from adpfl_bench.metrics.nsd import NSD

METRICS = {
    "Dice": (Dice, lambda p, t, spacing: dice(p, t)),
    "IoU": (IoU, lambda p, t, spacing: iou(p, t)),
    "HD95": (HD95, hausdorff_distance),
    "NSD": (lambda: NSD(tolerance=1.1), lambda p, t, spacing: normalized_surface_distance(p, t, 1.1, spacing)),
}
each_metric = pytest.mark.parametrize(("build", "score"), METRICS.values(), ids=METRICS)


def mean_of(score, prediction, target, spacing=SPACING):
    values = [
        [score(p, t, spacing) for p, t in zip(*case, strict=True)]
        for case in zip(prediction.numpy(), target.numpy(), strict=True)
    ]
    return torch.tensor(np.mean(values, axis=0), dtype=torch.float32)


@each_metric
@pytest.mark.parametrize("shape", [(9, 8), (6, 5, 4)])
def test_several_updates_are_the_mean_over_cases(build, score, shape):
    prediction, target = masks(6, shape)
    metric = build()
    # Batches of unequal size: a mean of batch means would differ.
    for part in (slice(0, 1), slice(1, 3), slice(3, 6)):
        metric.update(prediction[part], target[part], spacing=SPACING[: len(shape)])
    torch.testing.assert_close(metric.compute(), mean_of(score, prediction, target, SPACING[: len(shape)]))


@each_metric
def test_forward_scores_the_batch_and_goes_on_accumulating(build, score):
    first, second = masks(2, seed=1), masks(3, seed=2)
    metric = build()
    torch.testing.assert_close(metric(*first, spacing=SPACING), mean_of(score, *first))
    torch.testing.assert_close(metric(*second, spacing=SPACING), mean_of(score, *second))
    both = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    torch.testing.assert_close(metric.compute(), mean_of(score, *both))


@each_metric
def test_reset_forgets(build, score):
    metric = build()
    metric.update(*masks(2, seed=1), spacing=SPACING)
    metric.compute()
    metric.reset()
    metric.update(*masks(2, seed=2), spacing=SPACING)
    torch.testing.assert_close(metric.compute(), mean_of(score, *masks(2, seed=2)))


@pytest.mark.parametrize("build", [Dice, HD95, lambda: NSD(1.0), Missed])
def test_one_region_keeps_its_axis_even_after_pickling(build):
    prediction, target = (batch[:, :1] for batch in masks(2))
    metric = build()
    assert metric(prediction, target).shape == (1,)
    assert metric.compute().shape == pickle.loads(pickle.dumps(metric)).compute().shape == (1,)


@pytest.mark.parametrize("metric", [HD95(), NSD(tolerance=1.1)], ids=["HD95", "NSD"])
def test_spacing_may_be_absent_shared_or_per_case(metric):
    prediction, target = masks(2)

    def scores(spacing, part=slice(None)):
        metric.reset()
        return metric(prediction[part], target[part], spacing=spacing)

    rows = torch.tensor([[0.5, 1.0, 2.0], [3.0, 1.0, 0.25]])
    expected = (scores((0.5, 1.0, 2.0), slice(0, 1)) + scores((3.0, 1.0, 0.25), slice(1, 2))) / 2
    torch.testing.assert_close(scores(rows), expected)
    torch.testing.assert_close(scores(rows.tolist()), expected)
    assert not torch.equal(scores(rows[0]), expected)
    assert torch.equal(scores(None), scores((1.0, 1.0, 1.0)))
    assert torch.equal(scores(None), scores(1.0))


def test_nsd_takes_one_tolerance_per_region():
    prediction, target = masks(2)
    together = NSD(tolerance=(0.6, 1.1, 2.1))(prediction, target)
    alone = [NSD(tolerance=tolerance)(prediction, target)[i] for i, tolerance in enumerate((0.6, 1.1, 2.1))]
    assert torch.equal(together, torch.stack(alone))
    with pytest.raises(ValueError, match="found 2 tolerances and a region number 3"):
        NSD(tolerance=(0.6, 1.1))(prediction, target)
    with pytest.raises(ValueError, match="found -1"):
        NSD(tolerance=(1.0, -1.0))


def test_missed_counts_cases_with_exactly_one_empty_mask():
    metric = Missed()
    metric.update(*masks(5))
    metric.update(*masks(2))
    # Region 2 is never predicted and there in cases 0, 2, 4 of the first batch and 0 of the second.
    assert metric.compute().tolist() == [0, 0, 4]


def test_missing_every_structure_is_worse_than_inventing_a_place_for_it():
    _, target = masks(4)
    corner = torch.zeros_like(target)
    corner[..., 0, 0, 0] = True
    corner &= target.flatten(2).any(2)[..., None, None, None]
    assert (HD95()(torch.zeros_like(target), target) > HD95()(corner, target)).all()


def test_integer_tensors_and_tensors_with_gradient_history_are_accepted():
    prediction, target = masks(2)
    assert torch.equal(Dice()(prediction.to(torch.uint8), target.to(torch.int64)), Dice()(prediction, target))


def test_works_within_a_metric_collection():
    scores = MetricCollection([Dice(), IoU(), HD95(), NSD(1.1), Missed()])(*masks(2), spacing=SPACING)
    assert {name: value.shape for name, value in scores.items()} == dict.fromkeys(
        ["Dice", "IoU", "HD95", "NSD", "Missed"], (3,)
    )
    torch.testing.assert_close(scores["HD95"], mean_of(hausdorff_distance, *masks(2)))


@pytest.mark.parametrize("build", [Dice, HD95, lambda: NSD(1.0), Missed, CaseScores])
def test_wrong_batches_are_refused(build):
    prediction, target = masks(2)
    metric = build()
    with pytest.raises(ValueError, match=r"found \(2, 3, 6, 5, 3\) and \(2, 3, 6, 5, 4\)"):
        metric.update(prediction[..., :3], target)
    with pytest.raises(ValueError, match="two batches of masks"):
        metric.update(prediction[0, 0], target[0, 0])
    with pytest.raises(ValueError, match=r"prediction must be boolean.*float32: threshold"):
        metric.update(prediction.float(), target)
    with pytest.raises(ValueError, match="one row for each of the 2 cases of the batch, but found 3"):
        metric.update(prediction, target, spacing=torch.ones(3, 3))
    with pytest.raises(ValueError, match="for each of the 3 axes"):
        metric.update(prediction, target, spacing=torch.ones(2, 2))
    metric.update(prediction, target)
    with pytest.raises(ValueError, match="found 2 after 3"):
        metric.update(prediction[:, :2], target[:, :2])
