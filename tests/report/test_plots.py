"""Plots of a group: what they show, in words and in drawn coordinates."""

import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.digests import config_sha256
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.report.board import illustrate
from adpfl_bench.report.noise_plot import draw_noise
from adpfl_bench.report.patient_plot import draw_patients
from adpfl_bench.report.plot import Plot, new_figure, place_legend, plot_style
from adpfl_bench.report.plot_colours import FAINT, INK, PALETTE, PAPER, method_style
from adpfl_bench.report.privacy_utility_plot import draw_privacy_utility
from tests.leaderboard.records import by_target, case_row, private, toy_runs, write_rounds, write_run


def tables_of(root):
    groups, *_ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)]


def table_of(root):
    (table,) = tables_of(root)
    return table


def lines(plot, axis=0):
    """Coordinates and colour of each line of an axis."""
    return [(np.asarray(line.get_xydata()), line.get_color()) for line in plot.figure.axes[axis].get_lines()]


def bars(plot, axis=0):
    """Ends of each upright or level bar of an axis."""
    return [segment for bar in plot.figure.axes[axis].collections for segment in getattr(bar, "get_segments", list)()]


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_plot_is_the_same_drawing_twice(tmp_path):
    figures = []
    for _ in range(2):
        plot = draw_patients(table_of(toy_runs(tmp_path)))
        figures.append((plot.png, plot.svg("a")))
    assert figures[0] == figures[1]
    with Image.open(io.BytesIO(figures[0][0])) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_svg_takes_its_colours_from_the_page_and_its_ids_from_its_name():
    with plot_style():
        figure = Figure()
        axis = figure.subplots()
        for index, colour in enumerate(PALETTE):
            axis.plot([0, 1], [index, index], "o-", color=colour)
        axis.set_title("<&> $x^2$")
    svg = Plot(figure, 'alt "<&>"', "caption").svg("name")
    assert svg.startswith('<svg class="plot" role="img" aria-label="alt &quot;&lt;&amp;&gt;&quot;"')
    for variable in ("--ink", *(f"--series-{number}" for number in range(1, len(PALETTE) + 1))):
        assert f"var({variable})" in svg
    assert INK not in svg
    assert "&lt;&amp;&gt; $x^2$" in texts(svg)
    ids = re.findall(r'\bid="([^"]*)"', svg)
    assert all(identity.startswith("name-") for identity in ids)
    references = set(re.findall(r"url\(#([^)]*)\)", svg) + re.findall(r'href="#([^"]*)"', svg))
    assert references
    assert references <= set(ids)
    assert not re.search(r"https?:|<\?xml|<!DOCTYPE|metadata", svg)


def test_each_of_many_methods_has_a_style_of_its_own():
    styles = [method_style(index) for index in range(28)]
    assert len({(colour, style) for colour, style, _ in styles}) == 28
    assert len({(colour, marker) for colour, _, marker in styles}) == 28


@pytest.mark.parametrize("length", [3, 20, 60])
def test_a_legend_stands_beside_a_drawing_that_keeps_its_size(length):
    with new_figure(2.0) as figure:
        axis = figure.subplots()
        handles = [axis.plot([0, 1], [0, n], label=f"{n:0{length}d}")[0] for n in range(25)]
        place_legend(figure, handles)
    plot = Plot(figure, "alt", "caption")
    page = plot.svg("name")
    inside = axis.get_position().width * 4.8
    assert plot.png
    with Image.open(io.BytesIO(plot.png)) as image:
        wide, high = (side / 130 for side in image.size)
    assert wide > 4.8 + 0.05 * length
    assert high > 25 * 8 / 72  # as many lines of letters of 8 points
    assert "0" * length not in page.split(">", 1)[1]
    assert float(re.search(r'viewBox="0 0 ([0-9.]+) ', page)[1]) == pytest.approx(4.8 * 72)
    assert inside > 4.0
    assert figure.get_size_inches().tolist() == [4.8, 2.0]
    assert [entry.label for entry in plot.key] == [f"{n:0{length}d}" for n in range(25)]


def test_a_key_looks_like_what_it_names():
    with new_figure(2.0) as figure:
        axis = figure.subplots()
        (line,) = axis.plot([0, 1], [0, 1], "--", color=PALETTE[1], label="dashed")
        (dot,) = axis.plot([0], [0], "s", color=PALETTE[2], markerfacecolor=PAPER, label="hollow")
        band = axis.fill_between([0, 1], 0, 1, color=FAINT, alpha=0.2, label="<others>")
        place_legend(figure, [line, dot, band])
    dashed, hollow, others = Plot(figure, "alt", "caption").key
    assert "stroke-dasharray" in dashed.swatch
    assert "var(--series-2)" in dashed.swatch
    assert 'fill="var(--paper)" stroke="var(--series-3)"' in hollow.swatch
    assert "stroke-dasharray" not in hollow.swatch
    assert 'fill="var(--faint)" fill-opacity="0.2"' in others.swatch
    assert others.label == "<others>"
    with new_figure(2.0) as bare:
        bare.subplots()
    assert Plot(bare, "alt", "caption").key == []


def test_patients_are_drawn_with_quartiles_and_means(tmp_path):
    dice = {f"p{number:02d}": 0.5 + 0.02 * number for number in range(21)}
    for seed, shift in enumerate((0.0, 0.04)):
        write_run(tmp_path / f"{seed}", "fedavg", {case: value + shift for case, value in dice.items()}, seed)
    plot = draw_patients(table_of(tmp_path))
    assert "Dice of 21 patients by method, region lesion" in plot.alt
    assert "fedavg 72.0 % (62.0 to 82.0)" in plot.alt  # the seeds' mean shifts by 2 points
    mean, rain = lines(plot)
    assert mean[0][0, 0] == pytest.approx(72.0)
    shown = rain[0][~np.isnan(rain[0][:, 0]), 0]
    assert len(shown) == 2 * 21
    assert sorted(shown[::2]) == pytest.approx([100 * (value + 0.02) for value in dice.values()])
    assert any(np.allclose(bar[:, 0], [52, 92]) for bar in bars(plot))  # whiskers
    assert "each dot is one patient" in plot.caption


def test_of_very_many_patients_some_are_dots(tmp_path):
    write_run(tmp_path / "run", "fedavg", [case_row(f"p{number:04d}", number / 1000) for number in range(1000)])
    plot = draw_patients(table_of(tmp_path))
    assert "dots are 250 of 1000 patients" in plot.caption
    assert np.count_nonzero(~np.isnan(lines(plot)[1][0][:, 0])) == 2 * 250


def test_patients_of_two_cases_are_averaged(tmp_path):
    plot = draw_patients(table_of(toy_runs(tmp_path)))
    assert "Dice of 2 patients" in plot.alt


def test_no_patients_are_drawn_where_dice_cannot_be_compared(tmp_path):
    write_run(tmp_path / "run", "fedavg", [case_row("b", None)])
    assert draw_patients(table_of(tmp_path)) is None


def privacy_runs(root):
    """A curve of three budgets, another unit, a method without a proof and one that is not private."""
    for epsilon, dice in {1.0: 0.6, 4.0: 0.7, 8.0: 0.72}.items():
        block = {**by_target(), "target_epsilon": epsilon}
        block["accounted"] = {**block["accounted"], "epsilon": epsilon}
        dice_by_case = {"a1": dice, "b": dice, "c": dice - 0.1}
        run = write_run(root / f"{epsilon}", "quantile", dice_by_case, privacy=block)
        record = RunDirectory(run).read_record()
        record.config["privacy"]["target_epsilon"] = epsilon
        record.config["model"]["init_args"] = {"optimizer": {"init_args": {"lr": 0.1 / epsilon}}}  # tuned to it
        record.config_sha256 = config_sha256(record.config)
        RunDirectory(run).write_record(record)
    for method, block in {"batch": private(3.0), "raw": private(None), "fedavg": None}.items():
        write_run(root / method, method, {"a1": 0.8, "b": 0.8, "c": 0.7}, **({"privacy": block} if block else {}))
    return root


def test_dice_against_epsilon_has_a_plot_for_each_unit_and_sets_apart_what_has_no_guarantee(tmp_path):
    plots = draw_privacy_utility(table_of(privacy_runs(tmp_path)))
    by_unit = {plot.title.split(", ")[1]: plot for plot in plots.values()}
    assert set(by_unit) == {"unit record", "unit batch"}
    plot = by_unit["unit record"]
    curve, *points = lines(plot)
    assert curve[0][:, 0].tolist() == [1.0, 4.0, 8.0]
    assert curve[0][:, 1] == pytest.approx([100 * (d - 0.1 / 3) for d in (0.6, 0.7, 0.72)])
    assert sorted(float(point[0][0, 0]) for point in points) == pytest.approx([1.0, 4.0, 8.0])
    assert plot.figure.axes[0].get_xscale() == "log"
    assert plot.figure.axes[0].get_xlabel() == "Accounted epsilon at delta 0.0001"
    assert [text.get_text() for text in plot.figure.axes[1].get_xticklabels()] == ["no\nproof", "not\nprivate"]
    assert len(lines(plot, axis=1)) == 2
    for words in ("at epsilon 8", "raw 76.7 %, private without a proof", "fedavg 76.7 %, not private"):
        assert words in plot.alt
    assert "batch" not in plot.alt.split("region")[1]


def test_methods_at_one_epsilon_stand_side_by_side(tmp_path):
    for method in ("one", "two", "three"):
        write_run(tmp_path / method, method, {"a1": 0.8, "b": 0.6}, privacy=private(8.0))
    (plot,) = draw_privacy_utility(table_of(tmp_path)).values()
    places = sorted(float(points[0, 0]) for points, _ in lines(plot))
    assert places[0] < places[1] < places[2]
    assert places[1] == pytest.approx(8.0)
    assert places[2] / places[0] < 1.25
    assert len(plot.figure.axes) == 1


def test_without_an_accounted_epsilon_there_is_nothing_to_draw_it_against(tmp_path):
    write_run(tmp_path / "a", "raw", {"b": 0.5}, privacy=private(None))
    write_run(tmp_path / "b", "fedavg", {"b": 0.5})
    assert draw_privacy_utility(table_of(tmp_path)) == {}


def noise_of(root):
    (group,), *_ = compare_runs(find_runs([root]))
    return draw_noise(group)


def test_thresholds_and_noise_are_drawn_for_each_client(tmp_path):
    run = write_run(tmp_path / "run", "adp_fl", {"b": 0.5}, privacy=private(None))
    write_run(tmp_path / "other", "fedavg", {"b": 0.5})
    write_rounds(run, thresholds=True)
    (plot,) = noise_of(tmp_path).values()
    assert [axis.get_title(loc="left") for axis in plot.figure.axes] == ["Clipping threshold", "Noise scale"]
    north, south = lines(plot)
    assert north[0].tolist() == [[1, 1], [2, 2], [3, 3]]
    assert south[0].tolist() == [[1, 2], [2, 3], [3, 4]]
    assert north[1] == south[1] == PALETTE[1]  # the method's colour: fedavg comes first
    styles = {line.get_linestyle() for line in plot.figure.axes[0].get_lines()}
    assert len(styles) == 2
    assert lines(plot, axis=1)[1][0].tolist() == [[1, 0.5], [2, 0.75], [3, 1.0]]
    assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == ["north", "south"]
    assert "Clipping threshold ends between 3 (north) and 4 (south). Noise scale ends between 0.75" in plot.alt


def test_clients_that_are_alike_are_one_line(tmp_path):
    run = write_run(tmp_path / "run", "dp_fl", {"b": 0.5}, privacy=private())
    rows = [RoundRow(r, client, "clipping_threshold", 0.75 / r) for r in (1, 2, 3) for client in ("a", "b", "c")]
    RunDirectory(run).append_rounds(rows)
    (plot,) = noise_of(tmp_path).values()
    assert len(lines(plot)) == 1
    assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == ["each of the 3 clients"]
    assert "Clipping threshold ends at 0.25 for every client." in plot.alt
    assert len(plot.figure.axes) == 1


def test_many_clients_are_thin_lines(tmp_path):
    run = write_run(tmp_path / "run", "adp_fl", {"b": 0.5}, privacy=private(None))
    write_rounds(run, clients=[f"client-{number:02d}" for number in range(23)], thresholds=True)
    (plot,) = noise_of(tmp_path).values()
    assert len(lines(plot)) == 23
    assert len({colour for _, colour in lines(plot)}) == 1
    assert [text.get_text() for text in plot.figure.legends[0].get_texts()] == ["each of 23 clients"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("step", "expected"), [(10.0, {"0.1", "0.01", "0.001"}), (3.0, {"0.05", "0.1", "0.2"})], ids=["decades", "one"]
)
def test_thresholds_far_apart_have_a_logarithmic_axis_of_plain_numbers(tmp_path, step, expected):
    run = write_run(tmp_path / "run", "adp_fl", {"b": 0.5}, privacy=private(None))
    RunDirectory(run).append_rounds([RoundRow(r, "a", "clipping_threshold", step**-r) for r in (1, 2, 3)])
    (plot,) = noise_of(tmp_path).values()
    axis = plot.figure.axes[0]
    assert axis.get_yscale() == "log"
    assert plot.png
    labels = {label.get_text() for label in (*axis.get_yticklabels(), *axis.get_yticklabels(minor=True))} - {""}
    assert expected <= labels
    assert all(float(label) > 0 for label in labels)


def test_names_are_never_read_as_mathematics_or_markup(tmp_path):
    evil = "$\\frac{$ <b>&_"
    run = write_run(tmp_path / "run", evil, {"a1": 0.5, "b": 0.6}, privacy=private(3.0), task=evil)
    write_rounds(run, clients=["$x^$ <i>"], thresholds=True)
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    illustrations = illustrate(group, tabulate(group))
    assert len(illustrations.sections) == 5
    for plots in illustrations.sections.values():
        for plot in plots.values():
            assert plot.png
            assert "<b>" not in plot.svg("x")
            assert "<i>" not in plot.svg("x")


def test_every_region_has_plots_of_its_own(tmp_path):
    rows = [case_row(case, 0.5, region) for case in ("a1", "b") for region in ("core", "whole")]
    write_run(tmp_path / "run", "fedavg", rows, privacy=private(3.0))
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    files = illustrate(group, tabulate(group)).files()
    assert set(files) == {f"{name}-{n}.png" for name in ("patients", "privacy-1", "clients") for n in (1, 2)}
