"""Draws docs/images/modalities.png: python -m docs.sheets.modalities_sheet RUNS.

The runs are those of tasks/ham10000.yaml, kits.yaml and brats.yaml with configs/phantom.yaml, each method under seed 0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.report.overlays import OverlayRow, draw_rows, overlay_rows, shown_cases


def draw_groups(groups: Sequence[Group], cases: int = 1) -> bytes:
    """Draw the first cases of several groups under each other, as a PNG.

    Args:
        groups: Comparable runs of the same methods, as ``compare_runs`` returns them.
        cases: Cases of each group.

    Raises:
        RecordError: A group kept no case, or has other methods than the first.
    """
    rows: list[OverlayRow] = []
    for group in groups:
        of_group, _ = overlay_rows(shown_cases(group), cases)
        if not of_group or (rows and list(of_group[0].predictions) != list(rows[0].predictions)):
            raise RecordError(f"{group.heading} has no example cases of the same methods as the other groups.")
        rows += of_group
    return draw_rows(rows)


if __name__ == "__main__":
    found, *_ = compare_runs(find_runs([Path(sys.argv[1])]))
    picture = draw_groups(sorted(found, key=lambda group: "hkb".index(group.task[0])))
    Path("docs/images/modalities.png").write_bytes(picture)
