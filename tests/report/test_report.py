"""The page: whole in itself, escaped, and readable without its pictures."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.report.board import Illustrations, illustrate
from adpfl_bench.report.gallery import MethodGallery
from adpfl_bench.report.page import to_html
from adpfl_bench.report.plot import Picture, Plot, to_png
from tests.leaderboard.records import (
    NOT_PRIVATE,
    case_row,
    private,
    toy_runs,
    write_examples,
    write_rounds,
    write_run,
)

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "img", "br", "link", "hr", "wbr"}


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


def page_of(root, illustrations=None):
    groups, left_out, _ = compare_runs(find_runs([root]))
    tables = [table for group in groups for table in tabulate(group)]
    drawn = {group.slug: illustrations for group in groups} if illustrations else {}
    return to_html(tables, left_out, drawn)


def drawn(title="Rounds", alt="what it shows", caption="how it was made"):
    """A plot and a case, of which the page has to say what they are."""
    figure = Figure()
    figure.subplots().set_title("drawn")
    image = Picture(to_png(figure, dpi=20), alt, caption)
    return Illustrations(
        {title: {"rounds": Plot(figure, alt, caption, title)}}, gallery=[MethodGallery(title, caption, (image,))]
    )


@pytest.fixture(scope="module")
def full_page(tmp_path_factory):
    """Every kind of section: three methods with rounds, thresholds, examples and two regions."""
    tmp_path = tmp_path_factory.mktemp("full")
    for method, level in {"fedavg": 0.8, "dp_fl": 0.6, "adp_fl": 0.7}.items():
        for seed in (0, 1):
            rows = [
                case_row(f"p{number:02d}", level + 0.01 * number - 0.1 * (region == "core"), region, hd95=4.0 + seed)
                for number in range(12)
                for region in ("whole", "core")
            ] + [case_row(case, level, region) for case in ("a1", "b") for region in ("whole", "core")]
            privacy = {"fedavg": NOT_PRIVATE, "dp_fl": private(8.5), "adp_fl": private(None)}[method]
            run = write_run(tmp_path / f"{method}{seed}", method, rows, seed, privacy)
            write_rounds(run, thresholds=method != "fedavg")
            write_examples(run, ["a1", "b"], regions=2)
    groups, left_out, _ = compare_runs(find_runs([tmp_path]))
    tables = {group.slug: tabulate(group) for group in groups}
    illustrations = {group.slug: illustrate(group, tables[group.slug]) for group in groups}
    return to_html([table for of_group in tables.values() for table in of_group], left_out, illustrations)


def test_page_fetches_nothing(full_page):
    page = Page(full_page)
    assert not {"iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]  # its own, from nowhere else
    targets = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action")
    ]
    assert len(targets) > 20
    assert all(target.startswith(("data:", "#")) for target in targets)
    assert not re.search(r"url\((?!#)|@import|https?:", full_page)
    (policy,) = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    script = re.search(r"<script>(.*?)</script>", full_page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy  # no other script runs, whatever a record brings
    assert not re.search(r"\bfetch\(|XMLHttpRequest|import\(|eval\(|innerHTML", script)


def test_page_has_every_section_of_each_group(full_page):
    page = Page(full_page)
    for words in (
        "Comparisons, region whole",
        "Ranking by Dice, HD95, NSD, region core",
        "Ranking by Dice, HD95, NSD, regions core, whole",
        "Who benefits, region core",
        "Dice of each patient, region whole",
        "Privacy and utility, unit batch, region core",
        "Validation Dice by round",
        "Training loss by round",
        "Clipping threshold",
        "Noise scale",
        "Best, median and worst of adp_fl",
        "Best: a1 of north",
        "What was run",
    ):
        assert words in page.text or words.replace("_", "_ ") in page.text, words


def test_ids_are_there_once_and_links_lead_to_them(full_page):
    page = Page(full_page)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 50
    attributes = [value for _, named in page.tags for value in named.values() if value]
    linked = [value[1:] for value in attributes if value.startswith("#")]
    linked += re.findall(r"url\(#([^)]*)\)", " ".join(attributes))
    assert linked
    assert set(linked) <= set(ids)


def test_headings_descend_by_one_and_pictures_have_words(full_page):
    page = Page(full_page)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    plots = [attributes for tag, attributes in page.tags if tag == "svg" and attributes["class"] == "plot"]
    assert len(images) == 1 + 3 * 2
    assert len(plots) == 1 + 2 + 2 + 2 + 2 + 2
    assert all(len(image["alt"]) > 20 for image in images)
    assert all(plot["role"] == "img" and len(plot["aria-label"]) > 20 for plot in plots)


def test_plots_have_the_pages_colours_and_no_black_of_their_own(full_page):
    style = full_page[full_page.index("<style>") : full_page.index("</style>")]
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", full_page))
    assert {"--ink", "--rule", "--series-1"} <= used
    light, dark = style.split("prefers-color-scheme: dark")
    for name in used - {"--font"}:
        assert f"{name}:" in light
        assert f"{name}:" in dark
    for svg in re.findall(r"<svg.*?</svg>", full_page, re.DOTALL):
        assert not re.findall(r"#[0-9a-f]{6}\b", re.sub(r'(id|href)="[^"]*"|url\([^)]*\)', "", svg))


def test_page_embeds_pictures_with_words(tmp_path):
    page = Page(page_of(toy_runs(tmp_path), drawn()))
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/webp;base64,"))[8:12] == b"WEBP"
    (plot,) = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert image["alt"] == plot["aria-label"] == "what it shows"
    assert page.text.count("how it was made") >= 2


def test_real_images_are_pointed_out_in_the_page(tmp_path):
    write_run(tmp_path / "real", "fedavg", {"b": 0.5}, kind="real")
    assert "These are patients' images" in Page(page_of(tmp_path, drawn())).text
    assert "These are patients' images" not in Page(page_of(tmp_path)).text
    assert "These are patients' images" not in Page(page_of(toy_runs(tmp_path / "toy"), drawn())).text


def test_page_has_scores_privacy_and_provenance(tmp_path):
    page = Page(page_of(toy_runs(tmp_path)))
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("run.json")]
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
        *(record["config_sha256"][:10] for record in records),
        "not verifiable: recorded before digests",
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
    write_run(folder, EVIL, {"b": 0.5}, privacy=privacy, task=EVIL, git_revision=EVIL, versions={EVIL: EVIL})
    write_run(tmp_path / "failed", "x", None, status=EVIL)
    html = page_of(tmp_path, drawn(EVIL, EVIL, EVIL))
    page = Page(html)
    assert html.count("<script") == 1
    assert "<b>" not in html
    assert [tag for tag, _ in page.tags if tag in ("script", "b")] == ["script"]
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert image["alt"] == EVIL
    assert page.text.count("<script>alert('x')</script>\"&") >= 8


def test_page_without_any_table_lists_what_was_left_out(tmp_path):
    write_run(tmp_path / "run", "fedavg", None, status="interrupted")
    page = Page(page_of(tmp_path))
    assert "No run is finished and scored yet." in page.text
    assert "unfinished: interrupted after 3 of 3 rounds" in page.text
