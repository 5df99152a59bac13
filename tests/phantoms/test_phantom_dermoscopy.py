"""What the photographs have to be: annotated correctly, different between sites, not too easy."""

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.color import rgb2gray
from skimage.filters import threshold_otsu

from adpfl_bench.phantoms.acquisition_sites import SITES
from adpfl_bench.phantoms.camera import photograph
from adpfl_bench.phantoms.dermoscopy import take_photograph
from adpfl_bench.phantoms.diagnosis import DIAGNOSES
from adpfl_bench.phantoms.lesion import draw_lesion
from adpfl_bench.seeding import numpy_generator


@pytest.fixture(scope="session")
def everything(photographs):
    return [one for taken in photographs.values() for one in taken]


def test_images_and_masks_have_the_size_asked_for(everything):
    for taken in everything:
        assert taken.image.shape == (72, 96, 3)
        assert taken.image.dtype == np.uint8
        assert taken.mask.shape == (72, 96)
        assert taken.mask.dtype == np.bool_


def test_masks_are_one_region_without_holes(everything):
    for taken in everything:
        assert ndimage.label(taken.mask)[1] == 1
        assert (ndimage.binary_fill_holes(taken.mask) == taken.mask).all()


def test_lesions_are_of_very_different_size(everything):
    areas = np.array([taken.mask.mean() for taken in everything])
    assert areas.min() > 0.01
    assert areas.max() < 0.7
    assert np.percentile(areas, 90) > 4 * np.percentile(areas, 10)


def test_lesions_are_not_always_in_the_middle(everything):
    centres = np.array([ndimage.center_of_mass(taken.mask) for taken in everything]) - (35.5, 47.5)
    assert (centres.std(axis=0) > 3).all()
    assert (np.abs(centres.mean(axis=0)) < 2).all()


def test_lesions_differ_from_the_skin_around(everything):
    contrasts = []
    for taken in everything:
        around = ndimage.binary_dilation(taken.mask, iterations=6) & ~taken.mask
        inside = taken.image[taken.mask].mean(axis=0)
        contrasts.append(np.abs(inside - taken.image[around].mean(axis=0)).max())
    assert np.median(contrasts) > 15
    assert np.percentile(contrasts, 5) > 3


def test_a_threshold_is_not_enough(everything):
    scores = []
    for taken in everything:
        grey = rgb2gray(taken.image)
        dark = grey <= threshold_otsu(grey)
        scores.append(2 * (dark & taken.mask).sum() / (dark.sum() + taken.mask.sum()))
    assert 0.35 < np.mean(scores) < 0.75


def test_sites_differ_in_colour_more_than_their_images_do(photographs):
    def skin_colour(taken):
        skin = taken.image[~taken.mask].astype(float)
        red, green, blue = skin[skin.sum(axis=1) > 90].mean(axis=0)
        return (red + green + blue) / 3, red - green, green - blue

    colours = {name: np.array([skin_colour(one) for one in taken]) for name, taken in photographs.items()}
    for feature in range(3):
        samples = [values[:, feature] for values in colours.values()]
        assert stats.f_oneway(*samples).pvalue < 1e-20
        assert np.std([sample.mean() for sample in samples]) > np.mean([sample.std() for sample in samples])

    # The colour of the skin gives the site away: nearest mean, learned on one half and tried on the other.
    spread = np.concatenate(list(colours.values())).std(axis=0)
    means = np.array([values[::2].mean(axis=0) for values in colours.values()])
    hits = []
    for site, values in enumerate(colours.values()):
        distance = (((values[1::2, None] - means) / spread) ** 2).sum(axis=-1)
        hits += list(distance.argmin(axis=1) == site)
    assert np.mean(hits) > 0.8


def test_sites_differ_in_how_often_the_black_border_shows(photographs):
    def black(taken):
        return np.mean([(one.image.max(axis=-1) < 40)[[0, 0, -1, -1], [0, -1, 0, -1]].all() for one in taken])

    assert black(photographs["vienna_dias"]) > 0.4 > 0.2 > black(photographs["vidir_molemax"])


def test_sites_differ_in_sharpness():
    edge = np.full((192, 256, 3), 0.2, dtype=np.float32)
    edge[:, 128:] = 0.6

    def steepest_step(site):
        shots = [photograph(np.random.default_rng(i), edge, site, np.ones((192, 256), np.float32)) for i in range(5)]
        profile = np.mean(shots, axis=(0, 1, 3))  # over shots, rows and channels, which averages the grain away
        return np.abs(np.diff(profile)).max() / np.ptp(profile)

    assert steepest_step(SITES["vidir_modern"]) > 1.5 * steepest_step(SITES["vidir_molemax"])


def test_two_photographs_of_a_lesion_share_its_shape_but_not_its_view():
    site = SITES["vidir_modern"]
    closer = 0
    for index in range(20):
        lesions = [
            draw_lesion(numpy_generator(index, name), DIAGNOSES["nv"], site.median_area) for name in ("this", "other")
        ]
        one, again = (take_photograph(numpy_generator(index, view), lesions[0], site, (72, 96)) for view in "ab")
        other = take_photograph(numpy_generator(index, "c"), lesions[1], site, (72, 96))
        assert (one.mask != again.mask).any()
        closer += abs(elongation(one.mask) - elongation(again.mask)) < abs(
            elongation(one.mask) - elongation(other.mask)
        )
    assert closer >= 14


def elongation(mask):
    """Ratio of the axes of the ellipse with the mask's second moments, which does not depend on the view."""
    values = np.linalg.eigvalsh(np.cov(np.nonzero(mask)))
    return np.sqrt(values[1] / values[0])


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
@pytest.mark.parametrize("size", [(32, 32), (40, 96), (96, 40)])
def test_every_diagnosis_can_be_photographed_at_any_size(diagnosis, size):
    for name, site in SITES.items():
        generator = numpy_generator(1, name, diagnosis)
        taken = take_photograph(generator, draw_lesion(generator, DIAGNOSES[diagnosis], 0.2), site, size)
        assert taken.image.shape == (*size, 3)
        assert 0 < taken.mask.mean() < 1


def test_sites_know_only_diagnoses_there_are():
    for site in SITES.values():
        assert set(site.diagnoses) <= set(DIAGNOSES)
        assert sum(site.diagnoses.values()) == pytest.approx(site.images, rel=0.01)
