"""The text of a task file means what was planned, whatever the names in it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adpfl_bench.cli.task_text import task_text
from adpfl_bench.config.yaml_text import parse_yaml
from adpfl_bench.planning.planned_setting import PlannedSetting, section, sections

TEXT = st.text(min_size=1, max_size=20)
TRICKY = ["1e3", "yes", "010", "a: b", "# no", "- x", "null", "1:30", "{a}", "'", '"', " x ", "é"]


@example(name="x", comment="", value=["\x85", "a\u2028b"])
@given(name=TEXT, comment=st.text(max_size=300), value=st.lists(st.one_of(TEXT, st.integers(), st.booleans())))
def test_it_reads_back_as_what_was_planned(name, comment, value):
    text = task_text([comment], [section("data", PlannedSetting("x", value, comment), sections("y", {"z": name}))])
    assert parse_yaml(text) == {"data": {"x": value, "y": {"z": name}}}


@pytest.mark.parametrize("name", TRICKY)
def test_names_that_look_like_something_else_stay_names(name):
    text = task_text([], [PlannedSetting("task", name, name), PlannedSetting("labels", {name: 1})])
    assert parse_yaml(text) == {"task": name, "labels": {name: 1}}


def test_comments_stand_above_and_lines_are_short():
    text = task_text(["first", "second"], [section("a", PlannedSetting("b", 1, "why " * 60), comment="of a")])
    lines = text.splitlines()
    assert lines[:3] == ["# first", "# second", "# of a"]
    assert lines[3] == "a:"
    assert lines[4].startswith("  # why why")
    assert lines[-1] == "  b: 1"
    assert max(map(len, lines)) <= 120
