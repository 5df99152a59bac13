"""How a browser takes the report: pages, tables that are sorted and filtered, width, contrast, keyboard, no request."""

import os
import re
import shutil

import pytest

from adpfl_bench.report.commands import report
from tests.cli.test_report_command import METHODS
from tests.leaderboard.records import case_row, private, write_examples, write_rounds, write_run

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


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

    def look(width=1440, dark=False, at="", everything=False, scripts=True):
        size, scheme = {"width": width, "height": 900}, "dark" if dark else "light"
        tab = browser.new_page(viewport=size, is_mobile=width < 600, color_scheme=scheme, java_script_enabled=scripts)
        tab.requests, tab.complaints = [], []
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.on("console", lambda message: tab.complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.goto(page.resolve().as_uri() + (f"#{at}" if at else ""))
        tab.evaluate("document.fonts.ready.then(() => 0)")
        if everything:
            tab.evaluate("document.querySelectorAll('[data-page]').forEach(part => { part.hidden = false; })")
            tab.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        tabs.append(tab)
        return tab

    tabs = []
    yield look
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    for method in METHODS[:8]:
        for seed in (0, 1):
            rows = [case_row(f"p{n:02d}", 0.4 + 0.01 * n + 0.02 * seed + len(method) / 50) for n in range(20)]
            privacy = {"privacy": private(2.0 * len(method))} if method in METHODS[3:] else {}
            run = write_run(root / f"{method}{seed}", method, [*rows, case_row("a1", 0.5)], seed, **privacy)
            write_rounds(run, thresholds=method in METHODS[3:])
            write_examples(run, ["a1"])
    report([root], root / "page.html")
    return root / "page.html"


@pytest.fixture(scope="module")
def slug(page):
    """The anchor of the page's one task."""
    return re.search(r'data-page id="(toy-[^"]*)"', page.read_text())[1]


VISIBLE = "[...document.querySelectorAll('[data-page]')].filter(part => part.checkVisibility()).map(part => part.id)"


def test_one_page_is_shown_at_a_time_that_of_the_anchor(look, slug):
    tab = look()
    assert tab.evaluate(VISIBLE) == ["index"]
    tab.click(f"nav.pages a[href='#{slug}']")
    assert tab.evaluate(VISIBLE) == [slug]
    assert tab.evaluate("document.activeElement.id") == f"{slug}-heading"
    assert tab.evaluate("document.querySelector('nav.pages [aria-current]').hash") == f"#{slug}"
    closed = tab.locator(f"#{slug}-privacy")
    assert closed.get_attribute("open") is None
    tab.click(f"nav.sections a[href='#{slug}-privacy']")
    assert closed.get_attribute("open") is not None
    assert tab.evaluate("document.activeElement.innerText") == "Privacy"
    tab.go_back()
    tab.go_back()
    assert tab.evaluate(VISIBLE) == ["index"]
    assert look(at=f"{slug}-runs").evaluate(VISIBLE) == [slug]
    assert look(at="nowhere").evaluate(VISIBLE) == ["index"]


def test_without_scripts_everything_is_there_as_one_long_page(look, slug):
    tab = look(scripts=False)
    assert tab.locator("[data-page]").count() == 3
    assert all_visible(tab.locator("[data-page]"))
    assert all_visible(tab.locator(f"#{slug} table.scores th"))
    assert tab.locator("button, input, select").count() == 0


# What all elements are asked is asked at once: each question to the browser takes its time.
COLUMN = """heading => {
  const place = [...document.querySelectorAll('table.scores thead th')].findIndex(e => e.innerText.includes(heading));
  const rows = [...document.querySelectorAll('table.scores tbody tr')].filter(e => e.checkVisibility());
  return rows.map(row => row.querySelectorAll('th, td')[place].innerText);
}"""


def column(tab, heading):
    """Cells of a column of the main table, in the order in which its rows are shown."""
    return tab.evaluate(COLUMN, heading)


def all_visible(found):
    """Whether there are elements of a kind, and all of them are visible."""
    return found.evaluate_all("found => found.length > 0 && found.every(e => e.checkVisibility())")


def test_a_table_is_sorted_from_the_keyboard(look, slug):
    tab = look(at=slug)
    before = column(tab, "Method")
    dice = [float(cell) for cell in column(tab, "Dice %")]
    assert dice != sorted(dice, reverse=True)
    button, heading = tab.locator("table.scores th button", has_text="Dice %"), tab.locator("table.scores th").nth(1)
    button.focus()
    for state, expected in (("descending", sorted(dice, reverse=True)), ("ascending", sorted(dice)), (None, dice)):
        tab.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == state
        assert [float(cell) for cell in column(tab, "Dice %")] == expected
        assert tab.evaluate("document.activeElement.innerText").startswith("Dice %")
    assert column(tab, "Method") == before
    for expected in (True, False):
        tab.locator("table.scores th button", has_text="Epsilon accounted").press("Space")
        cells = column(tab, "Epsilon accounted")
        found = [float(cell.split()[0]) for cell in cells if not cell.startswith("none")]
        assert found == sorted(found, reverse=expected)
        assert all(cell.startswith("none") for cell in cells[len(found) :])  # last, whichever way
        assert 1 < len(found) < len(cells)


def test_a_table_is_filtered_and_its_columns_are_chosen_from_the_keyboard(look, slug):
    tab = look(at=slug)
    everyone = column(tab, "Method")
    tools = tab.locator(".tools").first
    tools.get_by_label("Filter", exact=True).press_sequentially("dp_ adp")
    assert column(tab, "Method") == [name for name in everyone if "adp_" in name] != []
    assert tools.locator("output").inner_text() == f"1 of {len(everyone)} rows"
    tools.get_by_label("Filter", exact=True).fill("")
    tools.get_by_label("Privacy").select_option("private, with a proof")
    proved = column(tab, "Method")
    assert set(proved) == set(METHODS[3:8])
    tools.get_by_label("Privacy").select_option("")
    assert column(tab, "Method") == everyone
    wall = tab.locator("table.scores th", has_text="Wall s")
    assert not wall.is_visible()
    tools.locator("summary").press("Enter")
    tools.get_by_label("Wall s").press("Space")
    assert wall.is_visible()
    assert len(set(column(tab, "Wall s"))) >= 1
    tools.get_by_role("button", name="All columns").press("Enter")
    assert all_visible(tab.locator("table.scores th"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_a_browser_asks_for_nothing_and_complains_of_nothing(look, page, width, dark):
    tab = look(width, dark, everything=True)
    assert [url for url in tab.requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert tab.complaints == []
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert tab.evaluate("document.querySelectorAll('svg.plot').length") > 5


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_is_as_wide_as_the_window_and_only_tables_scroll(look, width):
    tab = look(width, everything=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, .skip')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.evaluate(too_wide) == []
    plots = (
        "[...document.querySelectorAll('svg.plot')].map(e => e.getBoundingClientRect()).map(b => [b.width, b.height])"
    )
    for drawn_width, height in tab.evaluate(plots):
        assert 290 < drawn_width <= width
        assert 0.3 < height / drawn_width < 2.5
    sheets = "[...document.querySelectorAll('img.sheet')].map(e => [e.getBoundingClientRect().width, e.naturalWidth])"
    for drawn_width, pixels in tab.evaluate(sheets):
        assert drawn_width >= pixels // 2  # as many methods as there may be, each can be made out


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_paper(look, dark):
    """Contrast of every visible text with what it stands on, as WCAG 2.2 computes it."""
    tab = look(dark=dark, everything=True)
    assert tab.evaluate(CONTRASTS) == []


def test_keys_reach_the_tables_and_the_first_of_them_skips_to_the_main_part(look, slug):
    tab = look()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    assert tab.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id || location.hash.slice(1)") == "main"
    tab = look(at=slug, everything=True)
    visible = "[...document.querySelectorAll('.scroll')].filter(e => e.checkVisibility())"
    regions = set(tab.evaluate(f"{visible}.map(e => e.getAttribute('aria-label'))"))
    assert len(regions) > 4
    reached = set()
    for _ in range(600):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.getAttribute('aria-label')"))
        if regions <= reached:
            break
    assert regions <= reached
    tab = look(390, everything=True)
    tab.evaluate("document.querySelector('.scroll:has(.scores)').focus()")
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate("new Promise(done => setTimeout(() => done(document.activeElement.scrollLeft), 500))")


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
