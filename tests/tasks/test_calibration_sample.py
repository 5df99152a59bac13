"""Calibration: the sample is of the very probabilities that masks are cut from, and the same for every model."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase, collate_cases
from adpfl_bench.metrics.functional.reliability import Reliability
from adpfl_bench.records.calibration_block import CalibrationBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.calibration_check import impossible_calibration
from adpfl_bench.tasks.calibration_sample import POINTS, sample
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from tests.records.sealed_runs import write_sealed_run


def test_probabilities_of_pictures_are_those_that_are_interpolated_to_the_file():
    logits = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    whole = torch.sigmoid(functional.interpolate(logits[None], (23, 17), mode="bilinear", align_corners=False))[0]
    # The truth is where the probability is above one half, so that it says of each drawn voxel which one it is.
    found, truth = sample(logits, (whole > 0.5).to(torch.uint8), None, "case")
    assert found.shape == truth.shape == (2, POINTS)
    sure = np.abs(found - 0.5) > 1e-5
    assert ((found > 0.5) == truth)[sure].all()
    values = np.sort(whole[0].flatten().numpy())
    assert np.abs(values[np.searchsorted(values, found[0]).clip(1, len(values) - 1)] - found[0]).max() < 0.1
    assert found.mean(axis=1) == pytest.approx(whole.mean(dim=(1, 2)).numpy(), abs=0.02)


def test_probabilities_of_volumes_are_those_of_the_box_in_canonical_order():
    affine = np.array([[0, 0, -2.0, 9], [0, 1.5, 0, 3], [-1.0, 0, 0, 5], [0, 0, 0, 1]])  # axes turned and flipped
    grid = CaseGrid((9, 12, 10), affine, ((1, 9), (2, 11), (0, 7)), (5, 6, 7))
    logits = torch.randn(1, 5, 6, 7, generator=torch.Generator().manual_seed(1))
    masks = torch.from_numpy(grid.restore(logits).astype(np.uint8))
    found, truth = sample(logits, masks, grid, "case")
    sure = np.abs(found - 0.5) > 1e-5
    assert sure.mean() > 0.99
    assert ((found > 0.5) == truth)[sure].all()
    assert 0.2 < truth.mean() < 0.8


def test_the_sample_depends_on_the_case_alone():
    logits, truth = torch.arange(64.0).reshape(1, 8, 8) / 16 - 2, torch.ones(1, 8, 8, dtype=torch.uint8)
    first, again, other = (sample(logits, truth, None, case)[0] for case in ("a", "a", "b"))
    assert (first == again).all()
    assert (first != other).any()


class OneThird(nn.Module):
    """Logits of one third, wherever."""

    def forward(self, image):
        return torch.full_like(image[:, :1], float(np.log(1 / 3) - np.log(2 / 3)))


@pytest.fixture
def task(monkeypatch):
    monkeypatch.setattr(SkinLesionTask, "configure_network", lambda *_: OneThird())
    return SkinLesionTask()


def scored(split="test", model="global", place=0):
    label = (torch.arange(4096).reshape(1, 64, 64) % 2).to(torch.uint8)
    cases = [EvaluationCase(torch.zeros(3, 64, 64), label) for _ in range(2)]
    return collate_cases(cases, [f"c{place}", f"d{place}"], ["p", "q"], "north", split, model, place)


def test_test_cases_have_a_calibration_and_others_none(task):
    for batch, complete in ((scored("validation"), True), (scored(), False)):
        task.score(batch, complete)
        assert task.calibration.blocks() == ()
    for place, model in enumerate(("global", "global", "north")):
        task.score(scored(model=model, place=place), complete=True)
    of_global, own = task.calibration.blocks()
    assert (of_global.models, of_global.cases, of_global.region) == ("global", 4, "lesion")
    assert (own.models, own.cases) == ("own", 2)
    assert of_global.counts[5] == 4 * POINTS or of_global.counts[4] == 4 * POINTS  # 1 / 3 is where two bins meet
    assert of_global.error == pytest.approx(1 / 2 - 1 / 3, abs=0.02)
    task.on_test_epoch_start()
    assert task.calibration.blocks() == ()


def test_a_task_that_makes_masks_of_something_else_has_no_calibration(task, monkeypatch):
    monkeypatch.setattr(type(task), "predict_regions", lambda _, batch: [np.ones((1, 64, 64), dtype=bool)] * 2)
    task.score(scored(), complete=True)
    assert task.calibration.blocks() == ()
    assert len(task.scores) == 2


def test_an_error_that_is_not_that_of_the_bins_and_impossible_bins_are_found(tmp_path):
    record = RunDirectory(write_sealed_run(tmp_path / "run")).read_record()
    generator = np.random.default_rng(0)
    probabilities = generator.random(1000)
    block = CalibrationBlock.of("global", "lesion", [Reliability.of(probabilities, generator.random(1000) < 0.3)])

    def said(**changes):
        record.calibration = (block.model_copy(update=changes),)
        return [finding.text for finding in impossible_calibration(record)]

    assert said() == []
    (text,) = said(error=0.01)
    assert text.startswith("the calibration error of lesion is 0.01, but that of its bins 0.2")
    bin_of = "the calibration of lesion has an impossible bin, number"
    assert said(positives=(10**6, *block.positives[1:])) == [f"{bin_of} 1"]
    assert said(sums=(*block.sums[:3], 999.0, *block.sums[4:])) == [f"{bin_of} 4"]
    assert said(counts=block.counts[:3]) == ["the calibration of lesion has not 15 bins"]


def test_a_model_that_diverged_has_no_calibration_and_ends_no_run(task, monkeypatch):
    unknown, truth = np.array([0.2, np.nan, 0.9, np.inf]), np.array([False, True, True, False])
    found = Reliability.of(unknown, truth)
    assert (found.counts.sum(), found.positives.sum()) == (2, 1)
    monkeypatch.setattr(OneThird, "forward", lambda _, image: torch.full_like(image[:, :1], float("nan")))
    task.score(scored(), complete=True)
    assert task.calibration.blocks() == ()
    assert len(task.scores) == 2
