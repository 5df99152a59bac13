"""The way from a file's voxels to the network's and back."""

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.data.case_grid import CaseGrid, resize

ORIENTATIONS = ["RAS", "LPS", "LPI", "IPL", "SRA", "ARS", "PIR"]


def oriented(codes: str, edges=(1.0, 2.0, 3.0), shape=(6, 7, 8)) -> CaseGrid:
    """A grid whose axes have the given codes; edges and shape are those of the RAS axes."""
    ornt = nib.orientations.axcodes2ornt(codes)
    affine = np.diag([*edges, 1.0]) @ nib.orientations.inv_ornt_aff(
        nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), ornt), shape
    )
    sides = tuple(int(shape[int(axis)]) for axis in ornt[:, 0])
    return CaseGrid(sides, affine)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_canonical_arrays_do_not_depend_on_how_the_file_was_written(codes: str) -> None:
    grid = oriented(codes)
    assert "".join(nib.aff2axcodes(grid.affine)) == codes
    stored = np.random.default_rng(0).normal(size=grid.shape)
    image = nib.as_closest_canonical(nib.Nifti1Image(stored, grid.affine))
    np.testing.assert_array_equal(grid.to_canonical(stored), image.get_fdata())
    np.testing.assert_array_equal(grid.to_file(grid.to_canonical(stored)), stored)
    assert grid.canonical_shape == (6, 7, 8)
    np.testing.assert_allclose(grid.canonical_spacing, (1.0, 2.0, 3.0))


def test_spacing_is_along_the_files_axes() -> None:
    np.testing.assert_allclose(oriented("IPL").spacing, (3.0, 2.0, 1.0))


def test_network_spacing_is_the_exact_extent_over_the_voxels() -> None:
    grid = CaseGrid((10, 20, 30), np.diag([1.0, 2.0, 3.0, 1.0]), ((1, 9), (0, 20), (5, 30)), (4, 10, 50))
    assert grid.network_spacing == (2.0, 4.0, 1.5)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_logits_come_back_to_the_voxels_they_were_made_from(codes: str) -> None:
    whole = oriented(codes)
    box = ((1, 5), (2, 7), (0, 8))
    grid = CaseGrid(whole.shape, whole.affine, box)
    truth = np.zeros((2, *whole.canonical_shape), dtype=bool)
    truth[0, 1:3, 3:6, 2:7] = True
    truth[1, 4, 2, :] = True
    cut = truth[(slice(None), *(slice(*side) for side in box))]
    restored = grid.restore(torch.from_numpy(np.where(cut, 1.0, -1.0)))
    assert restored.shape == (2, *whole.shape)
    for mask, expected in zip(restored, truth, strict=True):
        np.testing.assert_array_equal(whole.to_canonical(mask), expected)
    np.testing.assert_array_equal(grid.to_network(restored), cut)
    values = grid.restore_values(torch.from_numpy(np.where(cut, 0.75, 0.25)))
    assert values.dtype == np.float32
    for value, mask in zip(values, restored, strict=True):
        np.testing.assert_array_equal(value > 0.5, mask)
    assert (values == 0).sum() == values.size - cut.size


def test_a_grid_survives_json() -> None:
    grid = CaseGrid((4, 5, 6), np.diag([1.0, -2.0, 3.0, 1.0]), ((0, 2), (1, 5), (2, 6)), (3, 3, 3))
    again = CaseGrid.from_json(grid.to_json())
    assert again.to_json() == grid.to_json()
    np.testing.assert_array_equal(again.affine, grid.affine)


@given(st.integers(2, 9), st.integers(1, 12), st.integers(0, 2))
def test_resizing_commutes_with_flips_and_keeps_the_middle(old: int, new: int, axis: int) -> None:
    shape, wanted = [3, 3, 3], [3, 3, 3]
    shape[axis], wanted[axis] = old, new
    values = np.random.default_rng(old * 100 + new).normal(size=shape).astype(np.float32)
    there = resize(np.flip(values, axis).copy(), tuple(wanted), order=1)
    np.testing.assert_allclose(np.flip(there, axis), resize(values, tuple(wanted), order=1), atol=1e-5)
    assert there.shape == tuple(wanted)


@given(st.integers(2, 9), st.integers(1, 12))
def test_resizing_equals_torch_without_aligned_corners(old: int, new: int) -> None:
    values = np.random.default_rng(old + new).normal(size=(old, 4, 5)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], size=(new, 6, 3), mode="trilinear")
    np.testing.assert_allclose(resize(values, (new, 6, 3), order=1), expected[0, 0].numpy(), atol=1e-5)
