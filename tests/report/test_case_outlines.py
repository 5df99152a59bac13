"""Outlines in pictures of cases say which is truth and which prediction: in the picture, and beside it on the page."""

import io

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.report.case_outlines import REGION_COLOURS, TRUTH_COLOUR, outline_key, page_key
from adpfl_bench.report.overlays import case_key, draw_overlays, shown_cases
from adpfl_bench.report.page_template import page_template
from tests.leaderboard.records import case_row, write_examples, write_run

STYLE = page_template("report.css").render()


def test_one_region_has_a_truth_and_a_prediction():
    assert outline_key(1, ["lesion"]) == {"truth": TRUTH_COLOUR, "prediction": REGION_COLOURS[0]}


@pytest.mark.parametrize("names", [("whole", "core"), ()])
def test_each_of_several_regions_has_a_colour_of_its_prediction(names):
    truth, *predictions = outline_key(2, names)
    assert truth == "truth beside a prediction"
    assert predictions == [f"{name}: prediction (in panel truth: truth)" for name in names or ("region 1", "region 2")]


def test_the_page_has_the_colours_of_the_pictures():
    for entry, colour in zip(page_key(6, "abcdef"), (TRUTH_COLOUR, *REGION_COLOURS), strict=True):
        variable = entry.swatch.split('stroke="var(')[1].split(")")[0]
        assert STYLE.count(f"{variable}: {colour.lower()}") == 2  # on light and on dark paper


@pytest.mark.parametrize("regions", [1, 2])
def test_a_picture_of_cases_begins_with_its_key(tmp_path, regions):
    names = ("whole", "core")[:regions]
    rows = [case_row(case, 0.6, region) for case in ("a1", "b") for region in names]
    for method in ("fedavg", "dp_fl"):
        write_examples(write_run(tmp_path / method, method, rows), ["a1", "b"], regions=regions)
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    assert len(case_key(shown_cases(group))) == 1 + regions
    with Image.open(io.BytesIO(draw_overlays(group).png)) as image:
        top = np.asarray(image.convert("RGB")).astype(int)[: 36 * regions]
    for colour in (TRUTH_COLOUR, *REGION_COLOURS[:regions]):
        wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
        assert (np.abs(top - wanted).max(axis=-1) < 12).sum() > 40, colour
    assert case_key([]) == []
