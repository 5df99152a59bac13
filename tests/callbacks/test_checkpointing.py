"""A checkpoint that cannot be written leaves the earlier one whole."""

import errno
import io
import os
import resource

import pytest
import torch

from adpfl_bench.callbacks import checkpointing
from adpfl_bench.callbacks.checkpointing import AtomicCheckpointIO
from adpfl_bench.errors import CheckpointError
from tests.processes import Command, finish


def save_on_a_full_disk(arguments):
    """Save a checkpoint that is larger than a file of this process, which is given up, may be."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        AtomicCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.ones(1_000_000)}}, arguments[0])
    except CheckpointError as error:
        print(error)
    return 0


def test_a_disk_that_fills_in_the_middle_leaves_the_earlier_checkpoint_whole(tmp_path):
    path = tmp_path / "run" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"round": 3}, path)
    printed = finish(Command(tmp_path, [str(path)], program=save_on_a_full_disk))
    assert f"last.ckpt could not be written: {os.strerror(errno.EFBIG)}. The one of the round before" in printed
    assert torch.load(path) == {"round": 3}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


class InterruptedFile(io.BytesIO):
    """A file in the middle of which Ctrl-C is pressed."""

    def write(self, data):
        if self.tell() > 100:
            raise KeyboardInterrupt
        return super().write(data)


def test_ctrl_c_in_the_middle_of_a_checkpoint_is_ctrl_c(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointing, "replace_file_by", lambda path, write: write(InterruptedFile()))
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint({"weight": torch.ones(1000)}, tmp_path / "last.ckpt")


def test_what_cannot_be_pickled_is_no_full_disk(tmp_path):
    with pytest.raises(Exception, match="pickle") as caught:
        AtomicCheckpointIO().save_checkpoint({"function": lambda: None}, tmp_path / "last.ckpt")
    assert not isinstance(caught.value, CheckpointError)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_holds_what_torch_would_write(tmp_path):
    weights = {"weight": torch.arange(5.0), "count": torch.tensor(3)}
    AtomicCheckpointIO().save_checkpoint({"state_dict": weights}, tmp_path / "new folder" / "last.ckpt")
    loaded = torch.load(tmp_path / "new folder" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
