"""Label schemes: regions of label maps, and label maps of predicted regions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.datasets.brats import BRATS, BRATS_2024
from adpfl_bench.datasets.kits import KITS
from adpfl_bench.errors import ConfigError
from tests.schemes import SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_schemes_are_consistent(scheme):
    assert all(set(classes) <= set(scheme.classes) for classes in scheme.regions.values())
    assert set(scheme.predicted) <= set(scheme.regions)
    assert {cls for _, cls in scheme.painting} == set(scheme.classes)
    assert set(scheme.tolerances) <= set(scheme.regions)
    assert scheme.source


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@given(data=st.data())
def test_painting_the_masks_of_a_label_map_gives_it_back(scheme, data):
    shape = st_numpy.array_shapes(min_dims=1, max_dims=3, max_side=6)
    values = st.integers(0, len(scheme.classes))
    label_map = data.draw(st_numpy.arrays(np.uint8, shape, elements=values))
    masks = scheme.masks(label_map, scheme.predicted)
    assert masks.shape == (len(scheme.predicted), *label_map.shape)
    np.testing.assert_array_equal(scheme.paint(masks), label_map)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_masks_are_unions_of_classes(scheme):
    label_map = np.arange(len(scheme.classes) + 1, dtype=np.uint8)
    for mask, classes in zip(scheme.masks(label_map), scheme.regions.values(), strict=True):
        expected = [False, *(cls in classes for cls in scheme.classes)]
        assert mask.tolist() == expected


def test_later_regions_are_painted_over_earlier_ones():
    def only(*regions):
        return np.array([[name in regions] for name in KITS.predicted])

    assert KITS.paint(only("kidney_and_masses")) == [1]
    assert KITS.paint(only("kidney_and_masses", "masses")) == [3]
    assert KITS.paint(only("kidney_and_masses", "masses", "tumour")) == [2]
    # A tumour outside of the kidney is a tumour all the same.
    assert KITS.paint(only("tumour")) == [2]
    assert KITS.paint(only()) == [0]


def test_single_regions_can_be_asked_for_in_any_order():
    label_map = np.array([0, 1, 2, 3], dtype=np.uint8)
    et, wt = BRATS.masks(label_map, ["ET", "WT"])
    assert et.tolist() == [False, False, False, True]
    assert wt.tolist() == [False, True, True, True]


def test_official_regions_of_2024_add_tissues_and_the_cavity():
    assert tuple(BRATS_2024.regions) == ("WT", "TC", "ET", "NETC", "SNFH", "RC")
    assert all("RC" not in classes for name, classes in BRATS_2024.regions.items() if name != "RC")
    assert BRATS_2024.predicted == ("WT", "NETC", "ET", "RC")


def test_official_tolerances_of_kits():
    assert list(KITS.tolerances.values()) == [1.0330772532390826, 1.1328796488598762, 1.1498198361434828]


def test_painting_needs_a_mask_for_each_predicted_region():
    with pytest.raises(ValueError, match="zip"):
        KITS.paint(np.zeros((2, 3), dtype=np.bool_))


def test_each_class_is_a_region_if_nothing_else_is_said():
    scheme = LabelScheme("heart", ("wall", "chamber"))
    assert scheme.regions == {"wall": ("wall",), "chamber": ("chamber",)}
    assert scheme.painting == (("wall", "wall"), ("chamber", "chamber"))


def test_a_region_is_painted_with_its_first_class_if_nothing_else_is_said():
    scheme = LabelScheme("heart", ("wall", "chamber"), {"heart": ("wall", "chamber"), "chamber": ("chamber",)})
    assert scheme.paint(np.array([[True, True, False], [False, True, False]])).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("regions", "painting", "sentence"),
    [
        ({"heart": ("wall", "valve")}, (), "uses the classes valve, which are not among its own: wall, chamber"),
        ({"heart": ()}, (), "the region heart of the label scheme own has no class"),
        ({"heart": ("wall",)}, (("heart", "valve"),), "uses the classes valve"),
        ({"heart": ("wall",)}, (("chamber", "chamber"),), "paints chamber, which are not among its regions: heart"),
    ],
)
def test_an_impossible_scheme_is_told(regions, painting, sentence):
    with pytest.raises(ConfigError, match=f"(?i){sentence}"):
        LabelScheme("own", ("wall", "chamber"), regions, painting)
