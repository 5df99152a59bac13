"""What a run says before its first round, and in which order."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from adpfl_bench.cli import main

WATCHED = """
import os
import sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("torch", "lightning"):
            print("importing", name, os.environ.get("OMP_WAIT_POLICY"), file=sys.stderr, flush=True)

            if "--and-no-more" in sys.argv:
                sys.exit("that is enough")

sys.meta_path.insert(0, Watch())
from adpfl_bench.cli import main
status = main()
print("unasked:", *sorted({name.partition(".")[0] for name in sys.modules} & UNASKED), file=sys.stderr)
sys.exit(status)
"""
UNASKED = {"wandb", "tensorboard", "jinja2", "opacus", "dp_accounting", "networkx", "onnx", "submitit", "statsmodels"}
"""What a plain run needs nothing of, and would wait for."""


def in_order(text: str, *starts: str) -> None:
    lines = text.splitlines()
    places = [next((i for i, line in enumerate(lines) if line.startswith(start)), None) for start in starts]
    assert None not in places, (starts, places, text)
    assert places == sorted(places), (starts, places, text)


@pytest.mark.parametrize(
    ("command", "more", "end"),
    [("fit", "--data.batch_size=0", "adpfl-bench: data.batch_size"), ("privacy", "--and-no-more", "that is enough")],
)
def test_a_command_says_that_it_loads_torch_before_it_does(tmp_path: Path, command: str, more: str, end: str) -> None:
    words = [command, "--config", "tasks/isic.yaml", "--data.root", "nowhere", more]
    unset = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    program = [sys.executable, "-c", f"UNASKED = {UNASKED}\n{WATCHED}", *words]
    result = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, env=unset)
    assert result.returncode == 1
    in_order(result.stderr, f"adpfl-bench {command}: loading PyTorch and Lightning ...", "importing", end)
    # Threads that wait for work spin, or not, as is said when torch is loaded.
    assert {line.split()[2] for line in result.stderr.splitlines() if line.startswith("importing")} == {"PASSIVE"}
    assert result.stdout == ""
    if command == "fit":  # which had everything that it needs before it found what is wrong
        assert result.stderr.splitlines()[-1] == "unasked:"


@pytest.mark.parametrize(("task", "prepares"), [("isic", "Decoding images: 32"), ("kits", "Preparing volumes: 16")])
def test_a_run_says_what_it_prepares_before_its_first_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, prepares: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    words = ["--config", f"tasks/{task}.yaml", "--config", "configs/smoke.yaml", "--score=false"]
    log = StringIO()
    with redirect_stdout(log), redirect_stderr(log):
        assert main(["fit", *words, "--federated.rounds=1"]) == 0
    in_order(log.getvalue(), f"Writing the {task} phantom:", prepares, f"{task} / adp_fl / seed 0", "round 1/1")


def test_what_is_there_already_is_not_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "fit",
        "--config",
        "tasks/isic.yaml",
        "--config",
        "configs/smoke.yaml",
        "--score=false",
        "--federated.rounds=1",
    ]
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, "--record.overwrite=true"]) == 0
    captured = capsys.readouterr()
    assert "Writing" not in captured.err
    assert "loading" not in captured.err
