"""Images of a run that are replaced by others between one command and the next."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.cli import main
from tests.cli.conftest import Run

RUN = Path("runs/isic/fedavg/seed0")


def make_noise(path: Path) -> None:
    """Put noise of the same size in pixels and bytes in the place of a picture, with the times that it had."""
    status = path.stat()
    with Image.open(path) as image:
        pixels = np.random.default_rng(status.st_size).integers(0, 255, (*image.size[::-1], 3), dtype=np.uint8)
    for quality in range(90, 0, -10):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
        if stream.tell() <= status.st_size:
            break
    path.write_bytes(stream.getvalue().ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size


def test_a_run_does_not_go_on_with_noise(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--data.phantom_directory=own"]
    assert adpfl_bench("fit", *own) == 0
    record = (RUN / "run.json").read_bytes()
    for path in Path("own").rglob("*.jpg"):
        path.touch()
    assert adpfl_bench("test", *own) == 0
    for path in Path("own").rglob("*.jpg"):
        make_noise(path)
    first = min(path.name for path in Path("own").rglob("*.jpg"))
    capsys.readouterr()
    for command in (["fit", "--ckpt_path=last"], ["test"]):
        assert adpfl_bench(*command, *own) == 1
        printed = capsys.readouterr().err
        assert f"{first} of the case {first[:-4]} has another content, as one of 32 files that differ" in printed
        assert "Traceback" not in printed
    assert main(["verify-run", str(RUN), "--score"]) == 1
    assert f"data: they are others now: ISIC-2017_Training_Data/{first} of the case" in capsys.readouterr().out
    assert (RUN / "run.json").read_bytes() != record  # scored once more, on files that were only touched
