"""What the CT phantoms have to be: attenuation as in patients, kidneys where kidneys are, sites that differ."""

import numpy as np
import pytest
from scipy import ndimage

from adpfl_bench.phantoms.volumes.abdomen import draw_body
from adpfl_bench.phantoms.volumes.contrast import PHASES
from adpfl_bench.phantoms.volumes.ct_scanner import SITES, scan
from adpfl_bench.phantoms.volumes.kits_writer import KitsWriter
from adpfl_bench.phantoms.volumes.label_maps import place_body
from adpfl_bench.phantoms.volumes.space import Space

SITE_OF_CASE = ("site-0", "site-1", "site-2", "site-3")


@pytest.fixture(scope="module")
def cases():
    """Twenty cases at the default size: image, label map, grid, phase and site."""
    writer = KitsWriter(20, 0, KitsWriter.default_size)
    return [(*writer.make_case(index), writer.phase(index), writer._sites[index]) for index in range(20)]


@pytest.fixture(scope="module")
def enhanced(cases):
    return [case for case in cases if case[3] != "unenhanced"]


def median(image, mask):
    """Median HU away from the mask's border, where there is anything else."""
    core = ndimage.binary_erosion(mask)
    return float(np.median(image[core if core.any() else mask]))


def test_every_case_has_two_kidneys_and_a_tumour(cases):
    for _, label, space, _, _ in cases:
        x = space.axes[0]
        voxel = np.prod(space.spacing) / 1000
        for side in (x < -10, x > 10):
            assert 40 < ((label == 1) & side).sum() * voxel < 300  # ml
        assert 2 < (label == 2).sum() * voxel < 400
        assert ndimage.label(label == 2)[1] == 1


def test_half_of_the_cases_have_cysts(cases):
    assert 4 <= sum((label == 3).any() for _, label, *_ in cases) <= 14


def test_attenuation_of_kidneys_tumours_and_cysts(enhanced):
    for image, label, _, _, site in enhanced:
        kidney, tumour = np.median(image[label == 1]), np.median(image[label == 2])
        assert 115 < kidney < 205
        assert 25 < tumour < 115
        assert kidney - tumour > 2 * SITES[site].noise
        if (label == 3).sum() > 20:
            assert -25 < median(image, label == 3) < 45


def test_fat_muscle_bone_and_air(cases):
    for image, label, *_ in cases:
        counts, edges = np.histogram(image[(image > -150) & (label == 0)], bins=np.arange(-150, 152, 4))
        fat, soft = edges[:-1] < -50, edges[:-1] > 10
        assert -120 < edges[:-1][fat][counts[fat].argmax()] < -80
        assert 40 < edges[:-1][soft][counts[soft].argmax()] < 135
        assert np.median(image[:, -3:]) < -950  # in front of the patient
        assert (image > 300).mean() > 0.002
        assert image.min() >= -1024


def test_cortex_is_brighter_than_medulla_in_the_corticomedullary_phase_only():
    rims = {"corticomedullary": [], "nephrographic": []}
    writer = KitsWriter(8, 3, (64, 128, 128))
    for index in range(8):
        image, label, _ = writer.make_case(index)
        depth = ndimage.distance_transform_edt(label == 1)
        rim, core = image[(depth > 1) & (depth < 2.1)].mean(), image[depth > 4].mean()
        rims.setdefault(writer.phase(index), []).append(rim - core)
    assert np.mean(rims["corticomedullary"]) > 20
    assert abs(np.mean(rims["nephrographic"])) < 15


def test_kidneys_keep_clear_of_spine_and_wall(cases):
    for image, label, *_ in cases:
        assert (image[label > 0] < 330).mean() > 0.999
        assert (image[label > 0] > -60).mean() > 0.97


@pytest.mark.parametrize("size", [(16, 16, 16), (16, 32, 32)])
def test_coarse_grids_still_show_kidney_and_tumour(size):
    writer = KitsWriter(30, 1, size)
    for index in range(30):
        _, label, _ = writer.make_case(index)
        assert {1, 2} <= set(np.unique(label).tolist())


# The scanners


@pytest.mark.parametrize("name", SITES)
def test_noise_and_calibration_are_those_of_the_site(name):
    space, site = Space((64, 64, 32), (4, 4, 5)), SITES[name]
    images = [scan(np.random.default_rng(i), np.full(space.shape, 40, np.float32), space, site) for i in range(5)]
    steps = np.mean([image - ndimage.uniform_filter(image.astype(float), 9) for image in images])
    assert abs(steps) < 1
    assert np.mean([image.mean() for image in images]) == pytest.approx(40 + site.shift, abs=1.5)
    drifts = np.hypot(site.noise, site.cupping)
    assert np.mean([image.std() for image in images]) == pytest.approx(drifts, rel=0.12)


def test_noise_of_neighbours_is_correlated():
    space = Space((64, 64, 32), (2, 2, 5))
    image = scan(np.random.default_rng(0), np.zeros(space.shape, np.float32), space, SITES["site-1"]).astype(float)
    image -= ndimage.gaussian_filter(image, 8)
    assert 0.05 < np.corrcoef(image[1:].ravel(), image[:-1].ravel())[0, 1] < 0.7


def test_values_stay_in_the_range_of_a_scanner():
    space = Space((16, 16, 16), (4, 4, 5))
    ends = [
        scan(np.random.default_rng(0), np.full(space.shape, v, np.float32), space, SITES["site-3"])
        for v in (-1000, 9000)
    ]
    assert ends[0].min() == -1024
    assert ends[1].max() == 3071


def test_sites_add_up_and_know_only_phases_there_are():
    assert sum(site.share for site in SITES.values()) == pytest.approx(1)
    for site in SITES.values():
        assert set(site.phases) <= set(PHASES)
        assert sum(site.phases.values()) == pytest.approx(1)


# Bodies around given kidneys


def boxes(space, *ranges):
    """A label map of boxes, each given as x, y and z ranges in mm."""
    x, y, z = space.axes
    label = np.zeros(space.shape, dtype=np.uint8)
    for (x0, x1), (y0, y1), (z0, z1) in ranges:
        label[(x > x0) & (x < x1) & (y > y0) & (y < y1) & (z > z0) & (z < z1)] = 1
    return label


SPACE = Space((100, 100, 50), (4, 4, 5))
RIGHT = ((60, 110), (-70, -30), (-50, 50))


@pytest.mark.parametrize(
    ("ranges", "middle"),
    [
        ((RIGHT, ((-50, 0), (-70, -30), (-40, 60))), 30),
        ((RIGHT,), 26),
        ((((-60, 60), (-60, -30), (-30, 0)),), 0),
    ],
    ids=["two", "one", "joined"],
)
def test_midline_is_found_between_the_kidneys(ranges, middle):
    label = boxes(SPACE, *ranges)
    _, origin = place_body(draw_body(np.random.default_rng(0)), label, SPACE)
    assert origin[0] == pytest.approx(middle, abs=4)


def test_body_grows_around_kidneys_that_lie_far_apart():
    label = boxes(SPACE, ((100, 170), (-90, -30), (-50, 50)), ((-170, -100), (-90, -30), (-50, 50)))
    drawn = draw_body(np.random.default_rng(0))
    body, _ = place_body(drawn, label, SPACE)
    assert body.half_width > drawn.half_width
    width, _, _ = body.cavity
    assert width > 170
