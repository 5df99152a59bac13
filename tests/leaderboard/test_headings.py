"""Contents of a Markdown file: its links lead to its headings, by GitHub's rule, whatever they are called."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.headings import Headings
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.golden_runs import write_golden_runs
from tests.leaderboard.test_markdown_names import MARKDOWN, TEXTS, one_line


def links_of(lines):
    """Each link of a list: what is read of it, and where it leads."""
    found = []
    for token in MARKDOWN.parse("\n".join(lines)):
        inner = token.children or []
        if inner:
            assert [child.type for child in inner].count("link_open") == 1
            assert (inner[0].type, inner[-1].type) == ("link_open", "link_close")
            text = "".join(child.content for child in inner if child.content != "<!-- -->")
            found.append((text, inner[0].attrs["href"]))
    return found


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Mean Dice %, in brackets the SD", "mean-dice--in-brackets-the-sd"),
        ("brats, phantom data: 15 test cases (data de6a213d)", "brats-phantom-data-15-test-cases-data-de6a213d"),
        ("Region kidney_and_masses, 15 patients", "region-kidney_and_masses-15-patients"),
        ("SD over images/patients", "sd-over-imagespatients"),
        ("<b>x</b>|y", "bxby"),
    ],
)
def test_anchors_are_those_of_github(heading, anchor):
    headings = Headings()
    headings.add(2, heading)
    assert links_of(headings.contents(2)) == [(heading, f"#{anchor}")]


def test_headings_that_are_alike_have_anchors_of_their_own():
    headings = Headings()
    for heading in ("Region a", "region A", "region a-1", "Region a"):
        headings.add(3, heading)
    assert [link for _, link in links_of(headings.contents(3))] == [
        "#region-a",
        "#region-a-1",
        "#region-a-1-1",
        "#region-a-2",
    ]


@given(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=4))
def test_any_name_is_a_link_that_shows_it(names):
    headings = Headings()
    for name in names:
        headings.add(2, name)
    links = links_of(headings.contents(2))
    assert [text for text, _ in links] == list(map(one_line, names))
    assert len({link for _, link in links}) == len(names)


def test_contents_of_the_leaderboard_lead_to_its_headings(tmp_path):
    write_golden_runs(tmp_path)
    groups, left_out, _ = compare_runs(find_runs([tmp_path]))
    text = to_markdown([table for group in groups for table in tabulate(group)], left_out)
    contents = text[: text.index("\n## ")]
    led = re.findall(r"\]\(#([^)]*)\)", contents)
    plain = [re.sub(r"\\(.)", r"\1", line) for line in re.findall(r"^#{2,3} (.*)", text, re.MULTILINE)]
    assert led == [re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in plain]
    assert any("region-core" in anchor for anchor in led)
    assert "how-to-read-the-tables" in led
