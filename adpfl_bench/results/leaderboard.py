"""adpfl-bench leaderboard: from run records to tables, pictures and a page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from adpfl_bench.errors import RecordError
from adpfl_bench.files import replace_file
from adpfl_bench.results.client_plot import draw_clients
from adpfl_bench.results.comparability import Group, compare_runs, find_runs
from adpfl_bench.results.curves import draw_curves
from adpfl_bench.results.latex import to_latex
from adpfl_bench.results.overlays import draw_overlays
from adpfl_bench.results.picture import Picture
from adpfl_bench.results.rendering import (
    clients_csv,
    comparisons_csv,
    ranking_csv,
    text_table,
    to_csv,
    to_markdown,
    to_terminal,
)
from adpfl_bench.results.report import to_html
from adpfl_bench.results.table import Table, tabulate

_WIDTH_WITHOUT_TERMINAL = 160
_TITLES = {"clients": "Who benefits", "rounds": "Rounds", "overlays": "Test cases"}


def leaderboard(runs: list[Path], output: Path = Path("results"), overlays: bool = True) -> None:
    """Make tables, pictures and a page from finished runs.

    Every number is computed anew from the runs' run.json and cases.csv. Phantom and real data, other test cases and
    other regions get tables of their own; unfinished and unscored runs are listed with the reason. Audits among the
    runs put a lower bound on epsilon into the rows of their methods.

    Args:
        runs: Run folders, or folders to search for runs.
        output: Folder for leaderboard.md, .csv and .tex, comparisons.csv, ranking.csv, clients.csv, report.html and the
            pictures.
        overlays: Draw test cases with outlines. They show patients' images where the data are real.

    Raises:
        RecordError: No run was found, or the output cannot be written.
    """
    groups, left_out, audits = compare_runs(find_runs(runs))
    by_group = {group.slug: tabulate(group) for group in groups}
    tables = [table for group in groups for table in by_group[group.slug]]
    pictures = {group.slug: _pictures(group, by_group[group.slug], overlays) for group in groups}
    files = {
        "leaderboard.md": to_markdown(tables, left_out, audits).encode(),
        "leaderboard.csv": to_csv(tables).encode(),
        "clients.csv": clients_csv(tables).encode(),
        "comparisons.csv": comparisons_csv(tables).encode(),
        "ranking.csv": ranking_csv(tables).encode(),
        "leaderboard.tex": to_latex(tables).encode(),
        "report.html": to_html(tables, left_out, _titled(pictures), audits).encode(),
    }
    for slug, drawn in pictures.items():
        files.update({f"{slug}/{name}.png": picture.png for name, picture in drawn.items()})
    _write(output, files)
    misfits = [note for group in groups for note in group.misfits]
    lines = [*misfits, *(f"{entry.folder}: {entry.text}" for entry in audits)]
    _show(tables, lines + [f"left out: {entry.folder}: {entry.reason}" for entry in left_out])
    for name in files:
        print(output / name)
    if any(group.kind != "phantom" and "overlays" in pictures[group.slug] for group in groups):
        print(
            "report.html and overlays.png show patients' images: keep them where the data may be, or use"
            " --overlays false.",
            file=sys.stderr,
        )


def _pictures(group: Group, tables: Sequence[Table], overlays: bool) -> dict[str, Picture]:
    drawn = {
        "clients": draw_clients(tables),
        "rounds": draw_curves(group),
        "overlays": draw_overlays(group) if overlays else None,
    }
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _titled(pictures: dict[str, dict[str, Picture]]) -> dict[str, dict[str, Picture]]:
    return {slug: {_TITLES[name]: picture for name, picture in drawn.items()} for slug, drawn in pictures.items()}


def _write(output: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = output / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
        except OSError as error:
            raise RecordError(
                f"{path} could not be written: {error.strerror}. Make room or choose another --output; the runs are"
                " untouched."
            ) from error


def _show(tables: Sequence[Table], lines: Sequence[str]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    for table in tables:
        console.print(to_terminal(table))
        for number, reason in enumerate(text_table(table).footnotes, 1):
            console.print(f"[{number}] {reason}", markup=False)
        console.print()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
