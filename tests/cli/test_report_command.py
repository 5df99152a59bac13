"""The page as a command of its own, its size, and how a browser takes it."""

import os
import random
import shutil

import numpy as np
import pytest

from adpfl_bench.cli import main
from adpfl_bench.errors import RecordError
from adpfl_bench.report.commands import leaderboard, report
from tests.effort import THOROUGH
from tests.leaderboard.records import case_row, private, toy_runs, write_examples, write_rounds, write_run

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
METHODS = ("fedavg", "local", "fedprox", "dp_fl", "adp_fl", "dp_fl_record", "quantile", "histogram", "dp_sgd")


@pytest.fixture
def runs(tmp_path):
    root = toy_runs(tmp_path / "runs")
    for folder in root.iterdir():
        write_rounds(folder, thresholds=folder.name in ("dp", "adp"))
        write_examples(folder, ["a1", "b"])
    return root


def test_report_is_the_page_of_the_leaderboard(runs, tmp_path, capsys):
    assert main(["report", str(runs), "--output", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "page.html")]
    leaderboard([runs], tmp_path / "out")
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "out" / "report.html").read_bytes()


def test_report_says_what_it_left_out_and_that_it_shows_patients(tmp_path, capsys):
    run = write_run(tmp_path / "runs" / "run", "fedavg", {"b": 0.5}, kind="real")
    write_examples(run, ["b"])
    write_run(tmp_path / "runs" / "stopped", "fedavg", None, status="interrupted")
    report([tmp_path / "runs"], tmp_path / "page.html")
    printed = capsys.readouterr()
    assert f"left out: {tmp_path / 'runs' / 'stopped'}: unfinished: interrupted" in printed.out
    assert "page.html shows patients' images" in printed.err
    report([tmp_path / "runs"], tmp_path / "page.html", overlays=False)
    assert capsys.readouterr().err == ""
    assert "data:image" not in (tmp_path / "page.html").read_text()


def test_a_page_that_cannot_be_written_is_a_sentence(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="choose another --output"):
        report([runs], tmp_path / "file" / "page.html")


def test_nine_methods_with_three_seeds_on_four_tasks_stay_below_20_mb(tmp_path):
    """One task of the four: three regions, 250 patients, cases like noise. Every day a third of its methods."""
    noise, methods = random.Random(0), METHODS if THOROUGH else METHODS[::3]
    for method in methods:
        private_one = method not in ("fedavg", "local", "fedprox")
        for seed in (0, 1, 2):
            rows = [case_row(f"p{n:03d}", noise.random(), r) for n in range(250) for r in ("whole", "core", "ring")]
            privacy = {"privacy": private(noise.uniform(1, 9))} if private_one else {}
            run = write_run(tmp_path / "runs" / f"{method}{seed}", method, rows, seed, **privacy)
            write_rounds(run, clients=[f"client-{n}" for n in range(6)], thresholds=private_one)
        write_noise(tmp_path / "runs" / f"{method}0", noise)
    report([tmp_path / "runs"], tmp_path / "page.html")
    images = 1 + 3 * len(methods)
    assert (tmp_path / "page.html").read_text().count("<img") == images
    assert (tmp_path / "page.html").stat().st_size < 5 * 2**20 * images / (1 + 3 * len(METHODS))


def write_noise(run, noise):
    """The best, median and worst of a run, in three planes of noise with smooth masks."""
    generator = np.random.default_rng(noise.randrange(2**32))
    arrays = {"case": ["p000"], "client": ["north"], "region": ["whole", "core", "ring"], "chosen_of": 250}
    arrays["image"] = generator.normal(size=(1, 1, 96, 96)).astype(np.float32)
    arrays["truth"] = arrays["prediction"] = disks(96, 96)[None]
    for which in ("best", "median", "worst"):
        for plane, shape in {"axial": (96, 96), "coronal": (80, 96), "sagittal": (80, 96)}.items():
            arrays[f"{which}_{plane}_image"] = generator.integers(256, size=(1, *shape)).astype(np.uint8)
            arrays[f"{which}_{plane}_truth"] = arrays[f"{which}_{plane}_prediction"] = disks(*shape)
            arrays[f"{which}_{plane}_spacing"] = np.ones(2)
    arrays |= {"chosen": ["best", "median", "worst"], "chosen_case": ["p000", "p001", "p002"]}
    arrays |= {"chosen_client": ["north"] * 3, "chosen_model": ["global"] * 3, "chosen_dice": [0.9, 0.5, 0.1]}
    np.savez_compressed(run / "examples.npz", **arrays)


def disks(rows, columns):
    y, x = np.mgrid[:rows, :columns]
    return np.stack([(y - rows / 2) ** 2 + (x - columns / 2) ** 2 < radius**2 for radius in (30, 20, 10)])


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; the variable CHROMIUM names another than the first one installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page is looked at")
    named = os.environ.get("CHROMIUM")
    found = [path for path in map(shutil.which, [named] if named else PROGRAMS) if path]
    if not found:
        pytest.skip("no Chromium is installed (or named by the variable CHROMIUM): the page is not looked at")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=found[0], chromium_sandbox=False)


@pytest.fixture
def look(browser, page):
    """Opens the page at a width, on light or on dark paper; the tab keeps what it asked for and complained of."""

    def look(width=1440, dark=False):
        size = {"width": width, "height": 900}
        tab = browser.new_page(viewport=size, is_mobile=width < 600, color_scheme="dark" if dark else "light")
        tab.requests, tab.complaints = [], []
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.on("console", lambda message: tab.complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.goto(page.resolve().as_uri())
        tab.evaluate("document.fonts.ready.then(() => 0)")
        tabs.append(tab)
        return tab

    tabs = []
    yield look
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    for method in METHODS[:5]:
        for seed in (0, 1):
            rows = [case_row(f"p{n:02d}", 0.4 + 0.01 * n + 0.02 * seed + len(method) / 50) for n in range(20)]
            privacy = {"privacy": private(2.0 * len(method))} if method in METHODS[3:] else {}
            run = write_run(root / f"{method}{seed}", method, [*rows, case_row("a1", 0.5)], seed, **privacy)
            write_rounds(run, thresholds=method in METHODS[3:])
            write_examples(run, ["a1"])
    report([root], root / "page.html")
    return root / "page.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_asks_for_nothing_and_complains_of_nothing(look, page, width, dark):
    tab = look(width, dark)
    assert [url for url in tab.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert tab.complaints == []
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert tab.evaluate("document.querySelectorAll('svg.plot').length") > 5


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_is_as_wide_as_the_window_and_only_tables_scroll(look, width):
    tab = look(width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, .skip')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.evaluate(too_wide) == []
    plots = (
        "[...document.querySelectorAll('svg.plot')].map(e => e.getBoundingClientRect()).map(b => [b.width, b.height])"
    )
    for drawn_width, height in tab.evaluate(plots):
        assert 300 < drawn_width <= width
        assert 0.3 < height / drawn_width < 2.5
    sheets = "[...document.querySelectorAll('img.sheet')].map(e => [e.getBoundingClientRect().width, e.naturalWidth])"
    for drawn_width, pixels in tab.evaluate(sheets):
        assert drawn_width >= pixels // 2  # as many methods as there may be, each can be made out


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_paper(look, dark):
    """Contrast of every visible text with what it stands on, as WCAG 2.2 computes it."""
    tab = look(dark=dark)
    assert tab.evaluate(CONTRASTS) == []


def test_keys_reach_the_tables_and_the_first_of_them_skips_to_the_main_part(look):
    tab = look()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert tab.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id || location.hash.slice(1)") == "main"
    reached = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.getAttribute('aria-label')"))
    visible = "[...document.querySelectorAll('.scroll')].filter(e => e.checkVisibility())"
    regions = tab.evaluate(f"{visible}.map(e => e.getAttribute('aria-label'))")
    assert len(regions) > 4
    assert set(regions) <= reached
    tab = look(390)
    tab.evaluate("document.querySelector('.scroll').focus()")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate(
        "new Promise(done => setTimeout(() => done(document.querySelector('.scroll').scrollLeft), 500))"
    )


CONTRASTS = """(() => {
  const parts = colour => colour.match(/[0-9.]+/g).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const paper = e => {
    for (; e; e = e.parentElement) {
      const found = parts(getComputedStyle(e).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('h1, h2, h3, h4, p, li, a, th, td, figcaption, summary, span, svg text')) {
    if (!e.textContent.trim() || !e.getClientRects().length || e.matches('.skip')) continue;
    const style = getComputedStyle(e);
    const ink = light(parts(e.closest('svg') ? style.fill : style.color)), ground = light(paper(e));
    const ratio = (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
    if (ratio < 4.5) bad.push([e.tagName, e.textContent.slice(0, 40), ratio]);
  }
  return bad;
})()"""
