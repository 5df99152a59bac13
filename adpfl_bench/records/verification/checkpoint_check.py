"""Check of a checkpoint: its run and its rounds, read without torch."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adpfl_bench.privacy.lineage import CHECKPOINT_KEY
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

NAME = "last.ckpt"
_MOST_BYTES = 2**28
"""Of the part of a checkpoint that is no tensor; larger ones are none of this suite."""


def check_checkpoint_record(evidence: Evidence) -> Iterator[Finding]:
    """Compare the last round's checkpoint with the record; a folder without one is passed over."""
    path = evidence.directory.checkpoints / NAME
    if not path.exists():
        return
    record = evidence.record
    try:
        content = plain_content(path)
        lineage, block = content.get(CHECKPOINT_KEY), CheckpointBlock.of(content)
    except (OSError, ValueError, ValidationError) as error:
        yield Finding("checkpoint", f"{NAME} cannot be read ({error})")
        return
    if isinstance(lineage, list) and lineage and record.run:
        run = lineage[-1].get("run") if isinstance(lineage[-1], dict) else None
        if run and run != record.run:
            yield Finding("checkpoint", f"{NAME} is of the run {str(run)[:8]}, and run.json of {record.run[:8]}")
    if not block.model_fields_set:
        yield Finding("checkpoint", f"{NAME} does not say which run wrote it")
    elif (block.task, block.method) != (record.task, record.method):
        other = f"{block.method} on {block.task}"
        yield Finding("checkpoint", f"{NAME} is of {other}, and run.json of {record.method} on {record.task}")
    if record.digests is None or block.chain is None:
        return
    place = block.chain.parts_from(record.digests.chain)
    if place is not None:
        where = f"from round {place} on" if place else "from their start on"
        yield Finding("checkpoint", f"{NAME} and run.json tell of different rounds {where}")


def plain_content(path: Path) -> dict[str, Any]:
    """Read what a checkpoint holds beside tensors, in whose place there is nothing; no code of it is run.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(name).file_size > _MOST_BYTES:
                raise ValueError("it is too large")
            content = _PlainUnpickler(io.BytesIO(archive.read(name))).load()
    except OSError:
        raise
    except Exception as error:  # whatever damaged bytes do to a reader
        raise ValueError(f"it is no checkpoint: {error!r}") from error
    if not isinstance(content, dict):
        raise ValueError("it is no checkpoint")
    return content


class _Nothing:
    """Stands for whatever is not plain: it takes everything, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Nothing:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> _Nothing:
        return self

    def append(self, _: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass


class _PlainUnpickler(pickle.Unpickler):
    """Unpickler that knows dictionaries, lists, texts and numbers, and looks up no class but OrderedDict."""

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Nothing

    def persistent_load(self, _: Any) -> None:
        return None
