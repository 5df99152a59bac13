"""Weights & Biases without an account: what the offline run's own file holds."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb.proto import wandb_internal_pb2

from adpfl_bench.loggers import RunWandbLogger
from tests.cli.conftest import Run

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


@pytest.fixture
def logged(adpfl_bench: Run, monkeypatch: pytest.MonkeyPatch) -> list[wandb_internal_pb2.Record]:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "no-netrc-here")
    import wandb

    wandb.finish()  # what another test has left open would be taken up again
    assert adpfl_bench("fit", "--config", "configs/wandb.yaml", "--seed_everything=5", method="dp_fl") == 0
    wandb.finish()
    (path,) = Path("runs/isic/dp_fl/seed5/wandb").glob("offline-run-*/*.wandb")
    # The file is written by a process of its own, which may be behind on a busy machine; its last word is the exit.
    deadline = time.monotonic() + 60
    while not any(record.WhichOneof("record_type") == "exit" for record in records(path)):
        assert time.monotonic() < deadline, [record.WhichOneof("record_type") for record in records(path)]
        time.sleep(0.1)
    return list(records(path))


def values(record: wandb_internal_pb2.Record) -> dict[str, object]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}


def test_offline_run_is_named_and_holds_curves_tables_and_images(logged: list[wandb_internal_pb2.Record]) -> None:
    (run,) = {
        (record.run.run_group, record.run.job_type, record.run.project)
        for record in logged
        if record.WhichOneof("record_type") == "run"
    }
    assert run == ("isic/dp_fl", "seed5", "adpfl-bench")
    history = [values(record) for record in logged if record.WhichOneof("record_type") == "history"]
    curves = [row for row in history if "val_dice" in row]
    assert [row["round"] for row in curves] == [1, 2]
    for name in ("train_loss", "epsilon", "val_dice/client-1", "clipping_threshold/client-4", "noise_scale/client-2"):
        assert all(isinstance(row[name], float | int) for row in curves), name
    keys = {key for row in history for key in row}
    assert "test/cases/nrows" in keys
    assert "test/examples/count" in keys
    assert "test/examples/all_masks" in keys


def test_logger_stays_offline_without_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr("adpfl_bench.loggers._logged_in", lambda: False)
    assert RunWandbLogger(save_dir=tmp_path)._wandb_init["mode"] == "offline"
    monkeypatch.setattr("adpfl_bench.loggers._logged_in", lambda: True)
    assert RunWandbLogger(save_dir=tmp_path)._wandb_init.get("mode") is None
