"""The page: whole in itself, escaped, and readable without its pictures."""

import base64
import re
from html.parser import HTMLParser

from adpfl_bench.results.comparability import compare_runs, find_runs
from adpfl_bench.results.picture import Picture
from adpfl_bench.results.report import to_html
from adpfl_bench.results.table import tabulate
from tests.results.records import private, toy_runs, write_run

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects tags, attributes and visible text, and insists that tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def page_of(root, pictures=None):
    groups, left_out, _ = compare_runs(find_runs([root]))
    tables = [table for group in groups for table in tabulate(group)]
    drawn = {group.slug: pictures for group in groups} if pictures else {}
    return to_html(tables, left_out, drawn)


def test_page_fetches_nothing(tmp_path):
    html = page_of(toy_runs(tmp_path), {"Rounds": Picture(b"png", "alt", "caption")})
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    targets = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert targets
    assert all(target.startswith(("data:image/png;base64,", "#")) for target in targets)
    assert not re.search(r"url\(|@import|https?:", html)


def test_page_embeds_pictures_with_words(tmp_path):
    page = Page(page_of(toy_runs(tmp_path), {"Rounds": Picture(b"\x89PNG", "what it shows", "how it was made")}))
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == b"\x89PNG"
    assert image["alt"] == "what it shows"
    assert "how it was made" in page.text


def test_page_has_scores_privacy_and_provenance(tmp_path):
    page = Page(page_of(toy_runs(tmp_path)))
    for words in (
        "toy phantom",
        "71.67",
        "Not private: updates leave a client as they are.",
        "0.001: stated by the method's authors, not proved for these runs",
        "8.5 at delta 0.0001, per batch, the largest over clients and seeds",
        "none: the threshold is raw",
        "LaplaceMechanism with scale 0.25 times the threshold, which is a FixedThreshold",
        "python 3.11, torch 2.9",
        "0123456789",
        "cccccccccc",
        "1,234",
        "HD95 px (edge voxels)",
        "NSD % (area)",
        "NSD is taken at a tolerance of 2 px.",
        "How to read the tables",
        "docs/metrics.md",
    ):
        assert words in page.text, words


def test_dirty_revisions_stay_marked(tmp_path):
    write_run(tmp_path / "run", "fedavg", {"b": 0.5}, git_revision="0123456789abcdef-dirty")
    assert "0123456789-dirty" in Page(page_of(tmp_path)).text


def test_page_escapes_everything_that_runs_brought(tmp_path):
    folder = tmp_path / "<b>"
    privacy = {**private(None), "accounted": {"epsilon": None, "delta": 1e-4, "reason": EVIL}, "mechanism": EVIL}
    write_run(
        folder, EVIL, {"b": 0.5}, privacy=privacy, task=EVIL, git_revision=EVIL, versions={EVIL: EVIL}, started=EVIL
    )
    write_run(tmp_path / "failed", "x", None, status=EVIL)
    html = page_of(tmp_path, {EVIL: Picture(b"png", EVIL, EVIL)})
    page = Page(html)
    assert "<script" not in html
    assert "<b>" not in html
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image["alt"] == EVIL
    assert page.text.count("<script>alert('x')</script>\"&") >= 8


def test_page_without_any_table_lists_what_was_left_out(tmp_path):
    write_run(tmp_path / "run", "fedavg", None, status="interrupted")
    page = Page(page_of(tmp_path))
    assert "No run is finished and scored yet." in page.text
    assert "unfinished: interrupted after 3 of 3 rounds" in page.text
