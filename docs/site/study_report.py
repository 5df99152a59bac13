"""The committed study's page, made from its records, and a page that leads to it."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

from adpfl_bench.report.commands import report

_PAGE = """# The study's page

[Open the page](study.html): an index and a page for each task ({tasks}), with tables to sort and filter, comparisons,
figures and what is proved of every run, in one file that needs no network. It is made when this site is built, by

    adpfl-bench report results/runs --output study.html

from the records that lie in the repository, so nothing in it was typed. [The study in one page](index.md) says what
they show; [Tables and the page](../leaderboard.md) says how each number is computed.
"""


def study_report(top: Path) -> dict[str, str | bytes]:
    """Return the pages."""
    page = _made(top / "results" / "runs")
    slugs = re.findall(r'data-page id="([^"]+-[0-9a-f]{8})"', page.decode())
    tasks = ", ".join(f"[{slug.rpartition('-')[0]}](study.html#{slug})" for slug in slugs)
    return {"results/report.md": _PAGE.format(tasks=tasks), "results/study.html": page}


@cache  # for mkdocs serve, which builds again at every change
def _made(runs: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.html"
        report([runs], path)
        return path.read_bytes()
