"""Which challenges' scores a task computes, and when."""

from types import SimpleNamespace

import pytest
from torch import nn

from adpfl_bench.datasets.brats import RELEASES
from adpfl_bench.datasets.lgg import RELEASE as SLICES
from adpfl_bench.errors import ConfigError
from adpfl_bench.metrics.registry import CHALLENGES, METRICS
from adpfl_bench.tasks.brain_tumour import BrainTumorTask
from adpfl_bench.tasks.challenge_scores import challenge_metrics, check_voxel_sizes
from adpfl_bench.tasks.kidney_tumour import KidneyTumorTask
from adpfl_bench.tasks.skin_lesion import SkinLesionTask

SMALL = {"network_arguments": {"channels": [2, 4], "strides": [2]}}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    for task in (SkinLesionTask, BrainTumorTask, KidneyTumorTask):
        monkeypatch.setattr(task, "configure_network", lambda *_: nn.Identity())


def further(task):
    return [metric.name for metric in task.metrics[len(METRICS) :]]


def test_tasks_compute_the_scores_of_their_own_challenge_and_of_those_that_are_asked_for():
    assert further(SkinLesionTask()) == ["isic2018_jaccard"]
    assert further(SkinLesionTask(challenge_scores=[])) == []
    assert further(KidneyTumorTask()) == []  # Dice and NSD are KiTS' own
    assert further(KidneyTumorTask(challenge_scores=["brats2023"])) == [m.name for m in CHALLENGES["brats2023"]]
    assert further(BrainTumorTask()) == [metric.name for metric in CHALLENGES["brats2023"]]
    assert further(BrainTumorTask("brats2024")) == [metric.name for metric in CHALLENGES["brats2024"]]
    both = BrainTumorTask("brats2024", challenge_scores=["brats2023", "brats2024"])
    assert len(further(both)) == len({*further(both)}) == 7
    assert further(BrainTumorTask("lgg", spatial_dims=2, in_channels=3)) == []


def test_challenge_scores_are_computed_at_the_end_only_and_rank_nothing():
    metrics = [metric for of_challenge in CHALLENGES.values() for metric in of_challenge]
    assert metrics
    assert not any(metric.in_rounds or metric.ranked for metric in metrics)
    assert all(metric.kind for metric in metrics)  # whose scorer it is stands in the heading


@pytest.mark.parametrize(
    ("names", "regions", "axes", "said"),
    [
        (["brats"], ("WT",), 3, "names brats, but there are brats2023, brats2024, isic2018"),
        (["isic2018", "isic2018"], ("lesion",), 2, "isic2018 twice"),
        (["brats2023"], ("lesion",), 2, "brats2023, which scores volumes"),
        (["brats2024"], ("WT", "TC", "ET"), 3, "NETC, RC, SNFH are not among the regions of this task: WT, TC, ET"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(names, regions, axes, said):
    with pytest.raises(ConfigError, match=said):
        challenge_metrics(names, regions, axes)


def test_scores_in_mm_are_refused_where_files_state_no_voxel_size():
    metrics = challenge_metrics(["brats2023"], ("WT",), 3)
    with pytest.raises(ConfigError, match=f"brats2023, which scores in mm, but the files of {SLICES.name}"):
        check_voxel_sizes(metrics, SimpleNamespace(release=SLICES))
    check_voxel_sizes(metrics, SimpleNamespace(release=RELEASES["BraTS 2021"]))
    check_voxel_sizes(METRICS, SimpleNamespace(release=SLICES))
