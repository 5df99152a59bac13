"""The target spacing, against nnU-Net's published choices and its definition."""

import numpy as np
import pytest

from adpfl_bench.planning.target_spacing import choose_spacing


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_it_is_the_median_along_each_axis(axis):
    spacings = np.ones((5, 3)) + 0.01 * np.arange(15).reshape(5, 3)
    spacings[:, axis] *= 2  # within a factor of three
    found = choose_spacing([tuple(row) for row in spacings], [(64, 64, 64)] * 5)
    assert found.spacing == pytest.approx(np.sort(spacings, axis=0)[2])
    assert found.coarse_axis is None


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_of_few_thick_slices_takes_the_tenth_percentile(axis):
    spacings, shapes = np.ones((11, 3)), np.full((11, 3), 200)
    spacings[:, axis], shapes[:, axis] = np.arange(5, 16), 20
    found = choose_spacing([tuple(row) for row in spacings], shapes.tolist())
    assert (found.spacing[axis], found.coarse_axis) == (6.0, axis)  # the second of eleven
    long = np.where(np.arange(3) == axis, 100, shapes)
    assert choose_spacing([tuple(row) for row in spacings], long.tolist()).spacing[axis] == 10.0


def test_it_is_not_finer_there_than_along_the_other_axes():
    spacings = [(2.0, 2.0, 0.5)] * 2 + [(2.0, 2.0, 8.0)] * 8
    assert choose_spacing(spacings, [(200, 200, 20)] * 10).spacing == (2.0, 2.0, 2.0)
