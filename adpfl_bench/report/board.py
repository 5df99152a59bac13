"""Board: everything that leaderboard and report show, computed and drawn once from the runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.formatting import TextTable
from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.leaderboard.run_reading import LeftOut, ListedAudit
from adpfl_bench.leaderboard.table import Table, tabulate
from adpfl_bench.processors import count_processors, in_parallel
from adpfl_bench.report.client_plot import draw_clients
from adpfl_bench.report.curves import draw_curves
from adpfl_bench.report.gallery import MethodGallery, draw_gallery
from adpfl_bench.report.method_looks import share_looks
from adpfl_bench.report.noise_plot import draw_noise
from adpfl_bench.report.noise_table import tabulate_noise
from adpfl_bench.report.overlays import case_key, draw_overlays, shown_cases
from adpfl_bench.report.patient_plot import draw_patients
from adpfl_bench.report.plot import Picture, Plot
from adpfl_bench.report.plot_key import KeyEntry
from adpfl_bench.report.privacy_utility_plot import draw_privacy_utility
from adpfl_bench.report.reliability_plot import draw_reliability
from adpfl_bench.report.task_summary import draw_summary
from adpfl_bench.report.threshold_plot import draw_thresholds


@dataclass(frozen=True)
class Illustrations:
    """The pictures of a group.

    Attributes:
        sections: Plots by name, by the title of the section that they stand in.
        facts: The table that stands above a section's plots, by the section's title.
        overlays: The same test cases under every method.
        gallery: Each method's best, median and worst test case.
        unread: The runs whose test cases cannot be shown, with the reason.
        summary: All methods of its first region in a small figure, for the index.
        case_key: What the outlines in test cases are.
    """

    sections: Mapping[str, Mapping[str, Plot]] = field(default_factory=dict)
    facts: Mapping[str, TextTable] = field(default_factory=dict)
    overlays: Picture | None = None
    gallery: Sequence[MethodGallery] = ()
    unread: Sequence[LeftOut] = ()
    summary: Plot | None = None
    case_key: Sequence[KeyEntry] = ()

    @property
    def shows_cases(self) -> bool:
        """Whether images of cases are among the pictures."""
        return self.overlays is not None or bool(self.gallery)

    def files(self) -> dict[str, bytes]:
        """PNG files by name."""
        files = {f"{name}.png": plot.png for plots in self.sections.values() for name, plot in plots.items()}
        return files if self.overlays is None else {**files, "overlays.png": self.overlays.png}


def illustrate(group: Group, tables: Sequence[Table], cases: bool = True, png: bool = True) -> Illustrations:
    """Draw a comparable group.

    Args:
        group: The group.
        tables: Its tables.
        cases: Whether to draw test cases too.
        png: Whether plots are wanted as PNG files too.
    """
    sections: dict[str, Mapping[str, Plot]] = {}
    noise = tabulate_noise(group)
    facts = {} if noise is None else {_NOISE: noise}
    for title, plots in _sections(group, tables):
        for plot in plots.values():
            plot.print(png)
        if plots or title in facts:
            sections[title] = plots
    summary = draw_summary(tables[0])
    summary.print(png=False)
    if not cases:
        return Illustrations(sections, facts, summary=summary)
    shown = shown_cases(group)
    unread = [LeftOut(kept.run.directory.path, kept.problem) for _, kept in shown if kept.problem is not None]
    gallery = draw_gallery(group, shown)
    return Illustrations(sections, facts, draw_overlays(group, shown), gallery, unread, summary, case_key(shown))


def _sections(group: Group, tables: Sequence[Table]) -> Iterator[tuple[str, Mapping[str, Plot]]]:
    """Titles, and the plots that stand under each; the next ones are drawn when these are asked for."""
    by_region = {f"-{number}" if len(tables) > 1 else "": table for number, table in enumerate(tables, 1)}
    patients = {f"patients{end}": draw_patients(table) for end, table in by_region.items()}
    yield "Patients", {name: plot for name, plot in patients.items() if plot is not None}
    by_table = {"Privacy and utility": draw_privacy_utility, "Fixed and adaptive thresholds": draw_thresholds}
    for title, draw in by_table.items():
        yield title, {f"{name}{end}": plot for end, table in by_region.items() for name, plot in draw(table).items()}
    calibration = {f"{n}{end}": plot for end, table in by_region.items() for n, plot in draw_reliability(table).items()}
    yield "Calibration", calibration
    yield "Clients", {f"clients{end}": draw_clients(table) for end, table in by_region.items()}
    yield "Rounds", draw_curves(group)
    yield _NOISE, draw_noise(group)


_NOISE = "Clipping and noise"
_FOR_PROCESSES = 40
"""So many rows of tables are worth several processes."""


@dataclass(frozen=True)
class Board:
    """Tables and pictures of the given runs.

    Attributes:
        groups: The comparable groups.
        tables: Their tables, one for each region.
        left_out: The runs that are in none of them, and those whose test cases cannot be shown.
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


def make_board(runs: Iterable[Path], cases: bool = True, png: bool = True) -> Board:
    """Compare runs, compute their tables and draw them.

    Args:
        runs: Run folders, or folders to search for runs.
        cases: Whether to draw test cases too.
        png: Whether plots are wanted as PNG files too.

    Raises:
        RecordError: No run was found.
    """
    groups, left_out, audits = compare_runs(find_runs(runs))
    shown = _shown(share_looks(groups), cases, png)
    unread = [entry for group in shown for entry in group.illustrations.unread]
    return Board(
        [group.group for group in shown],
        [table for group in shown for table in group.tables],
        [*left_out, *unread],
        audits,
        {group.group.slug: group.illustrations for group in shown},
    )


class _Shown(NamedTuple):
    """A group with what is shown of it; what was computed on the way stays with group and tables."""

    group: Group
    tables: Sequence[Table]
    illustrations: Illustrations


def _shown(groups: Sequence[Group], cases: bool, png: bool) -> list[_Shown]:
    """Compute and draw every group; of many methods, in processes that are copies of this one."""
    size = [len(group.regions) * len(group.variants) for group in groups]
    order = sorted(range(len(groups)), key=lambda place: -size[place])  # the longest first: nobody waits for it alone
    workers = min(count_processors(), len(groups)) if sum(size) >= _FOR_PROCESSES else 1
    show, every = partial(_show, cases=cases, png=png), [(place, groups[place]) for place in order]
    found = in_parallel(show, every, "Comparing and drawing", workers, processes=True, bar=workers > 1, forked=True)
    return [shown for _, shown in sorted(((place, shown) for (place, _), shown in found), key=itemgetter(0))]


def _show(numbered: tuple[int, Group], cases: bool, png: bool) -> _Shown:
    _, group = numbered
    tables = tabulate(group)
    return _Shown(group, tables, illustrate(group, tables, cases, png))
