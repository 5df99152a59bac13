"""Example cases: which are kept, and how a volume becomes a picture."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adpfl_bench.callbacks.examples import ExampleCases
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch, EvaluationCase, collate_cases
from adpfl_bench.tasks.federated_task import FederatedTask

REGIONS = ("whole", "core")


def batch(image: np.ndarray, label: np.ndarray, grid: CaseGrid | None = None, client: str = "a", case: str = "c"):
    brought = EvaluationCase(torch.from_numpy(image), torch.from_numpy(label), grid=grid)
    return collate_cases([brought], [case], [case], client, "test")


def keep(
    tmp_path: Path, batches: list[tuple[EvaluationBatch, np.ndarray]], per_client: int = 2
) -> dict[str, np.ndarray]:
    keeper, task = ExampleCases(per_client), FederatedTask(torch.nn.Identity())
    trainer = SimpleNamespace(default_root_dir=str(tmp_path))
    task.regions = REGIONS
    keeper.on_test_start(trainer, task)
    for content, masks in batches:
        keeper.on_test_batch_end(trainer, task, [masks], content, 0)
    keeper.on_test_end(trainer, task)
    with np.load(tmp_path / "examples.npz") as file:
        return dict(file)


def volume(shape: tuple[int, int, int], slice_z: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright spot at the patient's right and front, in one slice."""
    image = np.full((2, *shape), 1.0, dtype=np.float32)
    label = np.zeros((2, *shape), dtype=np.uint8)
    image[:, -2, -3, slice_z], label[:, -2, -3, slice_z] = 5.0, 1
    return image, label


def test_a_volume_is_shown_by_the_slice_with_most_truth_as_radiologists_look_at_it(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=3)
    found = keep(tmp_path, [(batch(image, label), label.astype(bool))])
    assert found["image"].shape == (1, 2, 8, 6)
    assert found["truth"].shape == found["prediction"].shape == (1, 2, 8, 6)
    # The front is up, so row 2 of 8; the patient's right is left, so column 1 of 6.
    assert np.argwhere(found["truth"][0, 0]).tolist() == [[2, 1]]
    assert found["image"][0, 0, 2, 1] == 5.0
    assert found["region"].tolist() == list(REGIONS)


def test_masks_on_another_grid_are_brought_to_the_images(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=3)
    affine = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [-1.0, 0, 0, 0], [0, 0, 0, 1]])
    grid = CaseGrid((5, 8, 6), affine)
    stored = np.stack([grid.to_file(mask) for mask in label])
    assert stored.shape == (2, 5, 8, 6)
    found = keep(tmp_path, [(batch(image, stored, grid), stored.astype(bool))])
    assert np.argwhere(found["truth"][0, 1]).tolist() == [[2, 1]]
    assert np.argwhere(found["prediction"][0, 1]).tolist() == [[2, 1]]


def test_slices_of_several_sizes_are_padded_around_their_middle(tmp_path: Path) -> None:
    (small, small_label), (large, large_label) = volume((4, 6, 3), 0), volume((8, 10, 3), 1)
    found = keep(
        tmp_path,
        [
            (batch(small, small_label, client="a"), small_label.astype(bool)),
            (batch(large, large_label, client="b"), large_label.astype(bool)),
        ],
    )
    assert found["image"].shape == (2, 2, 10, 8)
    assert np.argwhere(found["truth"][0, 0]).tolist() == [[2 + 2, 1 + 2]]
    assert (found["image"][0, :, :2] == small.min()).all()
    assert found["client"].tolist() == ["a", "b"]


def test_a_mask_that_fills_its_slice_ends_where_the_slice_does(tmp_path: Path) -> None:
    (small, full), (large, large_label) = volume((4, 6, 3), 0), volume((8, 10, 3), 1)
    full[...] = 1
    batches = [
        (batch(small, full), full.astype(bool)),
        (batch(large, large_label, case="d"), large_label.astype(bool)),
    ]
    found = keep(tmp_path, batches)
    for masks in (found["truth"], found["prediction"]):
        assert masks[0].sum(axis=(1, 2)).tolist() == [4 * 6, 4 * 6]


def test_without_truth_the_middle_slice_is_shown(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=2)
    found = keep(tmp_path, [(batch(image, 0 * label), label.astype(bool))])
    assert not found["truth"].any()
    assert found["prediction"][0, :, 2, 1].all()
    assert found["image"][0, 0, 2, 1] == 5.0


def test_regions_add_up_so_that_a_tumour_is_shown_where_the_organ_is_a_little_smaller(tmp_path: Path) -> None:
    image, label = np.ones((1, 6, 8, 5), dtype=np.float32), np.zeros((2, 6, 8, 5), dtype=np.uint8)
    label[0, 1:5, 1:6, 1] = 1
    label[0, 1:5, 1:5, 3] = label[1, 1:4, 1:3, 3] = 1
    truth = keep(tmp_path, [(batch(image, label), label.astype(bool))])["truth"]
    assert truth[0].sum(axis=(1, 2)).tolist() == [16, 6]


def test_masks_of_another_size_without_a_grid_are_resized(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=3)
    stored = label.repeat(2, axis=1).repeat(3, axis=2).repeat(2, axis=3)
    found = keep(tmp_path, [(batch(image, stored), stored.astype(bool))])
    assert np.argwhere(found["truth"][0, 0]).tolist() == [[2, 1]]
    assert found["image"][0, 0, 2, 1] == 5.0


def test_what_lies_around_a_brain_is_dark(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=2)
    image[:, 0] = 0.0
    image[:, 1] = -2.0
    found = keep(tmp_path, [(batch(image, label), label.astype(bool))])
    assert found["image"][0, 0, 0, -1] == -2.0


@pytest.mark.parametrize("per_client", [0, 1, 2])
def test_the_first_cases_of_each_client_are_kept(tmp_path: Path, per_client: int) -> None:
    image, label = volume((4, 4, 3), 1)
    batches = [
        (batch(image, label, client=client, case=f"{client}{number}"), label.astype(bool))
        for client in "ab"
        for number in range(3)
    ]
    if per_client == 0:
        with pytest.raises(FileNotFoundError):
            keep(tmp_path, batches, 0)
        return
    expected = [f"{client}{number}" for client in "ab" for number in range(per_client)]
    assert keep(tmp_path, batches, per_client)["case"].tolist() == expected


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["global"], "global"),
        (["a", "b"], "a"),
        (["b", "a"], "a"),
        (["global", "b", "a"], "a"),
        (["b", "c"], "b"),  # nobody's own case: its client was held out
    ],
)
def test_a_case_is_kept_once_with_what_its_own_client_s_model_predicts(tmp_path: Path, models, expected) -> None:
    image, label = volume((4, 4, 3), 1)
    batches = []
    for number, model in enumerate(models):
        mask = np.zeros(label.shape, dtype=bool)
        mask[:, number] = True
        for case in ("c", "d", "e"):
            batches.append((replace(batch(image, label, client="a", case=case), model=model), mask))
    found = keep(tmp_path, batches, per_client=2)
    assert found["case"].tolist() == ["c", "d"]
    assert found["model"].tolist() == [expected, expected]
    rows = found["prediction"][:, 0].any(axis=1).argmax(axis=1)  # the first axis runs leftwards in the picture
    assert rows.tolist() == [3 - models.index(expected)] * 2


def pictures(tmp_path: Path, scores: dict[str, float], models: dict[str, list[str]] | None = None):
    """Cases of 10 columns of truth, of which a prediction hits as many as make the Dice given."""
    batches = []
    for case, dice in scores.items():
        for model in (models or {}).get(case, ["global"]):
            label = np.zeros((2, 8, 20), dtype=np.uint8)
            label[:, 2:6, :10] = 1
            shift = 10 - round(10 * dice)
            content = batch(np.random.default_rng(0).normal(size=(3, 8, 20)), label, case=case, client=case[0])
            batches.append((replace(content, model=model), np.roll(label, shift, axis=2).astype(bool)))
    return keep(tmp_path, batches)


@pytest.mark.parametrize("order", [1, -1])
def test_the_best_median_and_worst_case_are_kept_besides(tmp_path: Path, order: int) -> None:
    scores = {f"a{number}": (number * 7 % 10 + 0.5) / 10.5 for number in range(10)}
    found = pictures(tmp_path, dict(list(scores.items())[::order]))
    assert found["chosen"].tolist() == ["best", "median", "worst"]
    by_score = sorted(scores, key=lambda case: scores[case])
    assert found["chosen_case"].tolist() == [by_score[-1], by_score[4], by_score[0]]
    assert found["chosen_dice"].tolist() == sorted(found["chosen_dice"].tolist(), reverse=True)
    assert found["chosen_of"] == 10
    for number, which in enumerate(found["chosen"]):
        truth, prediction = (found[f"{which}_picture_{name}"].astype(bool) for name in ("truth", "prediction"))
        overlap = 2 * (truth & prediction).sum() / (truth.sum() + prediction.sum())
        assert found["chosen_dice"][number] == pytest.approx(overlap)
    assert found["best_picture_image"].shape == (3, 8, 20)
    assert found["best_picture_image"].dtype == np.uint8
    assert (found["best_picture_image"].min(), found["best_picture_image"].max()) == (0, 255)


@pytest.mark.parametrize(("cases", "expected"), [(1, ["best"]), (2, ["best", "worst"])])
def test_of_few_cases_each_is_chosen_once(tmp_path: Path, cases: int, expected: list[str]) -> None:
    found = pictures(tmp_path, {f"a{number}": 0.5 - 0.2 * number for number in range(cases)})
    assert found["chosen"].tolist() == expected
    assert found["chosen_case"].tolist() == ["a0", "a1"][:cases]


def test_cases_are_chosen_by_the_clients_own_models_where_there_are_any(tmp_path: Path) -> None:
    scores = {"a0": 0.9, "b0": 0.7, "c0": 1.0}
    models = {"a0": ["global", "b", "a"], "b0": ["global", "a", "b"], "c0": ["global", "a"]}  # c was held out
    found = pictures(tmp_path, scores, models)
    assert found["chosen_case"].tolist() == ["a0", "b0"]
    assert found["chosen_model"].tolist() == ["a", "b"]
    assert found["chosen_of"] == 2


def test_of_a_volume_the_chosen_cases_have_three_orthogonal_planes(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=3)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    found = keep(tmp_path, [(batch(image, label, CaseGrid((6, 8, 5), affine)), label.astype(bool))])
    # The spot is at the right (4 of 6), in front (5 of 8) and high up (3 of 5): right is left, front is up or left.
    for plane, shape, place, spacing in (
        ("axial", (8, 6), [2, 1], [2, 1]),
        ("coronal", (5, 6), [1, 1], [3, 1]),
        ("sagittal", (5, 8), [1, 2], [3, 2]),
    ):
        assert found[f"best_{plane}_image"].shape == (1, *shape)
        for name in ("truth", "prediction"):
            assert np.argwhere(found[f"best_{plane}_{name}"][0]).tolist() == [place]
        assert np.argwhere(found[f"best_{plane}_image"][0] == 255).tolist() == [place]
        assert found[f"best_{plane}_spacing"].tolist() == spacing
    assert not any("picture" in name for name in found)


def test_a_picture_without_a_stated_spacing_has_square_pixels(tmp_path: Path) -> None:
    assert pictures(tmp_path, {"a0": 0.5})["best_picture_spacing"].tolist() == [1, 1]


def test_a_case_without_truth_is_not_the_best(tmp_path: Path) -> None:
    image, label = volume((6, 8, 5), slice_z=3)
    nothing = np.zeros_like(label)
    found = keep(
        tmp_path,
        [
            (batch(image, nothing, case="empty"), nothing.astype(bool)),
            (batch(image, label, case="full"), np.roll(label, 1, axis=1).astype(bool)),
        ],
    )
    assert found["case"].tolist() == ["empty", "full"]
    assert (found["chosen_case"].tolist(), found["chosen_of"]) == (["full"], 1)
