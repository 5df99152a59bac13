"""Steps: they fit into the memory, and take what there is of it."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.planning.step_memory import GIB
from adpfl_bench.planning.step_plan import plan_step


def plan(shape, spacing=None, memory=8.0, examples=1000, smallest=100, whole=False):
    spacing = spacing or (1,) * len(shape)
    return plan_step(shape, spacing, 1, 2, memory, examples, smallest, whole)


def test_a_small_structure_is_planned_as_nnunet_has_published_it():
    # Hippocampus: median shape 36x50x35, 260 cases; a patch of 40x56x40, and a batch of 9 by the rule of 5 %.
    step = plan((35, 50, 36), examples=260)
    assert (step.network.patch, step.batch) == ((40, 56, 40), 9)
    assert step.fitting_batch > 9


def test_a_large_volume_gets_a_patch_that_two_of_fit():
    step = plan((512, 512, 300), (0.8, 0.8, 1.5))
    assert step.batch == 2
    assert 0.7 * 8 * GIB < step.bytes <= 8 * GIB
    smaller = plan((512, 512, 300), (0.8, 0.8, 1.5), memory=4)
    assert math.prod(smaller.network.patch) < math.prod(step.network.patch)


def test_pictures_keep_their_proportions():
    step = plan((3000, 4000), whole=True)
    height, width = step.network.patch
    assert height / width == pytest.approx(3 / 4, rel=0.15)
    assert step.batch >= 12


def test_the_batch_is_no_larger_than_what_the_smallest_client_trains_on():
    assert plan((64, 64), smallest=5, whole=True).batch == 5
    assert plan((64, 64), smallest=1, whole=True).batch == 1


def test_a_memory_for_no_network_is_refused():
    with pytest.raises(ConfigError, match=r"--memory is 0.001 GiB, but a step of the smallest .* takes 0\.\d; give"):
        plan((64, 64, 64), memory=0.001)


SIDES = st.integers(1, 400)


@example(shape=(8, 33, 89), edges=[1.0, 4.0, 4.0], memory=2.0)
@example(shape=(1, 400, 400), edges=[4.0, 1.0, 1.0], memory=2.0)
@given(
    shape=st.one_of(st.tuples(SIDES, SIDES, SIDES), st.tuples(SIDES, SIDES)),
    edges=st.lists(st.floats(0.3, 9), min_size=3, max_size=3),
    memory=st.floats(2, 24),
)
@settings(max_examples=60, deadline=None)
def test_every_data_set_has_a_step_that_fits(shape, edges, memory):
    step = plan(shape, tuple(edges[: len(shape)]) if len(shape) == 3 else (1, 1), memory, whole=len(shape) == 2)
    assert step.bytes <= memory * GIB
    assert step.batch >= 1
