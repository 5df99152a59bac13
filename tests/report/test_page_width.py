"""What fills the width of a task's page: tall plots in pieces, a key for several, a table for what never moves."""

import re
from dataclasses import replace

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.report.board import illustrate
from adpfl_bench.report.client_plot import draw_clients
from adpfl_bench.report.page import to_html
from adpfl_bench.report.patient_plot import draw_patients
from tests.leaderboard.records import case_row, private, write_run


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_what_never_moves_is_a_number_in_a_table_instead_of_a_flat_plot(tmp_path):
    fixed = write_run(tmp_path / "fixed", "dp_fl", {"b": 0.5}, privacy=private())
    moving = write_run(tmp_path / "moving", "adp_fl", {"b": 0.5}, privacy=private(None))
    write_run(tmp_path / "plain", "fedavg", {"b": 0.5})
    for run, thresholds in {fixed: (0.5, 0.5, 0.5), moving: (0.25, 4.0, 1.0)}.items():
        factors = {"clipping_threshold": 1.0, "noise_scale": 0.0 if run == moving else 0.01}
        numbered = list(enumerate(thresholds, 1))
        rows = [RoundRow(r, c, name, factors[name] * value) for r, value in numbered for c in "ab" for name in factors]
        RunDirectory(run).append_rounds(rows)
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    drawn = illustrate(group, tabulate(group), png=False)
    (plot,) = drawn.sections["Clipping and noise"].values()
    assert plot.title == "adp_fl"
    assert "Clipping threshold" in texts(plot.svg("x"))
    assert "Noise scale" not in texts(plot.svg("x"))
    table = drawn.facts["Clipping and noise"]
    assert table.cells == [["dp_fl", "0.5", "0.005"], ["adp_fl", "0.25 to 4", "0"]]


def test_a_section_whose_methods_are_all_fixed_is_its_table(tmp_path):
    run = write_run(tmp_path / "run", "dp_fl", {"b": 0.5}, privacy=private())
    RunDirectory(run).append_rounds([RoundRow(r, "a", "clipping_threshold", 2.0) for r in (1, 2, 3)])
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    tables = tabulate(group)
    drawn = illustrate(group, tables, png=False)
    assert not drawn.sections["Clipping and noise"]
    page = to_html(tables, [], {group.slug: drawn})
    assert re.search(r">2</td>", page.split("Clipping and noise of each private method")[1])


@pytest.mark.parametrize(("regions", "methods", "pieces"), [(1, 4, 0), (1, 10, 2), (1, 16, 3), (2, 10, 0)])
def test_a_tall_plot_that_stands_alone_is_in_pieces_for_the_page(tmp_path, regions, methods, pieces):
    for method in range(methods):
        rows = [case_row(c, 0.5 + method / 50, f"r{n}") for c in ("a1", "b") for n in range(regions)]
        write_run(tmp_path / f"{method}", f"m{method:02d}", rows)
    table = tabulate(compare_runs(find_runs([tmp_path]))[0][0])[0]
    plot = draw_patients(table)
    assert len(plot.pieces) == pieces
    assert len({piece.figure.axes[0].get_xlim() for piece in plot.pieces}) <= 1
    rows = [label.get_text() for piece in plot.pieces for label in piece.figure.axes[0].get_yticklabels()]
    assert rows in ([], [row.label for row in table.rows])
    assert [label.get_text() for label in plot.figure.axes[0].get_yticklabels()] == [row.label for row in table.rows]


def test_pieces_of_clients_share_axis_and_key_which_the_page_shows_once(tmp_path):
    clients = ("east", "north", "south", "west")
    for method in range(14):
        rows = [replace(case_row(c, 0.1 * n + method / 50), client=c) for n, c in enumerate(clients, 1)]
        write_run(tmp_path / f"{method}", f"m{method:02d}", rows)
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    tables = tabulate(group)
    first, second = draw_clients(tables[0]).pieces
    assert first.figure.axes[0].get_xlim() == second.figure.axes[0].get_xlim()
    assert [label.get_text() for label in second.figure.axes[0].get_yticklabels()] == ["south", "west"]
    assert "east" in first.alt
    assert "east" not in second.alt
    assert second.title == "Clients, region lesion, clients 3 to 4 of 4"
    page = to_html(tables, [], {group.slug: illustrate(group, tables, png=False)})
    section = page.split("<h3>Clients</h3>")[1].split("</details>")[0]
    assert section.count('<svg class="plot"') == 2
    assert section.count('<ul class="key">') == 1
    assert section.count("Mean Dice on a client") == 1
