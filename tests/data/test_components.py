"""Small components of masks are removed, and nothing else."""

import numpy as np
import pytest

from adpfl_bench.data.components import without_small_components


@pytest.fixture
def mask() -> np.ndarray:
    """A block of 8, two elements that touch at a corner, and a single one."""
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[:2, :2, :2] = True
    mask[3, 3, 3] = mask[4, 4, 4] = True
    mask[0, 5, 0] = True
    return mask


@pytest.mark.parametrize(("smallest", "kept"), [(0, 11), (1, 11), (1.5, 10), (2, 10), (3, 8), (8, 8), (9, 0)])
def test_components_smaller_than_stated_go(mask: np.ndarray, smallest: float, kept: int) -> None:
    assert without_small_components(mask, smallest).sum() == kept


def test_sizes_are_in_the_unit_of_an_element(mask: np.ndarray) -> None:
    assert without_small_components(mask, 4.0, voxel=2.0).sum() == 10
    assert without_small_components(mask, 4.1, voxel=2.0).sum() == 8


def test_nothing_stays_nothing() -> None:
    empty = np.zeros((3, 4), dtype=bool)
    assert not without_small_components(empty, 5).any()
