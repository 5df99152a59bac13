"""Network plans, against those that nnU-Net publishes, and against what MONAI can build."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.planning.network_plan import plan_network
from adpfl_bench.tasks.networks import build_network

ALL, PLANE = (2, 2, 2), (2, 2, 1)

# Patch, spacing and poolings of nnU-Net (Isensee et al. 2021, Supplementary Note 6), with axes as here.
PUBLISHED = {
    "brain tumour": ((128, 128, 128), (1, 1, 1), [ALL] * 5),
    "hippocampus": ((40, 56, 40), (1, 1, 1), [ALL] * 3),
    "prostate": ((320, 256, 20), (0.62, 0.62, 3.6), [PLANE, PLANE, ALL, ALL, PLANE, PLANE]),
    "liver": ((128, 128, 128), (0.77, 0.77, 1), [ALL] * 5),
}


@pytest.mark.parametrize("task", PUBLISHED)
def test_strides_are_those_that_were_published(task):
    patch, spacing, poolings = PUBLISHED[task]
    plan = plan_network(patch, spacing)
    assert (plan.patch, plan.strides) == (patch, ((1, 1, 1), *poolings))
    assert plan.features == tuple(min(32 * 2**stage, 320) for stage in range(len(poolings) + 1))


def test_kernels_reach_over_thick_slices_from_the_stage_on_at_which_they_are_thick_no_more():
    plan = plan_network((320, 256, 20), (0.62, 0.62, 3.6))
    assert plan.kernels == ((3, 3, 1), (3, 3, 1), *[(3, 3, 3)] * 5)


def test_a_picture_has_up_to_512_features_and_a_small_patch_three_stages():
    assert plan_network((512, 512), (1, 1)).features == (32, 64, 128, 256, 512, 512, 512, 512)
    small = plan_network((5, 9, 7), (1, 1, 1))
    assert (small.patch, small.stages) == ((16, 16, 16), 3)


SIDES = st.integers(1, 70)


@given(patch=st.tuples(SIDES, SIDES, SIDES), spacing=st.tuples(*[st.floats(0.3, 9)] * 3))
@settings(max_examples=60, deadline=None)
def test_every_patch_has_a_network(patch, spacing):
    plan = plan_network(patch, spacing)
    assert plan.stages >= 3
    assert all(side % divisor == 0 for side, divisor in zip(plan.patch, plan.divisors, strict=True))
    assert all(planned >= side for planned, side in zip(plan.patch, patch, strict=True))
    assert len(plan.kernels) == len(plan.features) == plan.stages
    # No axis is halved below 4 voxels.
    assert all(side // by >= 4 or by == 1 for side, by in zip(plan.patch, plan.divisors, strict=True))
    assert any(side // by < 12 for side, by in zip(plan.patch, plan.divisors, strict=True))


@pytest.mark.parametrize(("patch", "spacing"), [((24, 40, 12), (1, 1, 4)), ((20, 50), (1, 1))])
def test_monai_builds_it(patch, spacing):
    plan = plan_network(patch, spacing)
    arguments = {**plan.arguments(), "filters": [2] * plan.stages}
    network = build_network("DynUNet", len(patch), 1, 2, arguments)
    assert network(torch.zeros(1, 1, *plan.patch)).shape == (1, 2, *plan.patch)
    assert math.prod(plan.patch) < 4 * math.prod(patch)
