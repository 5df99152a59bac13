"""Check of the data's contents: the digests of their files against the root that the record states."""

from __future__ import annotations

from collections.abc import Iterator

from adpfl_bench.errors import RecordError
from adpfl_bench.records.file_digests import ALGORITHM, contents_root
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding
from adpfl_bench.text import count


def check_contents(evidence: Evidence) -> Iterator[Finding]:
    """Compute the root of data.csv again; a folder without it, or another version's tree, is passed over."""
    stated = evidence.record.data.contents
    if stated is None or stated.algorithm != ALGORITHM or not evidence.directory.data_file.exists():
        return
    try:
        files = evidence.directory.read_data()
    except RecordError as error:
        yield Finding("data", str(error))
        return
    if (found := contents_root(files)) != stated.root:
        yield Finding("data", f"the root of data.csv is {found[:8]}, but run.json states {stated.root[:8]}")
    sizes = {row.file: row.size for row in files}
    if len(sizes) != stated.files:
        yield Finding("data", f"data.csv has {count(len(sizes), 'file')}, but run.json states {stated.files:,}")
    if (total := sum(sizes.values())) != stated.bytes:
        yield Finding(
            "data", f"the files of data.csv have {count(total, 'byte')}, but run.json states {stated.bytes:,}"
        )
    try:
        partition = evidence.partition
    except RecordError:  # another check says so
        return
    if partition is None:
        return
    if unknown := sorted(partition.case.places.keys() ^ {row.case for row in files}):
        yield Finding("data", f"{unknown[0]} is a case of one of data.csv and partition.csv, and not of the other")
        return
    tested = contents_root(row for row in files if partition.split[partition.case.places[row.case]] == "test")
    if tested != stated.test_root:
        yield Finding(
            "data",
            f"the root of the test cases in data.csv is {tested[:8]}, but run.json states {stated.test_root[:8]}",
        )
