"""Board: everything that leaderboard and report show, computed once from the runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.leaderboard.comparability import Group, LeftOut, ListedAudit, compare_runs, find_runs
from adpfl_bench.leaderboard.table import Table, tabulate
from adpfl_bench.report.illustrations import Illustrations, illustrate


@dataclass(frozen=True)
class Board:
    """Tables and pictures of the given runs.

    Attributes:
        groups: The comparable groups.
        tables: Their tables, one for each region.
        left_out: The runs that are in none of them.
        audits: The audits among the runs.
        illustrations: Pictures by group's slug.
    """

    groups: Sequence[Group]
    tables: Sequence[Table]
    left_out: Sequence[LeftOut]
    audits: Sequence[ListedAudit]
    illustrations: dict[str, Illustrations]

    @property
    def shows_patients(self) -> bool:
        """Whether images of real cases are among the pictures."""
        return any(g.kind != "phantom" and self.illustrations[g.slug].shows_cases for g in self.groups)


def make_board(runs: Iterable[Path], cases: bool = True) -> Board:
    """Compare runs, compute their tables and draw them.

    Args:
        runs: Run folders, or folders to search for runs.
        cases: Draw test cases too.

    Raises:
        RecordError: No run was found.
    """
    groups, left_out, audits = compare_runs(find_runs(runs))
    by_group = {group.slug: tabulate(group) for group in groups}
    tables = [table for group in groups for table in by_group[group.slug]]
    illustrations = {group.slug: illustrate(group, by_group[group.slug], cases) for group in groups}
    return Board(groups, tables, left_out, audits, illustrations)
