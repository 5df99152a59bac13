"""adpfl-bench leaderboard: from run records to tables, pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from adpfl_bench.leaderboard.latex import to_latex
from adpfl_bench.leaderboard.rendering import (
    clients_csv,
    comparisons_csv,
    ranking_csv,
    text_table,
    thresholds_csv,
    to_csv,
    to_markdown,
    to_terminal,
)
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.report.board import make_board, warn_of_patients, write_files
from adpfl_bench.report.page import to_html

_WIDTH_WITHOUT_TERMINAL = 160


def leaderboard(runs: list[Path], output: Path = Path("results"), overlays: bool = True) -> None:
    """Make tables, pictures and a page from finished runs.

    Every number is computed anew from the runs' run.json and cases.csv. Phantom and real data, other test cases and
    other regions get tables of their own; unfinished and unscored runs are listed with the reason. Audits among the
    runs put a lower bound on epsilon into the rows of their methods.

    Args:
        runs: Run folders, or folders to search for runs.
        output: Folder for leaderboard.md, .csv and .tex, comparisons.csv, ranking.csv, thresholds.csv, clients.csv,
            report.html and the pictures.
        overlays: Draw test cases with outlines. They show patients' images where the data are real.

    Raises:
        RecordError: No run was found, or the output cannot be written.
    """
    board = make_board(runs, overlays)
    files = {
        "leaderboard.md": to_markdown(board.tables, board.left_out, board.audits).encode(),
        "leaderboard.csv": to_csv(board.tables).encode(),
        "clients.csv": clients_csv(board.tables).encode(),
        "comparisons.csv": comparisons_csv(board.tables).encode(),
        "ranking.csv": ranking_csv(board.tables).encode(),
        "thresholds.csv": thresholds_csv(board.tables).encode(),
        "leaderboard.tex": to_latex(board.tables).encode(),
        "report.html": to_html(board.tables, board.left_out, board.illustrations, board.audits).encode(),
    }
    for slug, drawn in board.illustrations.items():
        files.update({f"{slug}/{name}": png for name, png in drawn.files().items()})
    write_files({output / name: content for name, content in files.items()})
    misfits = [note for group in board.groups for note in group.misfits]
    lines = [*misfits, *(f"{entry.folder}: {entry.text}" for entry in board.audits)]
    _show(board.tables, lines + [f"left out: {entry.folder}: {entry.reason}" for entry in board.left_out])
    for name in files:
        print(output / name)
    if board.shows_patients:
        warn_of_patients("report.html and overlays.png show")


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
