"""Board: everything that leaderboard and report show, computed and drawn once from the runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.leaderboard.run_reading import LeftOut, ListedAudit
from adpfl_bench.leaderboard.table import Table, tabulate
from adpfl_bench.report.client_plot import draw_clients
from adpfl_bench.report.curves import draw_curves
from adpfl_bench.report.gallery import MethodGallery, draw_gallery
from adpfl_bench.report.kept_cases import unreadable
from adpfl_bench.report.noise_plot import draw_noise
from adpfl_bench.report.overlays import draw_overlays, shown_runs
from adpfl_bench.report.patient_plot import draw_patients
from adpfl_bench.report.plot import Picture, Plot
from adpfl_bench.report.privacy_utility_plot import draw_privacy_utility
from adpfl_bench.report.threshold_plot import draw_thresholds


@dataclass(frozen=True)
class Illustrations:
    """The pictures of a group.

    Attributes:
        sections: Plots by name, by the title of the section that they stand in.
        overlays: The same test cases under every method.
        gallery: Each method's best, median and worst test case.
    """

    sections: Mapping[str, Mapping[str, Plot]] = field(default_factory=dict)
    overlays: Picture | None = None
    gallery: Sequence[MethodGallery] = ()

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
    for title, plots in _sections(group, tables):
        for plot in plots.values():
            plot.print(png)
        if plots:
            sections[title] = plots
    return Illustrations(sections, draw_overlays(group) if cases else None, draw_gallery(group) if cases else ())


def _sections(group: Group, tables: Sequence[Table]) -> Iterator[tuple[str, Mapping[str, Plot]]]:
    """Titles, and the plots that stand under each; the next ones are drawn when these are asked for."""
    by_region = {f"-{number}" if len(tables) > 1 else "": table for number, table in enumerate(tables, 1)}
    patients = {f"patients{end}": draw_patients(table) for end, table in by_region.items()}
    yield "Patients", {name: plot for name, plot in patients.items() if plot is not None}
    by_table = {"Privacy and utility": draw_privacy_utility, "Fixed and adaptive thresholds": draw_thresholds}
    for title, draw in by_table.items():
        yield title, {f"{name}{end}": plot for end, table in by_region.items() for name, plot in draw(table).items()}
    yield "Clients", {f"clients{end}": draw_clients(table) for end, table in by_region.items()}
    yield "Rounds", draw_curves(group)
    yield "Clipping and noise", draw_noise(group)


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
    by_group = {group.slug: tabulate(group) for group in groups}
    tables = [table for group in groups for table in by_group[group.slug]]
    illustrations = {group.slug: illustrate(group, by_group[group.slug], cases, png) for group in groups}
    if cases:
        shown = [run for group in groups for _, run in shown_runs(group)]
        left_out = [*left_out, *(LeftOut(run.directory.path, why) for run in shown if (why := unreadable(run)))]
    return Board(groups, tables, left_out, audits, illustrations)
