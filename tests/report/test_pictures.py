"""Pictures show something, and the right cases and lines."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.records.round_columns import NO_ROUNDS, parse_rounds
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.report.curves import band, draw_curves
from adpfl_bench.report.overlays import draw_overlays
from docs.sheets.modalities_sheet import draw_groups
from tests.leaderboard.records import case_row, edit_record, toy_runs, write_examples, write_rounds, write_run

CYAN, ORANGE = (0, 229, 255), (255, 176, 0)
BLUE, VERMILION, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)


def group_of(root):
    (group,), *_ = compare_runs(find_runs([root]))
    return group


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def share(image, colour):
    """Share of the pixels that have nearly this colour."""
    return np.mean(np.abs(image - np.array(colour)).max(axis=-1) < 25)


@pytest.fixture
def drawn(tmp_path):
    toy_runs(tmp_path)
    for name, step in {"fedavg0": 0.3, "fedavg1": 0.2, "dp": 0.1, "adp": 0.15}.items():
        write_rounds(tmp_path / name, thresholds=name in ("dp", "adp"), step=step)
        write_examples(tmp_path / name, ["a1", "a2", "b"])
    return tmp_path


def test_overlays_outline_truth_and_predictions(drawn):
    picture = draw_overlays(group_of(drawn))
    image = pixels(picture)
    columns = np.array_split(image, 5, axis=1)
    assert image.std() > 20
    assert [share(column, CYAN) > 0.002 for column in columns] == [False, True, True, True, True]
    assert [share(column, ORANGE) > 0.002 for column in columns] == [False, False, True, True, True]
    assert "a1: fedavg Dice 0.90, dp_fl Dice 0.60, adp_fl Dice 0.70" in picture.alt
    assert picture.alt.index("a1:") < picture.alt.index("b:") < picture.alt.index("a2:")  # each client first
    assert "phantom" in picture.alt
    assert picture.caption.endswith(" Seed 0.")


def test_overlays_name_each_seed_where_methods_share_none(drawn):
    config = json.loads((drawn / "dp" / "run.json").read_text())["config"]
    config |= {"seed_everything": 1, "federated": {"rounds": 3, "seed": 1}}
    edit_record(drawn / "dp", seed=1, config=config)
    assert draw_overlays(group_of(drawn)).caption.endswith(" Seeds: fedavg 0, dp_fl 1, adp_fl 0.")


def test_overlays_show_only_cases_that_all_kept(drawn):
    write_examples(drawn / "adp", ["b"])
    picture = draw_overlays(group_of(drawn))
    assert picture.alt.startswith("1 test cases")
    assert "b: fedavg" in picture.alt
    assert "a1:" not in picture.alt


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04"])
def test_overlays_go_without_a_method_that_kept_nothing(drawn, content):
    path = drawn / "adp" / "examples.npz"
    path.unlink() if content is None else path.write_bytes(content)
    assert "adp_fl kept no cases." in draw_overlays(group_of(drawn)).caption


def test_no_examples_no_overlays(tmp_path):
    assert draw_overlays(group_of(toy_runs(tmp_path))) is None


def test_overlays_of_volumes_show_the_slice_with_most_truth(tmp_path):
    run = write_run(tmp_path / "run", "fedavg", [case_row("b", 0.5, "core"), case_row("b", 0.75, "whole")])
    write_examples(run, ["b"], regions=2, channels=4, depth=5)
    with np.load(run / "examples.npz") as file:
        arrays = dict(file)
    arrays["truth"][..., [0, 1, 2, 4]] = False
    np.savez_compressed(run / "examples.npz", **arrays)
    picture = draw_overlays(group_of(tmp_path))
    assert share(np.array_split(pixels(picture), 3, axis=1)[2], CYAN) > 0.002
    assert "core 0.50 whole 0.75" in picture.alt


def test_regions_are_named_by_their_colours(tmp_path):
    run = write_run(tmp_path / "run", "fedavg", [case_row("b", 0.5, "core"), case_row("b", 0.75, "whole")])
    write_examples(run, ["b"], regions=2)
    assert "Each region has its colour" in draw_overlays(group_of(tmp_path)).caption
    with np.load(run / "examples.npz") as file:
        arrays = dict(file)
    np.savez_compressed(run / "examples.npz", **arrays, region=np.array(["whole", "core"]))
    assert "whole amber, core orange" in draw_overlays(group_of(tmp_path)).caption


def test_groups_are_drawn_under_each_other(tmp_path):
    for task, method in [("skin", "fedavg"), ("skin", "dp_fl"), ("brain", "fedavg"), ("brain", "dp_fl")]:
        run = write_run(tmp_path / task / method, method, {"b": 0.5}, task=task)
        write_examples(run, ["b"])
    groups, *_ = compare_runs(find_runs([tmp_path]))
    both = np.asarray(Image.open(io.BytesIO(draw_groups(groups))).convert("RGB")).astype(int)
    one = np.asarray(Image.open(io.BytesIO(draw_groups(groups[:1]))).convert("RGB")).astype(int)
    assert both.shape[0] > 1.5 * one.shape[0]
    assert [share(half, ORANGE) > 0.002 for half in np.array_split(both, 2)] == [True, True]
    run = write_run(tmp_path / "brain" / "adp_fl", "adp_fl", {"b": 0.5}, task="brain")
    write_examples(run, ["b"])
    with pytest.raises(RecordError, match="same methods as the other groups"):
        draw_groups(compare_runs(find_runs([tmp_path]))[0])


def test_names_are_never_read_as_mathematics(tmp_path):
    run = write_run(tmp_path / "run", "$\\frac{$", {"b": 0.5})
    write_examples(run, ["b"])
    write_rounds(run, clients=["$x^$"], thresholds=True)
    assert draw_overlays(group_of(tmp_path)) is not None
    assert draw_curves(group_of(tmp_path)) is not None


def test_curves_draw_a_line_for_each_method(drawn):
    plots = draw_curves(group_of(drawn))
    assert list(plots) == ["val-dice", "train-loss"]
    for plot in plots.values():
        assert min(share(pixels(plot), colour) for colour in (BLUE, VERMILION, GREEN)) > 0.0005
    assert "fedavg 75 % after round 3; dp_fl 30 % after round 3; adp_fl 45 % after round 3" in plots["val-dice"].alt
    assert "fedavg 0.0833 after round 3" in plots["train-loss"].alt


def test_curves_need_rounds(tmp_path):
    run = write_run(tmp_path / "run", "fedavg", {"b": 0.5})
    assert draw_curves(group_of(tmp_path)) == {}
    RunDirectory(run).append_rounds([RoundRow(number, "all", "val_dice", 0.5) for number in (1, 2, 3)])
    assert list(draw_curves(group_of(tmp_path))) == ["val-dice"]


def test_band_over_seeds_with_unequal_rounds():
    one, other = (
        parse_rounds(f"round,client,name,value\n{lines}".encode(), Path("rounds.csv"))
        for lines in ("1,all,x,2.0\n2,all,x,4.0\n", "2,all,x,8.0\n")
    )
    assert band([one, other]) == ([1, 2], [2.0, 6.0], [2.0, 4.0], [2.0, 8.0])
    assert band([NO_ROUNDS, NO_ROUNDS]) == ([], [], [], [])
