"""Adaptive methods beside the fixed thresholds that they could have had: pairs, numbers, text and plot."""

import csv
import io

import numpy as np
import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.statistics.bootstrap import MeanBootstrap
from adpfl_bench.leaderboard.statistics_text import thresholds_text
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow
from adpfl_bench.report.threshold_plot import draw_thresholds
from tests.leaderboard.records import case_row, private, write_run
from tests.leaderboard.threshold_runs import PATIENTS, write_method, write_study


def table_of(root):
    (group,), *_ = compare_runs(find_runs([root]))
    (table,) = tabulate(group)
    return table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of(write_study(tmp_path_factory.mktemp("thresholds")))


def test_only_methods_that_differ_in_nothing_else_are_paired_the_smallest_threshold_first(table):
    assert [(row.adaptive, row.fixed, row.threshold) for row in table.thresholds] == [
        ("adp_fl", "dp_fl_c0.5", 0.5),
        ("adp_fl", "dp_fl", 1.0),
        ("adp_fl", "dp_fl_c5", 5.0),
    ]


def test_shares_are_those_of_the_tables_means(table):
    dice = {row.label: row.mean for row in table.rows}
    for row in table.thresholds:
        assert (row.fixed_dice, row.adaptive_dice, row.reference_dice) == (
            dice[row.fixed],
            dice["adp_fl"],
            dice["fedavg"],
        )
        assert row.gap == dice["fedavg"] - dice[row.fixed]
        assert row.gap_closed == pytest.approx((dice["adp_fl"] - dice[row.fixed]) / row.gap)
        assert row.gap_closed_low < row.gap_closed < row.gap_closed_high
    of_dp_fl = next(row for row in table.rows if row.label == "adp_fl").gap_closed
    assert [row.gap_closed for row in table.thresholds if row.fixed == "dp_fl"] == [of_dp_fl]


def test_intervals_are_those_of_the_bootstrap(table):
    bootstrap = MeanBootstrap(table.statistics.scores.usable["dice"], seed=table.statistics.seed)
    names = {variant.label: name for name, variant in table.statistics.variants.items()}
    for row in table.thresholds:
        expected = bootstrap.share(names["adp_fl"], names[row.fixed], names["fedavg"])
        assert (row.gap_closed_low, row.gap_closed_high) == expected


def test_a_fixed_method_that_loses_nothing_has_no_gap_to_close(tmp_path):
    write_method(tmp_path, "fedavg", 0.8)
    write_method(tmp_path, "dp_fl", 0.9, 1.0)
    write_method(tmp_path, "adp_fl", 0.85, "raw")
    (row,) = table_of(tmp_path).thresholds
    assert row.gap < 0
    assert (row.gap_closed, row.gap_closed_low, row.gap_closed_high) == (None, None, None)
    assert thresholds_text([row]).cells[0][-2:] == ["–", "–"]  # noqa: RUF001 - the dash of empty cells


def test_the_reference_is_the_same_method_without_privacy_or_fedavg(tmp_path):
    write_study(tmp_path)
    write_method(tmp_path, "fedavg_long", 0.95, rounds=9)
    write_method(tmp_path, "dp_fl_long", 0.7, 1.0, rounds=9)
    write_method(tmp_path, "adp_fl_long", 0.75, "raw", rounds=9)
    write_method(tmp_path, "dp_fl_longer", 0.7, 1.0, rounds=10)
    write_method(tmp_path, "adp_fl_longer", 0.75, "raw", rounds=10)
    table = table_of(tmp_path)
    dice = {row.label: row.mean for row in table.rows}
    found = {(row.adaptive, row.fixed): row for row in table.thresholds}
    expected = {"adp_fl_long": "fedavg_long", "adp_fl_longer": "fedavg"}
    for adaptive, reference in expected.items():
        row = found[adaptive, adaptive.replace("adp", "dp")]
        assert row.reference == reference
        assert row.gap == dice[reference] - dice[row.fixed]
    assert len(found) == 5


@pytest.mark.parametrize("missing", ["fedavg", "adp_fl"])
def test_without_a_reference_or_an_adaptive_method_there_is_nothing(tmp_path, missing):
    for method, level, threshold in (("fedavg", 0.9, None), ("dp_fl", 0.8, 1.0), ("adp_fl", 0.85, "raw")):
        if method != missing:
            write_method(tmp_path, method, level, threshold)
    table = table_of(tmp_path)
    assert table.thresholds == ()
    assert draw_thresholds(table) == {}
    assert "#### What adaptivity wins back" not in to_markdown([table], [])


def test_records_without_a_threshold_in_their_configuration_are_left_alone(tmp_path):
    write_method(tmp_path, "fedavg", 0.9)
    write_run(tmp_path / "old", "dp_fl", [case_row(f"case{i}", 0.7) for i in range(PATIENTS)], privacy=private())
    assert table_of(tmp_path).thresholds == ()


def test_csv_gives_back_the_rows(table):
    rows = list(csv.DictReader(io.StringIO(csv_files([table])["thresholds.csv"])))
    assert list(rows[0]) == [name for name in ThresholdRow.__dataclass_fields__]
    assert [float(row["gap_closed_low"]) for row in rows] == [row.gap_closed_low for row in table.thresholds]


def test_text_names_thresholds_and_shares(table):
    markdown = to_markdown([table], [])
    lines = markdown.split("#### What adaptivity wins back, region lesion")[1].splitlines()[2:7]
    assert (
        lines[0]
        == "| Adaptive | Dice % | Fixed | C | Dice % | Reference | Dice % | Gap | Gap closed % | 95 % interval |"
    )
    row = table.thresholds[2]
    assert lines[4].startswith(
        f"| adp_fl | {100 * row.adaptive_dice:.2f} | dp_fl_c5 | 5 | {100 * row.fixed_dice:.2f} |"
    )
    assert lines[4].endswith(f"| {100 * row.gap_closed_low:.0f} to {100 * row.gap_closed_high:.0f} |")


def test_plot_has_the_fixed_thresholds_the_levels_and_the_norms(table):
    (plot,) = draw_thresholds(table).values()
    axis = plot.figure.axes[0]
    upper, adaptive, fixed = axis.get_lines()
    assert fixed.get_xdata().tolist() == [0.5, 1.0, 5.0]
    assert fixed.get_ydata() == pytest.approx([100 * row.fixed_dice for row in table.thresholds])
    assert np.unique(upper.get_ydata()) == pytest.approx([100 * table.thresholds[0].reference_dice])
    assert np.unique(adaptive.get_ydata()) == pytest.approx([100 * table.thresholds[0].adaptive_dice])
    assert axis.get_xscale() == "log"
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["0.5", "1", "5"]
    norms = axis.patches[0].get_extents().transformed(axis.transData.inverted())
    assert (norms.x0, norms.x1) == pytest.approx((0.3, 0.9))
    for words in ("at C = 0.5", "fedavg", "adp_fl", "Gradient norms lie between 0.3 and 0.9"):
        assert words in plot.alt
    assert "Shaded" in plot.caption


def test_plot_without_recorded_norms_shades_nothing(tmp_path):
    write_method(tmp_path, "fedavg", 0.9)
    write_method(tmp_path, "dp_fl", 0.8, 1.0, norms=False)
    write_method(tmp_path, "dp_fl_c5", 0.7, 5.0, norms=False)
    write_method(tmp_path, "adp_fl", 0.85, "raw", norms=False)
    (plot,) = draw_thresholds(table_of(tmp_path)).values()
    assert "Shaded" not in plot.caption
    assert "Gradient norms" not in plot.alt


def test_one_fixed_threshold_shows_no_dependence(tmp_path):
    write_method(tmp_path, "fedavg", 0.9)
    write_method(tmp_path, "dp_fl", 0.8, 1.0)
    write_method(tmp_path, "adp_fl", 0.85, "raw")
    table = table_of(tmp_path)
    assert len(table.thresholds) == 1
    assert draw_thresholds(table) == {}
