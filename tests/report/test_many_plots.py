"""Plots of many methods and of many clients: the leading ones by name, the others as what they amount to."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.groups import MOST_SHOWN
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.report.board import illustrate
from adpfl_bench.report.client_plot import draw_clients
from adpfl_bench.report.curves import draw_curves
from adpfl_bench.report.noise_plot import draw_noise
from adpfl_bench.report.patient_plot import draw_patients
from adpfl_bench.report.privacy_utility_plot import draw_privacy_utility
from tests.leaderboard.records import case_row, private, write_run

PLAIN, PRIVATE = 20, 15
NOTE = "28 of 38 methods are shown"
LAST = RoundRow(3, "all", "learning_rate", 0.1)  # a record of three rounds has a line of each


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """Three references, 20 methods without privacy and 15 with; the later ones score lower."""
    root = tmp_path_factory.mktemp("many")
    methods = [("fedavg", 0.9, None), ("local", 0.5, None), ("dp_fl", 0.1, 3.0)]
    methods += [(f"plain{number:02d}", 0.8 - number / 100, None) for number in range(PLAIN)]
    methods += [(f"private{number:02d}", 0.4 - number / 100, 1.0 + number) for number in range(PRIVATE)]
    for method, dice, epsilon in methods:
        privacy = {} if epsilon is None else {"privacy": private(epsilon)}
        run = write_run(root / method, method, {"a1": dice, "b": dice / 2}, **privacy)
        rows = [RoundRow(number, "all", "val_dice", dice * number) for number in (1, 2)]
        if epsilon is not None:
            rows += [RoundRow(n, c, "clipping_threshold", dice * n) for n in (1, 2) for c in ("north", "south")]
        RunDirectory(run).append_rounds([*rows, LAST])
    (found,), *_ = compare_runs(find_runs([root]))
    return found


@pytest.fixture(scope="module")
def table(group):
    (found,) = tabulate(group)
    return found


def legend_of(plot):
    return [text.get_text() for text in plot.figure.legends[0].get_texts()]


def test_the_references_and_the_best_of_both_kinds_are_shown(group):
    labels = [variant.label for variant in group.shown]
    assert len(labels) == MOST_SHOWN
    assert labels == [label for label in (v.label for v in group.ordered) if label in labels]
    assert {"fedavg", "local", "dp_fl"} <= set(labels)
    assert {label for label in labels if label.startswith("private")} == {f"private{n:02d}" for n in range(12)}
    assert {label for label in labels if label.startswith("plain")} == {f"plain{n:02d}" for n in range(13)}
    assert list(group.places.values()) == list(range(MOST_SHOWN))
    assert NOTE in group.shown_note


@pytest.mark.parametrize(("few", "many"), [("private", "plain"), ("plain", "private")])
def test_few_methods_of_one_kind_leave_their_places_to_the_other(group, few, many):
    references = [v for v in group.variants if not v.label.startswith((few, many))]
    those = [v for v in group.variants if v.label.startswith(few)][:2]
    others = [v for v in group.variants if v.label.startswith(many)]
    renamed = [replace(v, label=f"again {v.label}") for v in others]
    shown = replace(group, variants=(*references, *those, *others, *renamed)).shown
    assert len(shown) == MOST_SHOWN
    assert [v for v in shown if v in those] == those
    assert sum(many in v.label for v in shown) == MOST_SHOWN - 3 - 2


def test_so_many_methods_as_have_a_style_are_all_shown(group):
    fewer = replace(group, variants=group.variants[:MOST_SHOWN])
    assert fewer.shown == fewer.ordered
    assert fewer.shown_note == ""


def test_curves_name_the_shown_methods_and_have_a_band_for_the_others(group):
    plot = draw_curves(group)["val-dice"]
    ends = {line.get_label(): line.get_ydata()[-1] for line in plot.figure.axes[0].get_lines()}
    assert legend_of(plot) == [*sorted(group.places, key=lambda label: -ends[label]), "10 other methods"]
    (band,) = plot.figure.axes[0].collections
    others = [0.4 - n / 100 for n in range(12, 15)] + [0.8 - n / 100 for n in range(13, 20)]
    edges = band.get_paths()[0].vertices
    assert edges[:, 1].min() == pytest.approx(100 * min(others))
    assert edges[:, 1].max() == pytest.approx(200 * max(others))
    assert NOTE in plot.caption
    assert "lowest to the highest run of the others" in plot.caption


def test_noise_of_many_methods_is_one_plot(group):
    ((name, plot),) = draw_noise(group).items()
    assert name == "noise"
    shown = [label for label in group.places if label.startswith(("private", "dp_fl"))]
    assert legend_of(plot) == shown
    drawn = {line.get_label(): line.get_ydata().tolist() for line in plot.figure.axes[0].get_lines()}
    assert drawn["private03"] == pytest.approx([0.37, 0.74])
    assert NOTE in plot.caption


def test_points_of_other_methods_are_grey_and_without_names(table):
    (plot,) = draw_privacy_utility(table).values()
    labels = legend_of(plot)
    assert labels[-1] == "10 other methods"
    assert set(labels[:-1]) == set(table.group.places)
    points = [line for axis in plot.figure.axes for line in axis.get_lines() if line.get_marker() not in ("", "None")]
    assert len(points) == 38
    assert "private14" not in plot.alt


def test_patients_and_clients_of_the_shown_methods_are_drawn(table):
    for plot in (draw_patients(table), draw_clients(table)):
        assert NOTE in plot.caption
        assert "plain19" not in plot.alt
        assert "plain12" in plot.alt
    assert len(draw_patients(table).figure.axes[0].get_yticks()) == MOST_SHOWN


def test_a_group_is_drawn_whatever_the_number_of_its_methods(group, table):
    drawn = illustrate(group, [table], cases=False)
    assert [name for name in drawn.files() if name.startswith("noise")] == ["noise.png"]
    assert all(not hasattr(plot, "figure") for plots in drawn.sections.values() for plot in plots.values())


def test_many_clients_are_a_distribution_and_a_range(tmp_path):
    clients = [f"client-{number:03d}" for number in range(70)]
    rows = [replace(case_row(f"c{place}", place / 100), client=client) for place, client in enumerate(clients)]
    run = write_run(tmp_path / "run", "adp_fl", rows, privacy=private(None))
    noise = [RoundRow(n, c, "clipping_threshold", n + p) for n in (1, 2) for p, c in enumerate(clients)]
    RunDirectory(run).append_rounds([*noise, LAST])
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    (table,) = tabulate(group)
    plot = draw_clients(table)
    assert [label.get_text() for label in plot.figure.axes[0].get_yticklabels()] == ["adp_fl"]
    rain = plot.figure.axes[0].get_lines()[-1].get_xdata()
    assert rain[~np.isnan(rain)][::2].tolist() == pytest.approx(list(range(70)))
    (threshold,) = draw_noise(group).values()
    assert legend_of(threshold) == ["mean and range of 70 clients"]
    (line,) = threshold.figure.axes[0].get_lines()
    assert line.get_ydata().tolist() == [1 + 34.5, 2 + 34.5]
    assert "ends between 2 (client-000) and 71 (client-069)" in threshold.alt


def test_every_patient_is_a_dot_in_the_png_too(tmp_path):
    """Short segments must not be snapped to nothing."""
    write_run(tmp_path / "run", "fedavg", {f"p{number:03d}": 0.05 + number / 150 for number in range(100)})
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    (table,) = tabulate(group)
    plot = draw_patients(table)
    with Image.open(io.BytesIO(plot.png)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    (height,) = plot.figure.axes[0].transData.transform([(0, 0.2)])[:, 1]
    rain = pixels[len(pixels) - int(height) :]
    coloured = np.flatnonzero((rain.max(axis=2) - rain.min(axis=2) > 60).any(axis=0))
    assert len(coloured) > 200  # 100 dots over two thirds of the width
