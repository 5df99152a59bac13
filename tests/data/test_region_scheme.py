"""Label schemes of stated regions: painted so that a prediction without a fault is scored as such, or refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.data.region_scheme import make_scheme
from adpfl_bench.datasets.brats import BRATS
from adpfl_bench.datasets.kits import KITS
from adpfl_bench.errors import ConfigError

LABELS = {"a": 1, "b": 3, "c": 7, "d": 8}
SETS = st.lists(st.sets(st.sampled_from([*LABELS]), min_size=1), min_size=1, max_size=4)


@given(SETS, st.none() | st.lists(st.sampled_from([*LABELS.values()]), min_size=1, max_size=4))
def test_what_is_predicted_without_a_fault_is_scored_so_or_the_regions_are_refused(
    sets: list[set[str]], order: list[int] | None
) -> None:
    regions = {f"r{number}": sorted(own) for number, own in enumerate(sets)}
    try:
        scheme = make_scheme("own", LABELS, regions, order)
    except ConfigError:
        return
    label = np.arange(5, dtype=np.uint8)  # background, and one voxel of each class
    painted = scheme.paint(scheme.masks(label, scheme.predicted))
    assert np.array_equal(scheme.masks(painted), scheme.masks(label))


@given(SETS)
def test_nested_and_separate_regions_are_always_painted(sets: list[set[str]]) -> None:
    apart = [own for number, own in enumerate(sets) if own not in sets[:number]]
    if any(one & other and not (one <= other or other <= one) for one in apart for other in apart):
        return
    assert make_scheme("own", LABELS, {f"r{number}": sorted(own) for number, own in enumerate(apart)})


def test_the_order_is_that_of_the_suites_own_schemes() -> None:
    for scheme in (BRATS, KITS):
        labels = {cls: number for number, cls in enumerate(scheme.classes, start=1)}
        made = make_scheme("own", labels, {name: list(own) for name, own in scheme.regions.items()})
        assert made.painting == scheme.painting


def test_regions_are_of_values_or_of_names() -> None:
    by_value = make_scheme("own", LABELS, {"all": [8, 1, 3, 7], "b": [3]})
    assert by_value.regions == make_scheme("own", LABELS, {"all": [*"dabc"], "b": ["b"]}).regions
    assert by_value.regions["all"] == ("a", "b", "c", "d")
    assert by_value.classes == ("a", "b", "c", "d")
    assert by_value.painting == (("all", "a"), ("b", "b"))
    assert make_scheme("own", {"z": 1, "y": 2}).predicted == ("z", "y")


def test_a_region_that_others_make_up_is_scored_and_not_predicted() -> None:
    scheme = make_scheme("own", {"wall": 1, "pool": 2}, {"heart": [1, 2], "wall": [1], "pool": [2]})
    assert [*scheme.regions] == ["heart", "wall", "pool"]
    assert scheme.predicted == ("wall", "pool")


def test_two_names_of_one_region_are_one_prediction() -> None:
    assert make_scheme("own", {"a": 1}, {"r": [1], "s": [1]}).predicted == ("s",)


def test_the_order_of_nnunet_is_taken() -> None:
    regions = {"whole": [1, 2, 3], "core": [2, 3], "rest": [3]}
    scheme = make_scheme("own", {"x": 1, "y": 2, "z": 3}, regions, [1, 2, 3])
    assert scheme.painting == (("whole", "x"), ("core", "y"), ("rest", "z"))


@pytest.mark.parametrize(
    ("labels", "more", "sentence"),
    [
        ({}, {}, "no labels beside background"),
        ({"a": 0}, {}, "gives a the value 0; expected 1 to 255"),
        ({"a": 256}, {}, "gives a the value 256"),
        ({"a": 1, "b": 1}, {}, "gives a and b the same value, 1"),
        ({"a/b": 1}, {}, "has the class 'a/b', which is no folder's"),
        ({"a": 1}, {"regions": {"r": [2]}}, "makes the region r of 2, which is none of its labels: 1 a"),
        ({"a": 1}, {"regions": {"r": ["b"]}}, "makes the region r of b"),
        ({"a": 1}, {"regions": {"r": []}}, "of no class"),
        ({"a": 1}, {"regions": {"r": ["a", 1]}}, "of the same class twice"),
        ({"a": 1}, {"regions": {"../r": [1]}}, "the region '../r'"),
        ({"a": 1}, {"order": [1, 1]}, "2 values in regions_class_order, but 1 regions"),
        ({"a": 1}, {"order": [5]}, "has 5 in regions_class_order"),
        ({"a": 1}, {"tolerances": {"b": 1.0}}, "a tolerance of b, but its regions are a"),
        ({"a": 1}, {"tolerances": {"a": -1.0}}, "the tolerance -1.0 of a"),
        (
            {"a": 1, "b": 2, "c": 3},
            {"regions": {"r": [1, 2], "s": [2, 3]}},
            "no label map can be painted: where c is, the region r would be invented",
        ),
        (
            {"a": 1, "b": 2},
            {"regions": {"inner": [2], "outer": [1, 2]}, "order": [2, 1]},
            "where b is, the region inner would be lost",
        ),
    ],
)
def test_what_cannot_be_is_told(labels: dict[str, int], more: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_scheme("own", labels, source="The file x", **more)
    assert sentence in str(error.value)
    assert str(error.value).startswith("The file x ")
