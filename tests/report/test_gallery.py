"""The best, median and worst case of each method."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.report.gallery import draw_gallery
from adpfl_bench.report.kept_cases import KeptCases
from adpfl_bench.report.plot import Picture
from adpfl_bench.report.task_view import embedded
from tests.leaderboard.records import case_row, scored, toy_runs, write_examples, write_run

CASES = {"a1": 0.9, "a2": 0.7, "b": 0.5, "c": 0.1}
CYAN, AMBER = (0, 229, 255), (255, 176, 0)


def group_of(root):
    (group,), *_ = compare_runs(find_runs([root]))
    return group


def add_chosen(run, planes, **changes):
    """What ExampleCases keeps of the best, median and worst case."""
    with np.load(run / "examples.npz") as file:
        arrays = dict(file)
    chosen = {"best": ("b", 0.95), "median": ("c", 0.5), "worst": ("a1", 0.25)}
    for which in chosen:
        for plane, (rows, columns) in planes.items():
            truth = np.zeros((1, rows, columns), dtype=bool)
            truth[:, rows // 4 : rows // 2, columns // 4 : columns // 2] = True
            arrays[f"{which}_{plane}_image"] = np.full((1, rows, columns), 128, dtype=np.uint8)
            arrays[f"{which}_{plane}_truth"] = truth
            arrays[f"{which}_{plane}_prediction"] = np.roll(truth, 2, axis=2)
            arrays[f"{which}_{plane}_spacing"] = np.array([3.0, 1.0] if plane != "axial" else [1.0, 1.0])
    arrays |= {
        "chosen": np.array(list(chosen)),
        "chosen_case": np.array([case for case, _ in chosen.values()]),
        "chosen_client": np.array(["south", "east", "north"]),
        "chosen_model": np.array(["global", "global", "east"]),
        "chosen_dice": np.array([dice for _, dice in chosen.values()]),
        "chosen_of": np.array(40),
        "region": np.array(["lesion"]),
        **changes,
    }
    np.savez_compressed(run / "examples.npz", **{name: array for name, array in arrays.items() if array is not None})


@pytest.fixture
def run(tmp_path):
    run = write_run(tmp_path / "run", "fedavg", CASES)
    write_examples(run, list(CASES))
    return run


def pixels(image):
    return np.asarray(Image.open(io.BytesIO(image.png)).convert("RGB")).astype(int)


def share(image, colour):
    return np.mean(np.abs(image - np.array(colour)).max(axis=-1) < 70)


def test_stored_cases_are_read_as_they_were_chosen(run):
    add_chosen(run, {"axial": (40, 30), "coronal": (10, 30), "sagittal": (10, 40)})
    best, median, worst = KeptCases(scored(run)).chosen
    assert (best.which, best.case, best.client, best.dice) == ("best", "b", "south", 0.95)
    assert (worst.which, worst.model, worst.of, worst.exact) == ("worst", "east", 40, True)
    assert list(median.planes) == ["axial", "coronal", "sagittal"]
    assert median.planes["coronal"].spacing == (3.0, 1.0)
    assert median.planes["axial"].image[0, 0] == pytest.approx(128 / 255)


def test_volumes_are_drawn_in_three_planes_with_their_true_proportions(run):
    add_chosen(run, {"axial": (40, 30), "coronal": (10, 30), "sagittal": (10, 40)})
    (gallery,) = draw_gallery(group_of(run.parent))
    assert [image.caption for image in gallery.images] == [
        "Best: b of south, Dice 0.950",
        "Median: c of east, Dice 0.500",
        "Worst: a1 of north, Dice 0.250, model of east",
    ]
    assert (
        "Seed 0; by Dice, by the clients' own models, of the 40 test cases with something to find." in gallery.caption
    )
    image = gallery.images[0]
    assert "in 3 planes (axial, coronal, sagittal)" in image.alt
    # Three panels wide; heights are 40/30, 3*10/30 and 3*10/40 of a panel, below a line of words of a fifth of an inch.
    height, width, _ = pixels(image).shape
    assert (height - 20) / width == pytest.approx((40 / 30 + 30 / 30 + 30 / 40) / 3, abs=0.03)
    words = pixels(image)[:20]
    assert all((part.min(axis=(0, 2)) < 128).any() for part in np.array_split(words, 3, axis=1))
    plain, truth, prediction = np.array_split(pixels(image), 3, axis=1)
    assert share(plain, CYAN) == share(plain, AMBER) == 0
    assert share(truth, CYAN) > 0.005
    assert share(truth, AMBER) == 0
    assert min(share(prediction, colour) for colour in (CYAN, AMBER)) > 0.002


def test_of_older_runs_the_best_median_and_worst_kept_case_are_shown(run):
    (gallery,) = draw_gallery(group_of(run.parent))
    captions = [image.caption for image in gallery.images]
    assert [caption.split(" of ")[0] for caption in captions] == ["Best: a1", "Median: b", "Worst: c"]
    assert captions[2].endswith("Dice 0.100")
    assert "of the 4 cases that this run kept, not of all test cases" in gallery.caption


@pytest.mark.parametrize(
    ("cases", "shown"), [(["b"], ["best"]), (["b", "c"], ["best", "worst"]), (["a1", "b", "c"], None)]
)
def test_few_kept_cases_are_shown_once(run, cases, shown):
    write_examples(run, cases)
    assert [case.which for case in KeptCases(scored(run)).chosen] == (shown or ["best", "median", "worst"])


def test_regions_count_by_their_mean(tmp_path):
    rows = [case_row("a1", 0.9, "core"), case_row("a1", 0.1, "whole"), case_row("b", 0.6, "core")]
    run = write_run(tmp_path / "run", "fedavg", [*rows, case_row("b", 0.5, "whole")])
    write_examples(run, ["a1", "b"], regions=2)
    best, worst = KeptCases(scored(run)).chosen
    assert (best.case, best.dice) == ("b", pytest.approx(0.55))
    assert (worst.case, worst.dice) == ("a1", pytest.approx(0.5))


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04"])
def test_unreadable_cases_leave_the_method_out(run, content):
    path = run / "examples.npz"
    path.unlink() if content is None else path.write_bytes(content)
    assert draw_gallery(group_of(run.parent)) == []


@pytest.mark.parametrize("missing", ["best_axial_truth", "chosen_dice", "worst_axial_spacing", "region"])
def test_incomplete_cases_leave_the_method_out(run, missing):
    add_chosen(run, {"axial": (40, 30)}, **{missing: None})
    assert KeptCases(scored(run)).chosen == []


def test_every_method_shows_the_same_seed(tmp_path):
    toy_runs(tmp_path)
    for folder in tmp_path.iterdir():
        write_examples(folder, ["a1", "b"])
    galleries = draw_gallery(group_of(tmp_path))
    assert [gallery.label for gallery in galleries] == ["fedavg", "dp_fl", "adp_fl"]
    assert all("Seed 0;" in gallery.caption for gallery in galleries)


def test_wide_pictures_are_made_smaller_for_a_page():
    buffer = io.BytesIO()
    Image.new("RGB", (7200, 100), "white").save(buffer, format="PNG")
    shown = embedded(Picture(buffer.getvalue(), "alt", "caption"))
    webp = base64.b64decode(shown["uri"].removeprefix("data:image/webp;base64,"))
    assert (shown["width"], shown["height"]) == Image.open(io.BytesIO(webp)).size == (3600, 50)
