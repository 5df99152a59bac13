"""adpfl-bench report: from run records to one page."""

from __future__ import annotations

from pathlib import Path

from adpfl_bench.report.board import make_board, warn_of_patients, write_files
from adpfl_bench.report.page import to_html


def report(runs: list[Path], output: Path = Path("report.html"), overlays: bool = True) -> None:
    """Make one page of tables, plots and test cases from finished runs, to be read offline.

    It is the page that adpfl-bench leaderboard puts beside its tables: every number is computed anew from the runs'
    run.json and cases.csv, only what may be compared shares a table, and what is left out is listed with the reason.

    Args:
        runs: Run folders, or folders to search for runs.
        output: The page.
        overlays: Draw test cases with outlines. They show patients' images where the data are real.

    Raises:
        RecordError: No run was found, or the page cannot be written.
    """
    board = make_board(runs, overlays)
    page = to_html(board.tables, board.left_out, board.illustrations, board.audits).encode()
    write_files({output: page})
    for entry in board.left_out:
        print(f"left out: {entry.folder}: {entry.reason}")
    print(output)
    if board.shows_patients:
        warn_of_patients(f"{output} shows")
