"""What a benchmark says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adpfl_bench.grid.display import estimate_from, time_left
from adpfl_bench.grid.estimate import total_text
from adpfl_bench.grid.run_state import last_lines
from adpfl_bench.grid.tracked_run import TrackedRun

_LOG_LINES = 8


def summary(runs: Sequence[TrackedRun]) -> str:
    """Count the runs, and list those that are not finished with their errors and the ends of their logs."""
    counts = Counter(tracked.status for tracked in runs)
    total = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    lines = [f"{len(runs)} run{'s' if len(runs) != 1 else ''}: {total}."]
    for tracked in runs:
        if tracked.status in ("failed", "broken off"):
            log = tracked.run.files.log
            lines.append(f"\n{tracked.run.name} {tracked.status}: {tracked.reason}")
            if tracked.troubled and (found := last_lines(log, _LOG_LINES)):
                lines += [f"  the end of {log}:", *(f"    {line}" for line in found)]
    if counts["failed"]:
        lines.append("\nFailed runs are not tried again unless --retry_failed says so.")
    return "\n".join(lines)


def plan_text(runs: Sequence[TrackedRun], slots: int) -> str:
    """Say how many runs a benchmark would make, and how long that would take."""
    estimate = estimate_from(runs)
    left = [time_left(tracked, estimate) for tracked in runs if tracked.status not in ("finished", "failed")]
    return f"{len(left)} of {len(runs)} runs to make, {slots} at a time; time: {total_text(left, slots)}."
