import numpy as np
import pytest
from scipy.spatial import cKDTree

from adpfl_bench.phantoms.random_fields import CellTile, NoiseTile, random_field, soft_step


@pytest.fixture
def generator():
    return np.random.default_rng(3)


def test_random_field_is_standardised(generator):
    field = random_field(generator, (60, 80), wavelength=10)
    assert field.shape == (60, 80)
    assert field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-5)


def test_random_field_varies_more_slowly_for_longer_wavelengths(generator):
    steps = [np.abs(np.diff(random_field(generator, (64, 64), wave))).mean() for wave in (2, 6, 18, 54)]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize(("angle", "smooth_axis"), [(0.0, 1), (np.pi / 2, 0)])
def test_random_field_is_stretched_along_the_angle(generator, angle, smooth_axis):
    field = random_field(generator, (96, 96), wavelength=6, stretch=5, angle=angle)
    along, across = (np.abs(np.diff(field, axis=axis)).mean() for axis in (smooth_axis, 1 - smooth_axis))
    assert along < 0.5 * across


def test_noise_tile_repeats_after_its_period(generator):
    tile = NoiseTile(generator, 0.5)
    u, v = generator.uniform(-3, 3, size=(2, 500)).astype(np.float32)
    assert tile.at(u + NoiseTile.PERIOD, v - NoiseTile.PERIOD) == pytest.approx(tile.at(u, v), abs=1e-3)


def test_cell_distances_agree_with_a_search_tree(generator):
    cell = 0.3
    tile = CellTile(generator, cell)
    u, v = generator.uniform(-2, 6, size=(2, 400)).astype(np.float32)
    columns, rows = np.meshgrid(np.arange(-20, 40), np.arange(-20, 40))
    wrapped = rows % CellTile.CELLS, columns % CellTile.CELLS
    seeds = np.stack([columns + tile._jitter[0][wrapped], rows + tile._jitter[1][wrapped]], axis=-1).reshape(-1, 2)
    expected, _ = cKDTree(seeds).query(np.stack([u / cell, v / cell], axis=-1), k=2)
    nearest, second = tile.distances(u, v)
    assert nearest == pytest.approx(expected[:, 0], abs=1e-4)
    # The second nearest may lie two cells away, which the 3 x 3 neighbourhood misses; that is rare and only too far.
    assert (np.abs(second - expected[:, 1]) < 1e-4).mean() > 0.95
    assert (second > expected[:, 1] - 1e-4).all()


def test_soft_step_crosses_one_half_at_its_threshold():
    field = np.array([-10, 0.5, 2, 3.5, 20], dtype=np.float32)
    steps = soft_step(field, threshold=2, width=3)
    assert steps == pytest.approx([0, 0.119, 0.5, 0.881, 1], abs=1e-3)
