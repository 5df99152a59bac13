"""The committed study's page, made from its records, and a page that leads to it."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from adpfl_bench.report.commands import report

_PAGE = """# The study's page

[Open the page](study.html): tables, curves, statistics and what is proved of every run, in one file that needs no
network. It is made when this site is built, by

    adpfl-bench report results/runs --output study.html

from the records that lie in the repository, so nothing in it was typed. [The study in one page](index.md) says what
they show; [Tables and the page](../leaderboard.md) says how each number is computed.
"""


def study_report(top: Path) -> dict[str, str | bytes]:
    """Return the pages."""
    return {
        "results/report.md": _PAGE,
        "results/study.html": _made(top / "results" / "runs"),
    }


@cache  # for mkdocs serve, which builds again at every change
def _made(runs: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.html"
        report([runs], path)
        return path.read_bytes()
