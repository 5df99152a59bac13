"""What an offline run of Weights & Biases has written: its own file, parsed."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb.proto import wandb_internal_pb2

BLOCK = 32 * 1024


def records(path: Path) -> Iterator[wandb_internal_pb2.Record]:
    """Read a .wandb file: a 7-byte header, then a log in the format of LevelDB (crc, length, type)."""
    data, position, joined = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        joined += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(joined)
            joined = b""
            yield record


class OfflineRun:
    """A run that has come to its end.

    Args:
        path: Its .wandb file. It is written by a process of its own, which may be behind on a busy machine; its last
            word is the exit.
    """

    def __init__(self, path: Path) -> None:
        deadline = time.monotonic() + 60
        while not any(record.WhichOneof("record_type") == "exit" for record in records(path)):
            assert time.monotonic() < deadline, [record.WhichOneof("record_type") for record in records(path)]
            time.sleep(0.1)
        self.records = list(records(path))
        self.files = path.parent / "files"
        (self.run,) = self.of("run")

    def of(self, kind: str) -> list:
        """All records of a kind, in the order in which they were written."""
        return [getattr(record, kind) for record in self.records if record.WhichOneof("record_type") == kind]

    @property
    def history(self) -> list[dict[str, object]]:
        """What was logged, step after step."""
        return [_values(record.item) for record in self.of("history")]

    @property
    def summary(self) -> dict[str, object]:
        """The run's single numbers, the last of each."""
        return {key: value for record in self.of("summary") for key, value in _values(record.update).items()}

    @property
    def config(self) -> dict[str, object]:
        """The run's configuration."""
        return {key: value for record in self.of("config") for key, value in _values(record.update).items()}

    def table(self, name: str) -> dict[str, list[object]]:
        """A logged table by column."""
        (row,) = [row for row in self.history if f"{name}/path" in row]
        content = json.loads((self.files / str(row[f"{name}/path"])).read_text())
        columns = zip(*content["data"], strict=True) if content["data"] else [()] * len(content["columns"])
        return {column: list(cells) for column, cells in zip(content["columns"], columns, strict=True)}


def _values(items: object) -> dict[str, object]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def without_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing in the environment that could log in or choose a mode, and no run open."""
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "no-netrc-here")
    import wandb

    wandb.finish()  # what another test has left open would be taken up again
