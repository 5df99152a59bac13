"""Patches: where they lie, what is in them, and that they depend on the seed alone."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.rounds.augmentation import volume_augmentation
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.data.volumes.patches import PatchExamples, draw_corner, read_patch
from adpfl_bench.data.volumes.preparation import PreparedCase
from adpfl_bench.data.volumes.store import StoredCase, open_case, write_case
from adpfl_bench.datasets.kits import KITS

SHAPE = (24, 20, 10)


def store(folder: Path, value: float, spot: tuple[int, int, int] = (20, 3, 8)) -> StoredCase:
    """A volume of one value, with a tumour of one voxel."""
    label = np.zeros(SHAPE, dtype=np.uint8)
    label[spot] = 2
    image = np.full((1, *SHAPE), value, dtype=np.float16)
    image[0][spot] = 9
    prepared = PreparedCase(image, label, CaseGrid(SHAPE, np.eye(4)), {2: np.array([spot], dtype=np.int16)})
    write_case(folder, prepared, str(value))
    return open_case(folder)


def records(patients: list[list[StoredCase]], probability: float = 0.0, augmented: bool = False) -> PatchExamples:
    transform = volume_augmentation() if augmented else None
    return PatchExamples(patients, KITS, (8, 8, 4), probability, -1.0, transform)


sides = st.tuples(*[st.integers(1, 30)] * 3)


@given(sides, sides, st.integers(0, 2**32), st.sampled_from([0.0, 1.0]), st.data())
def test_patches_stay_inside_or_lie_around_the_middle(
    shape: tuple, size: tuple, seed: int, probability: float, data: st.DataObject
) -> None:
    voxel = [data.draw(st.integers(0, side - 1)) for side in shape]
    corner = draw_corner(np.random.default_rng(seed), shape, size, {1: np.array([voxel])}, probability)
    for first, side, wanted, along in zip(corner, shape, size, voxel, strict=True):
        if wanted <= side:
            assert 0 <= first <= side - wanted
            assert probability == 0 or first <= along < first + wanted
        else:
            assert first <= 0 <= side <= first + wanted
            assert abs((wanted + first - side) - -first) <= 1


def test_foreground_patches_hold_their_structure(tmp_path: Path) -> None:
    always = records([[store(tmp_path / "a", 0.5)]], probability=1.0)
    for seed in range(20):
        batch = always[ExampleKey(0, seed)]
        assert batch.image.shape == (1, 8, 8, 4)
        assert batch.label.shape == (3, 8, 8, 4)
        assert batch.label.sum(dim=(1, 2, 3)).tolist() == [1, 1, 1]
        assert batch.image[0][batch.label[2].bool()].tolist() == [9]


def test_the_share_of_foreground_patches_is_as_asked(tmp_path: Path) -> None:
    case = store(tmp_path / "a", 0.5)
    third = records([[case]], probability=1 / 3)
    found = np.mean([bool(third[ExampleKey(0, seed)].label.any()) for seed in range(300)])
    never = records([[case]], probability=0.0)
    by_chance = np.mean([bool(never[ExampleKey(0, seed)].label.any()) for seed in range(300)])
    assert abs(found - (1 / 3 + 2 / 3 * by_chance)) < 0.09


@pytest.mark.parametrize("augmented", [False, True])
def test_a_record_depends_on_its_seed_alone(tmp_path: Path, augmented: bool) -> None:
    cases = [[store(tmp_path / f"{i}", i / 10)] for i in range(3)]
    first, second = records(cases, 0.5, augmented), pickle.loads(pickle.dumps(records(cases, 0.5, augmented)))
    wanted = first[ExampleKey(1, 7)]
    torch.rand(1), second[ExampleKey(0, 3)], second[ExampleKey(2, 7)]
    again = second[ExampleKey(1, 7)]
    assert all(torch.equal(a, b) for a, b in zip(wanted, again, strict=True))
    corners = {records([cases[0]])[ExampleKey(0, seed)].image.shape for seed in range(5)}
    assert corners == {(1, 8, 8, 4)}


def test_a_draw_holds_one_case_of_one_patient(tmp_path: Path) -> None:
    patients = [[store(tmp_path / "a", 0.25), store(tmp_path / "b", 0.5)], [store(tmp_path / "c", 0.75)]]
    drawn = records(patients)
    assert len(drawn) == 2
    values = {tuple(torch.unique(drawn[ExampleKey(0, seed)].image).tolist()) for seed in range(40)}
    assert {value for found in values for value in found} - {9} == {0.25, 0.5}
    assert all(not {0.25, 0.5} <= set(found) for found in values)
    assert 0.75 in torch.unique(drawn[ExampleKey(1, 0)].image)


def test_what_lies_outside_of_a_small_volume_is_background(tmp_path: Path) -> None:
    case = store(tmp_path / "a", 0.5)
    image, label = read_patch(case, (-2, 0, -3), (28, 20, 16), background=-1.0)
    assert image.shape == (1, 28, 20, 16)
    assert (image[0, :2] == -1).all()
    assert (image[0, :, :, 13:] == -1).all()
    np.testing.assert_array_equal(image[0, 2:26, :, 3:13], case.read_image()[0])
    np.testing.assert_array_equal(label[2:26, :, 3:13], case.read_label())
    assert label.sum() == 2


def test_augmentation_turns_image_and_label_together(tmp_path: Path) -> None:
    changed = records([[store(tmp_path / "a", 0.0, spot=(2, 2, 2))]], probability=1.0, augmented=True)
    places = set()
    for seed in range(20):
        batch = changed[ExampleKey(0, seed)]
        assert batch.image.flatten().argmax() == batch.label[2].flatten().argmax()
        places.add(int(batch.label[2].flatten().argmax()))
    assert len(places) > 4
