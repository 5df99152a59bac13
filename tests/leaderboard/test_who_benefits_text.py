"""Who benefits as files, text and a picture."""

import csv
import io
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.statistics_text import clients_text, methods_and_clients_text, methods_text
from adpfl_bench.leaderboard.who_benefits import ClientRow
from adpfl_bench.report.client_plot import draw_clients
from adpfl_bench.report.page import to_html
from tests.leaderboard.federations import tables_of, write_federation
from tests.leaderboard.records import case_row, write_run


@pytest.fixture
def federation(tmp_path):
    write_federation(tmp_path)
    return tmp_path


def test_csv_gives_back_every_number_at_full_precision(federation):
    tables = tables_of(federation)
    lines = list(csv.DictReader(io.StringIO(csv_files(tables)["clients.csv"])))
    rows = [row for table in tables for row in table.benefits.clients]
    assert len(lines) == len(rows) == 2 * 18
    for line, row in zip(lines, rows, strict=True):
        for field in fields(ClientRow):
            value = getattr(row, field.name)
            assert (type(value)(line[field.name]) if line[field.name] else None) == value, field.name


def test_markdown_and_page_have_the_tables_and_what_they_mean(federation):
    tables = tables_of(federation)
    text = to_markdown(tables, [])
    page = " ".join(to_html(tables, [], {}).replace("&#39;", "'").replace("<wbr>", "").split())
    for table in tables:
        assert f"#### Who benefits, region {table.region}" in text
        assert f"<summary><h4>Who benefits, region {table.region}</h4></summary>" in page
        for cells in methods_and_clients_text(table.benefits).cells:
            assert f"| {' | '.join(cells)} |" in text
        for cells in [*methods_text(table.benefits).cells, *clients_text(table.benefits).cells]:
            assert f'<th scope="row">{cells[0]}</th>' in page
            assert f">{cells[3]}</td>" in page
    for words in ("local is not private: for private methods too", "global model that was trained beside"):
        assert words in text
        assert words in page


def test_each_method_has_a_cell_for_each_client(federation):
    benefits = tables_of(federation)[0].benefits
    text = methods_and_clients_text(benefits)
    width = len(methods_text(benefits).headings)
    clients = [heading.removeprefix("Own % of ") for heading in text.headings[width:]]
    assert clients == list(dict.fromkeys(row.client for row in benefits.clients))
    found = {
        (cells[0], client): cell for cells in text.cells for client, cell in zip(clients, cells[width:], strict=True)
    }
    own = {(cells[0], cells[1].removesuffix(" (held out)")): cells[4] for cells in clients_text(benefits).cells}
    held_out = {(row.label, row.client) for row in benefits.clients if row.role == "held out"}
    assert held_out
    for key, cell in found.items():
        assert cell == own.get(key, "–") + (" (held out)" if key in held_out else "")  # noqa: RUF001


def test_of_many_clients_the_tables_in_markdown_have_no_column_each(federation, monkeypatch):
    benefits = tables_of(federation)[0].benefits
    monkeypatch.setattr("adpfl_bench.leaderboard.statistics_text._FEW_CLIENTS", 2)
    assert methods_and_clients_text(benefits) == methods_text(benefits)


def test_names_are_escaped(tmp_path):
    federated = {"headline": "own"}
    rows = [replace(case_row("b", 0.5), client="a|b<i>", model=model) for model in ("a|b<i>", "global")]
    write_run(tmp_path / "m", "x|y<i>", rows, federated=federated)
    (table,) = tables_of(tmp_path)
    text = to_markdown([table], [])
    assert "| Own % of a\\|b\\<i> |" in text.replace("\\>", ">")
    assert "mean Dice of: x\\|y\\<i" in text
    assert "<i>" not in to_html([table], [], {})


BLUE, VERMILION, GREEN = (0, 114, 178), (213, 94, 0), (0, 158, 115)
GREY = (91, 101, 112)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)


def share(image, colour):
    return np.mean(np.abs(image - np.array(colour)).max(axis=-1) < 12)


def grey_lines(picture):
    """Number of grey uprights that are higher than letters are."""
    grey = np.abs(pixels(picture) - GREY).max(axis=-1) < 12
    high = grey.sum(axis=0) > 30
    return np.count_nonzero(high[1:] & ~high[:-1])


def test_picture_has_a_dot_per_method_and_a_line_for_training_alone(tmp_path):
    write_run(tmp_path / "c", "centralized", {"a1": 0.9, "b": 0.8})
    write_run(tmp_path / "f", "fedavg", {"a1": 0.9, "b": 0.5})
    (table,) = tables_of(tmp_path)
    without = draw_clients(table)
    upper = pixels(without)[: pixels(without).shape[0] // 2]
    assert min(share(upper, colour) for colour in (BLUE, VERMILION)) > 1e-4
    assert grey_lines(without) == 0
    assert "grey line" not in without.caption
    own = [case_row("a1", 0.5, model="north"), case_row("b", 0.75, model="south")]
    write_run(tmp_path / "l", "local", own, federated={"headline": "own"})
    (table,) = tables_of(tmp_path)
    picture = draw_clients(table)
    upper = pixels(picture)[: pixels(picture).shape[0] // 2]
    assert min(share(upper, colour) for colour in (BLUE, VERMILION, GREEN)) > 1e-4
    assert grey_lines(picture) == 2
    assert "grey line" in picture.caption
    assert "fedavg from 50.0 % (south) to 90.0 % (north)" in picture.alt
    assert "Hollow" not in picture.caption


def test_picture_marks_held_out_clients_and_colours_methods_alike_in_every_region(federation):
    lesion, core = (table for region in ("lesion", "core") for table in tables_of(federation) if table.region == region)
    plots = {table.region: draw_clients(table) for table in (lesion, core)}
    for region, plot in plots.items():
        assert "Hollow: the client took no part in training." in plot.caption
        assert f"region {region}:" in plot.alt
        assert share(pixels(plot), BLUE) > 1e-4
    legends = [re.findall(r"<text[^>]*>([a-z+]+)</text>", plot.svg(region)) for region, plot in plots.items()]
    assert legends[0] == legends[1]
    assert [row.label for row in lesion.rows] != [row.label for row in core.rows]
