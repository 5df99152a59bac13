"""What the page of a task shows: its tables, plots, test cases and runs, as the template takes them."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from adpfl_bench.leaderboard import statistics_text as texts
from adpfl_bench.leaderboard.formatting import TextTable
from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.leaderboard.hospitals_text import hospital_notes, hospitals_text
from adpfl_bench.leaderboard.markdown import DATA_NOTE
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.statements import privacy_statement
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.report.board import Illustrations
from adpfl_bench.report.plot import Picture, Plot
from adpfl_bench.report.task_summary import best_rows, compared, privacy_kind
from adpfl_bench.text import count

OPEN = ("Patients", "Privacy and utility", "Rounds")
"""Sections of plots that are open when the page is opened; the others are on demand."""

_ORDERED = ("Rounds",)
"""Sections whose plots name their curves in the order in which these end, so that each keeps a key of its own."""

_MOST_RANKS = 10
"""With more methods the page shows no column for each rank; ranking.csv has them."""
_WIDEST, _WEBP_QUALITY = 3600, 75


def view_task(tables: Sequence[Table], illustrations: Illustrations) -> dict[str, Any]:
    """Return what the page of a comparable group shows, as its template takes it."""
    group = tables[0].group
    rows = {row.label: row for row in tables[0].rows}
    variants = group.ordered
    return {
        "slug": group.slug,
        "task": group.task,
        "kind": group.kind,
        "heading": group.heading,
        "data_note": DATA_NOTE.get(group.kind, ""),
        "compared": compared(tables),
        "best": best_rows(tables[0]),
        "summary": None if illustrations.summary is None else _plot(group, "summary", illustrations.summary),
        "tables": [_table(table) for table in tables],
        "ranking": _ranking(rank_regions([table.statistics for table in tables])),
        "privacy": [privacy_statement(variant, rows[variant.label]) for variant in variants],
        "sections": [
            {
                "title": title,
                "id": f"{group.slug}-{number}",
                "open": title in OPEN,
                "table": illustrations.facts.get(title),
                **_section(_plots(group, plots), ordered=title in _ORDERED),
            }
            for number, (title, plots) in enumerate(illustrations.sections.items(), 1)
        ],
        "case_key": illustrations.case_key,
        "overlays": None if illustrations.overlays is None else embedded(illustrations.overlays),
        "gallery": [
            {**vars(gallery), "images": [embedded(picture) for picture in gallery.images]}
            for gallery in illustrations.gallery
        ],
        "runs": _runs(group),
        "versions": [", ".join(f"{name} {version}" for name, version in found) for found in _versions(group)],
    }


def _table(table: Table) -> dict[str, Any]:
    statistics = table.statistics
    return {
        "region": table.region,
        "patients": count(table.rows[0].patients, table.group.subject),
        "text": text_table(table),
        "kinds": [privacy_kind(row) for row in table.rows],
        "notes": [*table_notes(table), *texts.statistics_notes(table)],
        "matrix": _matrix(table) if statistics.comparisons else None,
        "comparisons": texts.comparisons_text(statistics.comparisons),
        "thresholds": texts.thresholds_text(table.thresholds, table.main.title) if table.thresholds else None,
        "ranking": _ranking(statistics.ranking),
        "methods": texts.methods_text(table.benefits),
        "clients": texts.clients_text(table.benefits),
        "benefit_notes": texts.benefit_notes(table.benefits),
        "hospitals": hospitals_text(table) if table.hospitals else None,
        "hospital_notes": hospital_notes(table) if table.hospitals else [],
    }


def _matrix(table: Table) -> dict[str, Any]:
    """Return the matrix of comparisons, each cell with its class: who is higher, and how surely."""
    text = texts.matrix_text(table)
    return {"headings": text.headings, "rows": [[(cell, _cell_class(cell)) for cell in row] for row in text.cells]}


def _cell_class(cell: str) -> str:
    if not cell.endswith(("*", ")")) or cell[0] not in "+-":
        return "open"
    direction = "higher" if cell.startswith("+") else "lower"
    return f"{direction} firm" if cell.endswith(" *") else "at-odds" if cell.endswith("(!)") else direction


def _ranking(rows: Sequence[RankingRow]) -> dict[str, Any] | None:
    if not rows:
        return None
    text: TextTable = texts.ranking_text(rows, distribution=len(rows) <= _MOST_RANKS)
    return {"heading": texts.ranking_heading(rows), "text": text, "notes": texts.ranking_notes(rows)}


def _plots(group: Group, plots: Mapping[str, Plot]) -> list[dict[str, Any]]:
    """The plots of a section; of one that is in pieces these."""
    return [
        _plot(group, f"{name}{end}", piece)
        for name, plot in plots.items()
        for end, piece in [(f"-part{n}", piece) for n, piece in enumerate(plot.pieces, 1)] or [("", plot)]
    ]


def _section(plots: list[dict[str, Any]], ordered: bool) -> dict[str, Any]:
    """A section: key and caption that all of its plots have are said once."""
    keys = [plot["key"] for plot in plots]
    shares_key = len(plots) > 1 and not ordered and all(sorted(key) == sorted(keys[0]) for key in keys)
    captions = {plot["caption"] for plot in plots}
    shares_caption = len(plots) > 1 and len(captions) == 1
    return {
        "plots": [
            {**plot, **({"key": []} if shares_key else {}), **({"caption": ""} if shares_caption else {})}
            for plot in plots
        ],
        "key": keys[0] if shares_key else [],
        "caption": plots[0]["caption"] if shares_caption else "",
    }


def _plot(group: Group, name: str, plot: Plot) -> dict[str, Any]:
    svg = plot.svg(f"{group.slug}-{name}")
    return {"svg": svg, "key": plot.key, "caption": plot.caption, "title": plot.title}


def embedded(picture: Picture) -> dict[str, Any]:
    """Return a picture inside the page, compressed, and made smaller where it is wider than a page shows it."""
    from PIL import Image  # deferred: only pictures need it

    image = Image.open(io.BytesIO(picture.png)).convert("RGB")
    if image.width > _WIDEST:
        image = image.resize((_WIDEST, round(image.height * _WIDEST / image.width)), Image.Resampling.LANCZOS)
    webp = io.BytesIO()
    image.save(webp, format="WEBP", quality=_WEBP_QUALITY, method=4)
    uri = "data:image/webp;base64," + base64.b64encode(webp.getvalue()).decode()
    return {"alt": picture.alt, "caption": picture.caption, "width": image.width, "height": image.height, "uri": uri}


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
            run.verification.state,
            "none" if run.record.digests is None else run.record.digests.chain.head[:10],
            str(run.directory.path),
        ]
        for variant in group.ordered
        for run in variant.runs
    ]


def _revision(text: str) -> str:
    """Ten digits of a git revision, and whether files had changed since."""
    return text.replace("-dirty", "")[:10] + ("-dirty" if text.endswith("-dirty") else "")


def _versions(group: Group) -> list[tuple[tuple[str, str], ...]]:
    """Return the distinct sets of package versions that the runs were made with."""
    runs = [run for variant in group.variants for run in variant.runs]
    return list(dict.fromkeys(tuple(run.record.versions.items()) for run in runs))
