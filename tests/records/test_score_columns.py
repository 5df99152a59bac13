"""Scores by columns say what they say line by line, and their means are those of the lines."""

import csv
import io
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import RecordError
from adpfl_bench.metrics.registry import DICE, HD95, Metric
from adpfl_bench.records.csv_columns import CsvColumns
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.score_columns import ScoreColumns, join_scores, parse_scores
from adpfl_bench.records.score_means import grouped_means, mean_over_models, mean_score, means_by
from adpfl_bench.records.text_column import TextColumn, join_texts
from tests.leaderboard.records import case_row

ROWS = [
    *(case_row("a1", 0.5), case_row("a1", 0.25, model="north"), case_row("b", 0.75, hd95=None)),
    *(case_row("c", 0.125, region="core"), case_row("c", 0.0, split="validation", missed=None)),
]
texts = st.lists(st.sampled_from(["a", "b", "north", ""]), max_size=9)
scores = st.lists(st.builds(case_row, st.sampled_from("abcd"), st.floats(0, 1), model=st.sampled_from("xyz")))


def test_columns_are_the_rows():
    columns = ScoreColumns.of(ROWS)
    assert list(columns) == ROWS
    assert [columns[row] for row in range(-5, 5)] == ROWS + ROWS
    assert list(columns.take(columns.case.equals("a1"))) == ROWS[:2]
    assert list(columns.of_region("core")) == ROWS[3:4]
    assert list(columns.take(np.array([4, 0]))) == [ROWS[4], ROWS[0]]
    assert list(join_scores([columns, ScoreColumns.of(ROWS[:1])])) == [*ROWS, ROWS[0]]


def test_a_missing_score_is_not_a_number_and_its_cell_is_empty():
    columns = ScoreColumns.of(ROWS)
    assert np.isnan(columns.by(HD95)).tolist() == columns.empty["hd95"].tolist() == [False, False, True, False, False]
    assert columns.missed.tolist() == [0, 0, 0, 0, -1]
    assert np.isnan(columns.by(Metric(name="other", title="Other", description=""))).all()


def test_a_cell_that_says_nan_is_told_from_an_empty_one(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.write_cases([case_row("a1", 0.5, hd95=float("nan")), case_row("b", 0.5, hd95=None)])
    columns = directory.read_scores()
    assert np.isnan(columns.values["hd95"]).all()
    assert columns.empty["hd95"].tolist() == [False, True]


def test_keys_tell_rows_apart_and_show_those_that_are_there_twice():
    columns = ScoreColumns.of(ROWS)
    assert len(np.unique(columns.keys())) == len(ROWS)
    assert len(np.unique(columns.pairs())) == 4
    assert len(np.unique(ScoreColumns.of([*ROWS, replace(ROWS[1], values={})]).keys())) == len(ROWS)


def test_digest_and_scores_are_taken_of_the_same_bytes(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.write_cases(ROWS)
    content = directory.cases_content()
    assert content == directory.cases_file.read_bytes()
    assert list(parse_scores(content, directory.cases_file)) == directory.read_cases()


def test_a_file_of_more_rows_than_are_text_at_once(monkeypatch, tmp_path):
    directory = RunDirectory(tmp_path)
    directory.write_cases([case_row(f"case, {number}", number / 50, hd95=None) for number in range(50)])
    whole = directory.read_cases()
    monkeypatch.setattr("adpfl_bench.records.csv_columns._ROWS", 7)
    assert directory.read_cases() == whole
    assert len(whole) == 50


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "there is no line of headings"),
        ("\n", "there is no line of headings"),
        ("case,patient,client,split,region,dice,dice\n", "the column dice is there twice"),
        ("case,patient,client,split,region,dice,iou,hd95,hd95_unit,missed\n", "there is no column nsd"),
        ("{head}a,b,c,test,r,1,1,1,px,1,5,global\n", "missed should be 0, 1 or empty, but a line has 5"),
        ("{head}a,b,c,test,r,much,1,1,px,1,0,global\n", "could not convert string to float: 'much'"),
        ("{head}a,b,c,test,r,1,1,1,px,1,0\n", "a line has 11 cells, but there are 12 headings"),
        ("{head}a,b,c,test,r,1,1,1,px,1,0,global,more\n", "a line has 13 cells, but there are 12 headings"),
        ("{head}" + "a" * 200_000 + ",b,c,test,r,1,1,1,px,1,0,global\n", "line 2 is no line of a CSV file: fi"),
        (b"case\n\xff\n", "codec can't decode byte 0xff"),
    ],
)
def test_a_malformed_file_is_a_sentence(tmp_path, content, problem):
    head = "case,patient,client,split,region,dice,iou,hd95,hd95_unit,nsd,missed,model\n"
    found = content if isinstance(content, bytes) else content.replace("{head}", head).encode()
    with pytest.raises(RecordError, match=f"cases.csv cannot be read as a table of cases: .*{problem}"):
        parse_scores(found, tmp_path / "cases.csv")


@pytest.mark.parametrize("content", [b"a,b\n\n1,2\r\n\n", b"a,b\n1,2\n", b"a,b\n1,2", b'a,b\n"1","2"\n'])
def test_blank_lines_are_passed_over_and_other_ends_of_lines_are_read(content):
    (piece,) = CsvColumns(content).pieces()
    assert {name: list(cells) for name, cells in piece.items()} == {"a": ["1"], "b": ["2"]}


cells = st.text(st.sampled_from("ab,\"\n\r\0 é'"), max_size=4)


@given(rows=st.lists(st.lists(cells, min_size=2, max_size=3), min_size=1, max_size=5), end=st.sampled_from(["", "\n"]))
def test_columns_are_those_of_python_s_reader(rows, end):
    text = "\n".join(",".join(row) for row in [["x", "y"], *rows]) + end
    try:
        expected = [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
        sound = all(len(row) == 2 for row in expected)
    except csv.Error:
        sound = False
    if not sound:
        with pytest.raises(ValueError, match=r"a line has \d cells?, but|is no line of a CSV file"):
            list(CsvColumns(text.encode()).pieces())
        return
    found = [row for piece in CsvColumns(text.encode()).pieces() for row in zip(*piece.values(), strict=True)]
    assert found == [tuple(row) for row in expected]


@given(one=texts, other=texts)
def test_text_columns_against_lists(one, other):
    column, joined = TextColumn.of(one), join_texts([TextColumn.of(one), TextColumn.of(other)])
    assert column.texts() == [column[row] for row in range(len(column))] == one
    assert joined.texts() == one + other
    assert column.present() == list(dict.fromkeys(one))
    assert column.equals("a").tolist() == [text == "a" for text in one]
    assert column.is_in(["b", ""]).tolist() == [text in ("b", "") for text in one]
    theirs = TextColumn.of(other)
    assert [theirs.names[place] if place >= 0 else None for place in column.codes_in(theirs)] == [
        text if text in other else None for text in one
    ]
    assert [sorted(set(one))[rank] for rank in column.ranks()] == one
    kept = column.take(~column.equals("a"))
    assert (kept.texts(), kept.present()) == ([t for t in one if t != "a"], list(dict.fromkeys(kept.texts())))


def test_equal_names_of_two_files_are_one_object():
    one, other = (TextColumn.of([f"case {number}" for number in range(3)]) for _ in range(2))
    assert all(a is b for a, b in zip(one.names, other.names, strict=True))


@given(values=st.lists(st.tuples(st.integers(0, 5), st.floats(-1e6, 1e6)), max_size=200))
def test_grouped_means_have_the_bits_of_numpy_s_mean(values):
    groups, numbers = np.array([g for g, _ in values], dtype=int), np.array([v for _, v in values], dtype=float)
    found = grouped_means(numbers, groups, 6)
    for group in range(6):
        of_group = [value for place, value in values if place == group]
        assert found[group] == np.mean(of_group) if of_group else np.isnan(found[group])


@given(rows=scores)
def test_means_against_the_rows(rows):
    columns = ScoreColumns.of(rows)
    cases = list(dict.fromkeys(row.case for row in rows))
    dice = {case: [row.values["dice"] for row in rows if row.case == case] for case in cases}
    assert [(row.case, row.values["dice"]) for row in mean_over_models(columns)] == [
        (case, pytest.approx(fmean(found))) for case, found in dice.items()
    ]
    assert means_by(columns, columns.case, DICE) == {case: pytest.approx(fmean(dice[case])) for case in cases}
    assert mean_score(columns, DICE) == (pytest.approx(fmean(r.values["dice"] for r in rows)) if rows else None)


def test_a_group_that_lacks_a_score_or_mixes_units_has_no_mean():
    rows = [case_row("a1", 0.5), case_row("a2", 0.5), case_row("b", 0.5, hd95=None), case_row("c", 0.5)]
    columns = ScoreColumns.of(rows)
    assert means_by(columns, columns.client, HD95) == {"north": 5.0, "east": 5.0}
    mixed = ScoreColumns.of([*rows, case_row("a3", 0.5, distance_unit="mm")])
    assert means_by(mixed, mixed.client, HD95) == {"east": 5.0}
    assert means_by(mixed, mixed.client, DICE) == {"north": 0.5, "south": 0.5, "east": 0.5}
