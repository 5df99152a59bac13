"""Page of the leaderboard, which needs nothing beside it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from adpfl_bench.leaderboard.comparability import Group, LeftOut, ListedAudit
from adpfl_bench.leaderboard.formatting import TextTable
from adpfl_bench.leaderboard.markdown import DATA_NOTE
from adpfl_bench.leaderboard.notes import LEGEND, table_notes
from adpfl_bench.leaderboard.overview import OVERVIEW, OVERVIEW_NOTE, make_overviews
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.statements import privacy_statement
from adpfl_bench.leaderboard.statistics_text import LEGEND as STATISTICS_LEGEND
from adpfl_bench.leaderboard.statistics_text import (
    comparisons_text,
    matrix_text,
    ranking_heading,
    ranking_notes,
    ranking_text,
    statistics_notes,
)
from adpfl_bench.leaderboard.table import Table, by_group, ordered_variants
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.leaderboard.thresholds_text import LEGEND as THRESHOLDS_LEGEND
from adpfl_bench.leaderboard.thresholds_text import thresholds_text
from adpfl_bench.leaderboard.who_benefits_text import LEGEND as BENEFITS_LEGEND
from adpfl_bench.leaderboard.who_benefits_text import benefit_notes, clients_text, methods_text
from adpfl_bench.report.gallery import to_webp
from adpfl_bench.report.illustrations import Illustrations
from adpfl_bench.report.picture import Picture

_MOST_RANKS = 10
"""With more methods the page shows no column for each rank; ranking.csv has them."""


def to_html(
    tables: Sequence[Table],
    left_out: Sequence[LeftOut],
    illustrations: Mapping[str, Illustrations],
    audits: Sequence[ListedAudit] = (),
) -> str:
    """Make a self-contained page: style and pictures are inside it, and nothing is fetched.

    Args:
        tables: All tables.
        left_out: Runs that are in none of them.
        illustrations: Pictures by group slug.
        audits: All audits.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # deferred: only the page needs it

    environment = Environment(
        loader=PackageLoader("adpfl_bench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    groups = by_group(tables)
    return environment.get_template("report.html.jinja").render(
        groups=[_group(of_group, illustrations.get(of_group[0].group.slug, Illustrations())) for of_group in groups],
        overviews=make_overviews(tables),
        overview_heading=OVERVIEW,
        overview_note=OVERVIEW_NOTE,
        left_out=[{"folder": str(entry.folder), "reason": entry.reason} for entry in left_out],
        audits=[{"folder": str(entry.folder), "text": entry.text} for entry in audits],
        legend=(*LEGEND, *STATISTICS_LEGEND, *THRESHOLDS_LEGEND, *BENEFITS_LEGEND),
    )


def _breakable(text: str) -> Markup:
    """A name that may go on in the next line after an underscore or a plus."""
    return Markup(re.sub(r"([_+])(?=.)", r"\1<wbr>", str(escape(text))))


def _group(tables: Sequence[Table], illustrations: Illustrations) -> dict[str, Any]:
    group = tables[0].group
    rows = {row.label: row for row in tables[0].rows}
    variants = ordered_variants(group)
    return {
        "slug": group.slug,
        "task": group.task,
        "kind": group.kind,
        "heading": group.heading,
        "data_note": DATA_NOTE.get(group.kind, ""),
        "tables": [_table(table) for table in tables],
        "ranking": _ranking(rank_regions([table.statistics for table in tables])),
        "privacy": [privacy_statement(variant, rows[variant.label]) for variant in variants],
        "sections": [
            {"title": title, "id": f"{group.slug}-{number}", "plots": _plots(group, plots)}
            for number, (title, plots) in enumerate(illustrations.sections.items(), 1)
        ],
        "overlays": None if illustrations.overlays is None else _embedded(illustrations.overlays),
        "gallery": [
            {
                "label": gallery.label,
                "caption": gallery.caption,
                "images": [vars(i) | _uri(i.webp) for i in gallery.images],
            }
            for gallery in illustrations.gallery
        ],
        "runs": _runs(group),
        "versions": [", ".join(f"{name} {version}" for name, version in found) for found in _versions(group)],
    }


def _table(table: Table) -> dict[str, Any]:
    statistics = table.statistics
    return {
        "region": table.region,
        "patients": table.rows[0].patients,
        "text": text_table(table),
        "notes": [*table_notes(table), *statistics_notes(table)],
        "matrix": _matrix(table) if statistics.comparisons else None,
        "comparisons": comparisons_text(statistics.comparisons),
        "thresholds": thresholds_text(table.thresholds, table.main.title) if table.thresholds else None,
        "ranking": _ranking(statistics.ranking),
        "methods": methods_text(table.benefits),
        "clients": clients_text(table.benefits),
        "benefit_notes": benefit_notes(table.benefits),
    }


def _matrix(table: Table) -> dict[str, Any]:
    """The matrix of comparisons, each cell with its class: who is higher, and how surely."""
    text = matrix_text(table)
    return {"headings": text.headings, "rows": [[(cell, _cell_class(cell)) for cell in row] for row in text.cells]}


def _cell_class(cell: str) -> str:
    if not cell.endswith(("*", ")")) or cell[0] not in "+-":
        return "open"
    direction = "higher" if cell.startswith("+") else "lower"
    return f"{direction} firm" if cell.endswith(" *") else "at-odds" if cell.endswith("(!)") else direction


def _ranking(rows: Sequence[RankingRow]) -> dict[str, Any] | None:
    if not rows:
        return None
    text: TextTable = ranking_text(rows, distribution=len(rows) <= _MOST_RANKS)
    return {"heading": ranking_heading(rows), "text": text, "notes": ranking_notes(rows)}


def _plots(group: Group, plots: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"svg": plot.svg(f"{group.slug}-{name}"), "caption": plot.caption, "title": plot.title}
        for name, plot in plots.items()
    ]


def _embedded(picture: Picture) -> dict[str, Any]:
    webp, width, height = to_webp(picture.png)
    return {"alt": picture.alt, "caption": picture.caption, "width": width, "height": height, **_uri(webp)}


def _uri(webp: bytes) -> dict[str, str]:
    return {"uri": "data:image/webp;base64," + base64.b64encode(webp).decode()}


def _runs(group: Group) -> list[list[str]]:
    """What was run: a line for each run."""
    return [
        [
            variant.label,
            str(run.seed),
            str(run.record.rounds_completed),
            "unknown" if run.record.model.parameters is None else f"{run.record.model.parameters:,}",
            run.record.started,
            _revision(run.record.git_revision or "unknown"),
            (run.record.config_sha256 or "unknown")[:10],
            str(run.directory.path),
        ]
        for variant in ordered_variants(group)
        for run in variant.runs
    ]


def _revision(text: str) -> str:
    """Ten digits of a git revision, and whether files had changed since."""
    return text.replace("-dirty", "")[:10] + ("-dirty" if text.endswith("-dirty") else "")


def _versions(group: Group) -> list[tuple[tuple[str, str], ...]]:
    """The distinct sets of package versions that the runs were made with."""
    runs = [run for variant in group.variants for run in variant.runs]
    return list(dict.fromkeys(tuple(run.record.versions.items()) for run in runs))
