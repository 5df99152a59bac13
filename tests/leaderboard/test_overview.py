"""All tasks side by side."""

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.overview import make_overviews
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.report.page import to_html
from tests.leaderboard.golden_runs import write_golden_runs
from tests.leaderboard.records import case_row, private, toy_runs, write_run

DASH = "–"  # noqa: RUF001 - the dash of empty cells


def tables_of(root):
    groups, *_ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("overview")
    write_golden_runs(root)
    return tables_of(root)


def test_cells_are_those_of_the_tables(tables):
    dice, patients, hd95 = make_overviews(tables)
    for place, table in enumerate(tables, 1):
        rows = {row.label: row for row in table.rows}
        for overview in (dice, patients, hd95):
            assert overview.text.headings[place] == f"toy {table.region} ({table.group.kind})"
        for line in dice.text.cells:
            if line[0] not in rows:
                assert line[place] == DASH
                continue
            row = rows[line[0]]
            assert line[place].split(" (")[0] == f"{100 * row.mean:.1f}"
            assert ("(" in line[place]) == (row.sd_seeds is not None)
        for line in patients.text.cells:
            assert line[place] == (f"{100 * rows[line[0]].sd_patients:.1f}" if line[0] in rows else DASH)
        for line in hd95.text.cells:
            assert line[place] == (f"{rows[line[0]].means['hd95']:.1f} mm" if line[0] in rows else DASH)


def test_every_method_has_one_line(tables):
    for overview in make_overviews(tables):
        labels = [line[0] for line in overview.text.cells]
        assert sorted(labels) == ["adp_fl", "dp_fl", "dp_fl_record", "fedavg", "local"]


def test_epsilon_is_what_a_proof_supports_on_all_tasks(tmp_path):
    for task, epsilon in (("one", 8.0), ("two", 900.0)):
        rows = [case_row("a1", 0.5), case_row("b", 0.6)]
        write_run(tmp_path / task / "dp", "dp", rows, privacy=private(epsilon), task=task)
        write_run(tmp_path / task / "half", "half", rows, privacy=private(8.0 if task == "one" else None), task=task)
        write_run(tmp_path / task / "fedavg", "fedavg", rows, task=task)
    dice = make_overviews(tables_of(tmp_path))[0].text
    assert dice.headings[-1] == "Epsilon accounted"
    assert {line[0]: line[-1] for line in dice.cells} == {
        "fedavg": "not private",
        "dp": "8 to 900 per batch",
        "half": "none",
    }


def test_test_sets_of_the_same_task_have_names_of_their_own(tmp_path):
    write_run(tmp_path / "one", "fedavg", [case_row("a1", 0.5), case_row("b", 0.6)])
    write_run(tmp_path / "two", "fedavg", [case_row("a1", 0.5), case_row("c", 0.6)])
    headings = make_overviews(tables_of(tmp_path))[0].text.headings[1:-1]
    assert len(set(headings)) == 2
    assert all(", test set " in heading for heading in headings)


def test_one_table_needs_no_overview(tmp_path):
    tables = tables_of(toy_runs(tmp_path))
    assert make_overviews(tables) == []
    assert "side by side" not in to_markdown(tables, [])
    assert "side by side" not in to_html(tables, [], {})


def test_page_and_text_begin_with_it(tables):
    markdown, page = to_markdown(tables, []), to_html(tables, [], {})
    assert markdown.index("## All tasks side by side") < markdown.index("## toy")
    assert page.index('<h3 id="overview"') < page.index('data-page id="toy')
    assert 'href="#overview"' in page
