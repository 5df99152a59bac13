"""Seal of a record: the digests by which its parts, and the files beside it, can be checked against each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from adpfl_bench.errors import RecordError
from adpfl_bench.records.digests import file_sha256, json_sha256
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord

DIGESTS = "digests"


def seal(record: RunRecord, directory: RunDirectory, closed: bool) -> None:
    """Bring the digests of a record up to date, before it is written; one from before there were digests gets none.

    Args:
        record: The record.
        directory: Its folder, with the files as they are when it is written.
        closed: Whether nobody writes these files any more. Until then they run ahead of the record.

    Raises:
        RecordError: A file cannot be read.
    """
    digests = record.digests
    if digests is None:
        return
    # Lines of a round may be there before the record counts it.
    digests.chain = digests.chain.until(record.rounds_completed)
    digests.files = {path.name: _digest(path) for path in sealed_files(directory)} if closed else {}
    # As the file will give it back; the text itself, with its indents, takes ten times as long.
    content = record.model_dump(by_alias=True, exclude_unset=True, exclude={DIGESTS})
    digests.fields = field_digests(json.loads(json.dumps(content)))


def sealed_files(directory: RunDirectory) -> Iterator[Path]:
    """Name the files of a run that its record has digests of, as far as they are there."""
    tables = directory.rounds_file, directory.cases_file, directory.partition_file, directory.data_file
    return (path for path in (*tables, directory.journal_file) if path.exists())


def field_digests(content: Mapping[str, Any]) -> dict[str, str]:
    """Hash what stands under each key of run.json, the digests left out."""
    return {key: json_sha256(value) for key, value in content.items() if key != DIGESTS}


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read ({error.strerror}), so the record cannot state its digest."
        ) from error
