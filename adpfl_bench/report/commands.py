"""The commands ``leaderboard`` and ``report``: from run records to tables, pictures and a page."""

import sys
from collections import Counter
from pathlib import Path
from typing import Literal

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.files import remove_leftovers, replace_file
from adpfl_bench.text import count, make_console


def leaderboard(runs: list[Path], output: Path = Path("results"), overlays: bool = True) -> None:
    """Make tables, pictures and a page from finished runs.

    Every number is computed anew from the runs' run.json and cases.csv. Phantom and real data, other test cases and
    other regions get tables of their own; unfinished and unscored runs are listed with the reason. Audits among the
    runs put a lower bound on epsilon into the rows of their methods.

    Args:
        runs: Run folders, or folders to search for runs.
        output: Folder for leaderboard.md, .csv and .tex, comparisons.csv, ranking.csv, thresholds.csv, clients.csv,
            hospitals.csv, report.html and the pictures.
        overlays: Draw test cases with outlines. They show patients' images where the data are real.

    Raises:
        RecordError: No run was found, or the output cannot be written.
    """
    # Deferred, as below: statistics and plots take seconds to import, and --help needs none of them.
    from adpfl_bench.leaderboard.csv_files import csv_files
    from adpfl_bench.leaderboard.latex import to_latex
    from adpfl_bench.leaderboard.markdown import to_markdown
    from adpfl_bench.leaderboard.rendering import text_table, to_terminal
    from adpfl_bench.report.board import make_board
    from adpfl_bench.report.page import to_html

    board = make_board(runs, overlays)
    files = {
        "leaderboard.md": to_markdown(board.tables, board.left_out, board.audits).encode(),
        **{name: content.encode() for name, content in csv_files(board.tables).items()},
        "leaderboard.tex": to_latex(board.tables).encode(),
        "report.html": to_html(board.tables, board.left_out, board.illustrations, board.audits).encode(),
    }
    for slug, drawn in board.illustrations.items():
        files.update({f"{slug}/{name}": png for name, png in drawn.files().items()})
    write_files({output / name: content for name, content in files.items()})
    misfits = [note for group in board.groups for note in group.misfits]
    lines = [*misfits, *(f"{entry.folder}: {entry.text}" for entry in board.audits)]
    lines += [f"left out: {entry.folder}: {entry.reason}" for entry in board.left_out]
    states = Counter(run.verification.state for group in board.groups for v in group.variants for run in v.runs)
    lines += [f"records of {count(number, 'run')}: {state}" for state, number in states.items()]
    console = make_console()
    for table in board.tables:
        console.print(to_terminal(table))
        for number, reason in enumerate(text_table(table).footnotes, 1):
            console.print(f"[{number}] {reason}", markup=False)
        console.print()
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    for name in files:
        print(output / name)
    if board.shows_patients:
        _warn_of_patients("report.html and overlays.png show")


def report(
    runs: list[Path],
    output: Path | None = None,
    overlays: bool = True,
    pages: Literal["file", "folder"] = "file",
) -> None:
    """Make a report of tables, plots and test cases from finished runs: an index and a page for each task, offline.

    It is the page that adpfl-bench leaderboard puts beside its tables: every number is computed anew from the runs'
    run.json and cases.csv, only what may be compared shares a table, and what is left out is listed with the reason.

    Args:
        runs: Run folders, or folders to search for runs.
        output: The file, report.html unless given, or the folder, report unless given.
        overlays: Draw test cases with outlines. They show patients' images where the data are real.
        pages: All pages in one file, or a folder with index.html and a file for each task. Nothing else is needed
            to read either.

    Raises:
        ConfigError: A folder of pages has a name of a file.
        RecordError: No run was found, or a page cannot be written.
    """
    from adpfl_bench.report.board import make_board
    from adpfl_bench.report.page import to_html, to_pages

    output = output or Path("report.html" if pages == "file" else "report")
    if pages == "folder" and output.suffix.lower() in (".html", ".htm"):
        raise ConfigError(
            f"--pages folder writes a folder of pages, but --output {output} is the name of one page. Give the folder's"
            f" name, such as {output.with_suffix('')}, or leave --pages out."
        )
    board = make_board(runs, overlays, png=False)
    shown = board.tables, board.left_out, board.illustrations, board.audits
    files = {output: to_html(*shown)}
    if pages == "folder":
        files = {output / name: page for name, page in to_pages(*shown).items()}
    write_files({path: page.encode() for path, page in files.items()})
    for entry in board.left_out:
        print(f"left out: {entry.folder}: {entry.reason}")
    for path in files:
        print(path)
    if board.shows_patients:
        _warn_of_patients(f"{output} shows")


def write_files(files: dict[Path, bytes]) -> None:
    """Replace files, each as a whole, and make their folders; what killed commands left of them goes.

    Raises:
        RecordError: One could not be written.
    """
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path.parent, path.name)
            replace_file(path, content)
        except OSError as error:
            raise RecordError(
                f"{path} could not be written: {error.strerror}. Make room or choose another --output; the runs are"
                " untouched."
            ) from error


def _warn_of_patients(what: str) -> None:
    """Say on standard error that files show patients' images."""
    print(f"{what} patients' images: keep it where the data may be, or use --overlays false.", file=sys.stderr)
