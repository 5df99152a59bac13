"""Site files: who acquired which case, as federations publish it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.csv_table import read_table
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few, count, listed

_log = logging.getLogger(__name__)

#: Columns of case and site, by who publishes them so.
_FORMATS: Mapping[str, tuple[str, str]] = {
    "FeTS": ("Subject_ID", "Partition_ID"),
    "Fed-KiTS19, all sites": ("case", "site_id"),
    "Fed-KiTS19, sites of more than ten": ("case_ids", "site_ids"),
}


def read_sites(path: Path) -> dict[str, str]:
    """Read a site file: a partition file of FeTS (``Partition_ID,Subject_ID``) or a site file of FLamby's Fed-KiTS19.

    The format is recognised by the file's header.

    Returns:
        Site by case; numbered sites are called ``site-01`` and so on, as wide as the largest number.

    Raises:
        DataError: The file is missing, has another header, or states two sites for a case.
    """
    rows = read_table(path, [], "The site file")
    header = set(rows[0].values) if rows else set()
    columns = next((names for names in _FORMATS.values() if set(names) <= header), None)
    if columns is None:
        formats = "; ".join(f"{case} and {site} ({name})" for name, (case, site) in _FORMATS.items())
        found = ("the columns " + listed(sorted(header))) if rows else "no rows"
        raise DataError(f"The site file {path} has {found}; expected {formats}.")
    rows = read_table(path, columns, "The site file")
    sites: dict[str, str] = {}
    lines: dict[str, int] = {}
    for row in rows:
        case, site = (row.values[column].strip() for column in columns)
        if sites.setdefault(case, site) != site:
            raise DataError(
                f"The site file {path}, lines {lines[case]} and {row.line}: the case {case} is from the sites"
                f" {sites[case]} and {site}; keep one."
            )
        lines.setdefault(case, row.line)
    width = max((len(site) for site in sites.values() if site.isdigit()), default=0)
    return {case: f"site-{site.zfill(width)}" if site.isdigit() else site for case, site in sites.items()}


def with_sites(cases: Sequence[Case], path: Path) -> list[Case]:
    """Give cases the sites of a site file; those that it does not name are left out, and their number is logged.

    Raises:
        DataError: As :func:`read_sites`; or the file names none of the cases.
    """
    sites = read_sites(path)
    named = [replace(case, site=sites[case.case_id]) for case in cases if case.case_id in sites]
    if not named:
        raise DataError(
            f"The site file {path} names none of the dataset's {count(cases, 'case')}: it has {a_few(list(sites), 2)},"
            f" the dataset has {a_few([case.case_id for case in cases], 2)}; use its own file."
        )
    if len(named) < len(cases):
        _log.warning("%s names %d of %d cases; the others are left out.", path, len(named), len(cases))
    return named
