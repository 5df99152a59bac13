"""What bad records of runs are given to: tables of several runs, what a run has spent, and the pictures it kept."""

from pathlib import Path

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.latex import to_latex
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.spent import read_spent
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence
from adpfl_bench.report.board import make_board
from adpfl_bench.report.gallery import draw_gallery
from adpfl_bench.report.overlays import draw_overlays, shown_cases
from adpfl_bench.report.page import to_html
from tests.corpus.kind import Answer, Ask

RUN = "dp"
"""Of the three methods of the good runs the one whose files are damaged."""


def tables() -> Ask:
    """Return all that ``leaderboard`` computes but the pictures; the value is its files' text by name.

    A run that is left out is refused, with the reason as the sentence; the other two must be in the tables.
    """

    def answer(root: Path) -> Answer:
        compared = compare_runs(find_runs([root]))
        found = [table for group in compared.groups for table in tabulate(group)]
        files = {
            "leaderboard.md": to_markdown(found, compared.left_out, compared.audits),
            "leaderboard.tex": to_latex(found),
            "report.html": to_html(found, compared.left_out, {}),
            **csv_files(found),
        }
        labels = {row.label for table in found for row in table.rows}
        assert {"fedavg", "adp_fl"} <= labels, f"the other runs are not in the tables, but {labels}"
        reasons = [entry.reason for entry in compared.left_out if entry.folder.name == RUN]
        return Answer(bool(reasons), " ".join(reasons), files)

    return Ask("leaderboard", "runs", answer)


def verified() -> Ask:
    """Return ``verify-run`` of one run; what it finds refuses it."""

    def answer(root: Path) -> Answer:
        found = verify_evidence(Evidence.of(RunDirectory(root / RUN)))
        return Answer(bool(found.findings), found.text, found)

    return Ask("verify-run", "runs", answer)


def rounds() -> Ask:
    """Return the reader of rounds.csv; the value is its lines."""
    return Ask("rounds.csv", "runs", lambda root: Answer(False, "", RunDirectory(root / RUN).read_rounds()))


def spent() -> Ask:
    """Return ``privacy RUN`` of the trained run; the value is its account."""
    return Ask("privacy RUN", "trained", lambda root: Answer(False, "", read_spent(root / "run")))


def pictures() -> Ask:
    """Return what draws test cases; the value is the gallery and the overlays of each group."""

    def answer(root: Path) -> Answer:
        groups = compare_runs(find_runs([root])).groups
        read = [shown_cases(group) for group in groups]
        drawn = [
            (draw_gallery(group, shown), draw_overlays(group, shown)) for group, shown in zip(groups, read, strict=True)
        ]
        shown = [kept for of_group in read for _, kept in of_group if kept.run.directory.path.name == RUN]
        reasons = [kept.problem for kept in shown if kept.problem is not None]
        return Answer(bool(reasons), " ".join(reasons), drawn)

    return Ask("report's test cases", "runs", answer)


def page() -> Ask:
    """Return ``report`` as a whole; the value is the page.

    What cannot be shown of the run is refused where the page says why.
    """

    def answer(root: Path) -> Answer:
        board = make_board([root])
        html = to_html(board.tables, board.left_out, board.illustrations, board.audits)
        reasons = [entry.reason for entry in board.left_out if entry.folder.name == RUN]
        return Answer(bool(reasons), " ".join(reasons), html)

    return Ask("report", "runs", answer)
