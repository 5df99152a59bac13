"""Check of the calibration: the error that is stated is that of the bins, and the bins are possible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adpfl_bench.metrics.functional.reliability import BINS
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.verification.finding import Finding

_ROUNDED = 1e-6


def impossible_calibration(record: RunRecord) -> Iterator[Finding]:
    """Find bins that no sample can have, and an error that is not theirs."""
    ends = np.arange(BINS + 1) / BINS
    for block in record.calibration:
        if {len(block.counts), len(block.sums), len(block.positives)} != {BINS}:
            yield Finding("scores", f"the calibration of {block.region} has not {BINS} bins")
            continue
        found = block.reliability
        low, high = found.counts * ends[:-1], found.counts * ends[1:]
        slack = _ROUNDED * (found.counts + 1)
        possible = (found.counts >= 0) & (found.positives >= 0) & (found.positives <= found.counts)
        possible &= (found.sums >= low - slack) & (found.sums <= high + slack)
        if not possible.all():
            place = int(np.argmin(possible)) + 1
            yield Finding("scores", f"the calibration of {block.region} has an impossible bin, number {place}")
        elif not abs(found.error - block.error) <= _ROUNDED:
            text = f"the calibration error of {block.region} is {block.error:g}, but that of its bins {found.error:g}"
            yield Finding("scores", text)
