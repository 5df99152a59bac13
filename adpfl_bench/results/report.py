"""The leaderboard as one page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from adpfl_bench.results.comparability import Group, LeftOut, ListedAudit
from adpfl_bench.results.notes import LEGEND, table_notes
from adpfl_bench.results.picture import Picture
from adpfl_bench.results.rendering import DATA_NOTE, text_table
from adpfl_bench.results.statements import privacy_statement
from adpfl_bench.results.table import Table, ordered_variants
from adpfl_bench.results.who_benefits_text import LEGEND as BENEFITS_LEGEND
from adpfl_bench.results.who_benefits_text import benefit_notes, clients_text, methods_text


def to_html(
    tables: Sequence[Table],
    left_out: Sequence[LeftOut],
    pictures: Mapping[str, Mapping[str, Picture]],
    audits: Sequence[ListedAudit] = (),
) -> str:
    """Make a self-contained page: style and pictures are inside it, and nothing is fetched.

    Args:
        tables: All tables.
        left_out: Runs that are in none of them.
        pictures: By group slug, its pictures by title.
        audits: All audits.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # deferred: only the page needs it

    environment = Environment(
        loader=PackageLoader("adpfl_bench.results", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = list({table.group.slug: table.group for table in tables}.values())
    return environment.get_template("report.html.jinja").render(
        groups=[_group(group, [t for t in tables if t.group is group], pictures) for group in groups],
        left_out=[{"folder": str(entry.folder), "reason": entry.reason} for entry in left_out],
        audits=[{"folder": str(entry.folder), "text": entry.text} for entry in audits],
        legend=(*LEGEND, *BENEFITS_LEGEND),
    )


def _group(group: Group, tables: Sequence[Table], pictures: Mapping[str, Mapping[str, Picture]]) -> dict[str, Any]:
    rows = {row.label: row for row in tables[0].rows}
    variants = ordered_variants(group)
    versions = _versions(group)
    return {
        "slug": group.slug,
        "task": group.task,
        "kind": group.kind,
        "heading": group.heading,
        "data_note": DATA_NOTE.get(group.kind, ""),
        "tables": [
            {
                "region": table.region,
                "patients": table.rows[0].patients,
                "text": text_table(table),
                "notes": table_notes(table),
                "methods": methods_text(table.benefits),
                "clients": clients_text(table.benefits),
                "benefit_notes": benefit_notes(table.benefits),
            }
            for table in tables
        ],
        "privacy": [privacy_statement(variant, rows[variant.label]) for variant in variants],
        "pictures": [
            {
                "title": title,
                "uri": "data:image/png;base64," + base64.b64encode(picture.png).decode(),
                "alt": picture.alt,
                "caption": picture.caption,
            }
            for title, picture in pictures.get(group.slug, {}).items()
        ],
        "runs": [
            [
                variant.label,
                str(run.seed),
                str(run.record["rounds_completed"]),
                f"{parameters:,}" if (parameters := run.record["model"].get("parameters")) is not None else "unknown",
                str(run.record["started"]),
                (run.record.get("git_revision") or "unknown").replace("-dirty", "")[:10]
                + ("-dirty" if str(run.record.get("git_revision")).endswith("-dirty") else ""),
                str(run.record.get("config_sha256") or "unknown")[:10],
                str(run.directory.path),
            ]
            for variant in variants
            for run in variant.runs
        ],
        "versions": [", ".join(f"{name} {version}" for name, version in found) for found in versions],
    }


def _versions(group: Group) -> list[tuple[tuple[str, str], ...]]:
    """The distinct sets of package versions that the runs were made with."""
    runs = [run for variant in group.variants for run in variant.runs]
    return list(dict.fromkeys(tuple((run.record.get("versions") or {}).items()) for run in runs))
