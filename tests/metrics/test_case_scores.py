import pickle

import pytest
import torch
from batch_examples import SPACING, masks
from monai.data import MetaTensor

from adpfl_bench.metrics.case_scores import CaseScores, score_cases
from adpfl_bench.metrics.dice import Dice
from adpfl_bench.metrics.functional import score_region
from adpfl_bench.metrics.hd95 import HD95
from adpfl_bench.metrics.iou import IoU
from adpfl_bench.metrics.missed import Missed
from adpfl_bench.metrics.nsd import NSD


@pytest.mark.parametrize("wrap", [torch.Tensor.clone, MetaTensor], ids=["Tensor", "MetaTensor"])
def test_score_cases_scores_each_region_of_each_case(wrap):
    prediction, target = masks(3)
    spacings = [(0.5, 1.0, 2.0), (1.0, 1.0, 1.0), (3.0, 0.5, 1.0)]
    tolerances = (0.6, 1.1, 2.1)
    scores = score_cases(wrap(prediction), wrap(target), spacings, tolerances)
    assert scores == [
        [
            score_region(prediction[case, region].numpy(), target[case, region].numpy(), spacings[case], tolerance)
            for region, tolerance in enumerate(tolerances)
        ]
        for case in range(3)
    ]


def test_score_cases_leaves_out_what_is_not_asked_for():
    cheap = score_cases(*masks(2), surface=False, tolerance=1.0)
    assert all(score.hd95 is score.nsd is None for case in cheap for score in case)
    no_tolerance = score_cases(*masks(2))
    assert all(score.hd95 is not None and score.nsd is None for case in no_tolerance for score in case)


def test_case_scores_equal_the_single_metrics_over_several_updates():
    single = {"dice": Dice(), "iou": IoU(), "hd95": HD95(), "nsd": NSD(1.1), "n_missed": Missed()}
    metric = CaseScores(tolerance=1.1)
    for cases in (1, 3):
        batch = masks(cases, seed=cases)
        metric.update(*batch, spacing=SPACING)
        for other in single.values():
            other.update(*batch, spacing=SPACING)
    result = metric.compute()
    assert result["n_missed"][2] > 0
    assert list(result) == list(single)
    for name, other in single.items():
        torch.testing.assert_close(result[name], other.compute())


def test_cases_keep_their_order():
    metric = CaseScores(tolerance=1.1)
    batches = [masks(2, seed=1), masks(3, seed=2)]
    for batch in batches:
        metric.update(*batch)
    expected = [case for batch in batches for case in score_cases(*batch, tolerance=1.1)]
    kept = metric.cases()
    assert list(kept) == ["dice", "iou", "hd95", "nsd", "missed"]
    for name, values in kept.items():
        by_hand = torch.tensor([[float(getattr(score, name)) for score in case] for case in expected])
        torch.testing.assert_close(values, by_hand)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"tolerance": 1.0}, ["dice", "iou", "hd95", "nsd", "n_missed"]),
        ({}, ["dice", "iou", "hd95", "n_missed"]),
        ({"surface": False}, ["dice", "iou", "n_missed"]),
        ({"surface": False, "tolerance": 1.0}, ["dice", "iou", "n_missed"]),
    ],
)
def test_only_what_is_asked_for_is_computed(settings, names):
    assert list(CaseScores(**settings)(*masks(2))) == names


def test_reset_forgets_and_one_region_keeps_its_axis():
    metric = CaseScores(tolerance=1.1)
    metric.update(*masks(4, seed=3))
    metric.reset()
    prediction, target = (batch[:, :1] for batch in masks(2))
    metric.update(prediction, target)
    assert metric.cases()["dice"].shape == (2, 1)
    values = pickle.loads(pickle.dumps(metric)).compute()
    assert {value.shape for value in values.values()} == {(1,)}
    torch.testing.assert_close(values["dice"], Dice()(prediction, target))


def test_wrong_tolerance_is_refused_before_any_data():
    with pytest.raises(ValueError, match="found -1"):
        CaseScores(tolerance=-1.0)
