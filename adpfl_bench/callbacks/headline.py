"""What a run says of itself before its first round."""

from __future__ import annotations

from pathlib import Path

from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.text import a_few

_CLIENTS = 12  # whose cases are told; partition.csv has all


def headline(record: RunRecord, promise: str, device: object, folder: Path) -> str:
    """Say what is trained on what, and what is promised.

    Args:
        record: The run's record, as it starts.
        promise: What its privacy promises.
        device: Where it is trained.
        folder: The run's folder.
    """
    data = record.data
    sizes = a_few([f"{name} {size.train}" for name, size in data.clients.items()], _CLIENTS)
    return (
        f"{record.task} / {record.method} / seed {record.seed}: {data.cases} {data.kind} cases,"
        f" {len(data.clients)} clients (training cases: {sizes});"
        f" {record.model.parameters:,} parameters on {device}; into {folder}\n"
        f"privacy: {promise}"
    )
