"""The commands of docs/hospitals.md, executed as they stand: three hospitals, over Flower, on this machine."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs/hospitals.md").read_text()
MOST_S = 15 * 60


def blocks(kind: str) -> list[tuple[str, str]]:
    return re.findall(rf"```{kind}(?: file=(\S+))?\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_pages_own_file_is_what_deploy_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read without Flower: the file, and the first commands."""
    from adpfl_bench.cli import main
    from adpfl_bench.deploy.deployment_files import ServerFile

    monkeypatch.chdir(tmp_path)
    for name, content in blocks("yaml"):
        Path(name).write_text(content)
    (_, first), *_ = blocks("sh")
    for line in first.replace("\\\n", " ").splitlines():
        program, *words = line.split()
        assert program == "adpfl-bench"
        assert main(words) == 0
    assert ServerFile.read(Path("trial/server/server.yaml")).hospitals == ("north", "south", "west")


@pytest.mark.skipif(
    importlib.util.find_spec("flwr") is None,
    reason="Flower is not installed: pip install --constraint constraints-deploy.txt '.[deploy]'",
)
def test_three_hospitals_train_a_model_together(tmp_path: Path) -> None:
    for name, content in blocks("yaml"):
        (tmp_path / name).write_text(content)
    script = "\n".join(content for _, content in blocks("sh"))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/adpfl-bench"  # a program, as the page has it, so that what kills its job kills it
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m adpfl_bench "$@"\n')
    command.chmod(0o755)
    commands = os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    walk = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": commands, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = walk.communicate(timeout=MOST_S)
    finally:
        ended = walk.poll() is not None
        with suppress(ProcessLookupError):
            os.killpg(walk.pid, signal.SIGKILL)
            assert not ended, "the page's last commands have left processes behind"
    logs = "\n".join(f"{path}:\n{path.read_text()[-2000:]}" for path in sorted(tmp_path.glob("trial/*/*.log")))
    assert walk.returncode == 0, f"{printed[-4000:]}\n{logs}"
    record = json.loads((tmp_path / "trial/server/run/run.json").read_text())
    assert record["rounds_completed"] == 3
    assert sorted(record["data"]["clients"]) == ["north", "south", "west"]
    assert record["privacy"]["secure"] is True
    assert "In order." in printed
    assert "image with most, by Gaussian DP" in printed
    assert (tmp_path / "trial/tables/leaderboard.md").is_file()
    for name in ("north", "south", "west"):
        own = json.loads((tmp_path / f"trial/{name}/home/run.json").read_text())
        assert own["status"] == "finished"
