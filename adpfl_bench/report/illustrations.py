"""Illustrations of a comparable group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adpfl_bench.leaderboard.comparability import Group
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.report.client_plot import draw_clients
from adpfl_bench.report.curves import draw_curves
from adpfl_bench.report.gallery import MethodGallery, draw_gallery
from adpfl_bench.report.noise_plot import draw_noise
from adpfl_bench.report.overlays import draw_overlays
from adpfl_bench.report.patient_plot import draw_patients
from adpfl_bench.report.picture import Picture
from adpfl_bench.report.plot import Plot
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


def illustrate(group: Group, tables: Sequence[Table], cases: bool = True) -> Illustrations:
    """Draw a comparable group.

    Args:
        group: The group.
        tables: Its tables, one for each region.
        cases: Draw test cases too.
    """
    by_region = {f"-{number}" if len(tables) > 1 else "": table for number, table in enumerate(tables, 1)}
    patients = {f"patients{end}": draw_patients(table) for end, table in by_region.items()}
    privacy = {f"{name}{end}": p for end, table in by_region.items() for name, p in draw_privacy_utility(table).items()}
    fixed = {f"{name}{end}": p for end, table in by_region.items() for name, p in draw_thresholds(table).items()}
    sections: dict[str, Mapping[str, Plot]] = {
        "Patients": {name: plot for name, plot in patients.items() if plot is not None},
        "Privacy and utility": privacy,
        "Fixed and adaptive thresholds": fixed,
        "Clients": {f"clients{end}": draw_clients(table) for end, table in by_region.items()},
        "Rounds": draw_curves(group),
        "Clipping and noise": draw_noise(group),
    }
    return Illustrations(
        {title: plots for title, plots in sections.items() if plots},
        draw_overlays(group) if cases else None,
        draw_gallery(group) if cases else (),
    )
