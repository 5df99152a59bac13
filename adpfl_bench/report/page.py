"""Report of the leaderboard: an index and a page for each task, in one file or in a folder; nothing else is needed."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

from markupsafe import Markup, escape

from adpfl_bench.leaderboard.legend import LEGEND
from adpfl_bench.leaderboard.markdown import LEGEND_HEADING
from adpfl_bench.leaderboard.overview import OVERVIEW, OVERVIEW_NOTE, make_overviews
from adpfl_bench.leaderboard.run_reading import LeftOut, ListedAudit
from adpfl_bench.leaderboard.table import Table, by_group
from adpfl_bench.report.board import Illustrations
from adpfl_bench.report.page_template import page_template
from adpfl_bench.report.task_view import view_task

_INDEX, _LEGEND = "index", "legend"


def to_html(
    tables: Sequence[Table],
    left_out: Sequence[LeftOut],
    illustrations: Mapping[str, Illustrations],
    audits: Sequence[ListedAudit] = (),
) -> str:
    """Make one self-contained file: style, script and pictures are inside it, and nothing is fetched.

    Without its script it is one long page, in which everything can be read; with it, an index and a page for each task.
    """
    parts = _Parts(tables, left_out, illustrations, audits)
    return parts.render([_INDEX, *parts.slugs, _LEGEND], _INDEX, lambda page: f"#{page}")


def to_pages(
    tables: Sequence[Table],
    left_out: Sequence[LeftOut],
    illustrations: Mapping[str, Illustrations],
    audits: Sequence[ListedAudit] = (),
) -> dict[str, str]:
    """Make the same as files by name: ``index.html`` and one for each task, each of them self-contained."""

    def link(page: str) -> str:
        return {_INDEX: f"index.html#{_INDEX}", _LEGEND: f"index.html#{_LEGEND}"}.get(page, f"{page}.html")

    parts = _Parts(tables, left_out, illustrations, audits)
    pages = {slug: parts.render([slug], slug, link) for slug in parts.slugs}
    index = parts.render([_INDEX, _LEGEND], _INDEX, link)
    return {"index.html": index, **{f"{slug}.html": page for slug, page in pages.items()}}


class _Parts:
    """What pages are made of."""

    def __init__(
        self,
        tables: Sequence[Table],
        left_out: Sequence[LeftOut],
        illustrations: Mapping[str, Illustrations],
        audits: Sequence[ListedAudit],
    ) -> None:
        self.groups = [view_task(of, illustrations.get(of[0].group.slug, Illustrations())) for of in by_group(tables)]
        self.slugs: list[str] = [group["slug"] for group in self.groups]
        self._script = files("adpfl_bench.report").joinpath("templates/report.js").read_text(encoding="utf-8")
        self._shared = {
            "overviews": make_overviews(tables),
            "overview_heading": OVERVIEW,
            "overview_note": OVERVIEW_NOTE,
            "left_out": left_out,
            "audits": audits,
            "legend": LEGEND,
            "legend_heading": LEGEND_HEADING,
            "script": Markup(self._script),
            "script_hash": base64.b64encode(hashlib.sha256(self._script.encode()).digest()).decode(),
        }
        self._template = page_template("report.html.jinja", breakable=_breakable)

    def render(self, shown: Sequence[str], current: str, link: Callable[[str], str]) -> str:
        """Return a file that shows some of the pages, and leads to all of them by links."""
        groups = [group for group in self.groups if group["slug"] in shown]
        names = {"shown": shown, "current": current, "link": link, "groups": groups, "menu": self.groups}
        return self._template.render(**names, **self._shared)


def _breakable(text: str) -> Markup:
    """Return a name that may go on in the next line after an underscore or a plus, but not within 5e+05."""
    return Markup(re.sub(r"(_|(?<!\de)\+)(?=.)", r"\1<wbr>", str(escape(text))))
