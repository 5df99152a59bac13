"""Python files of the working directory are not imported by what a benchmark starts; those on PYTHONPATH are."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.grid.engine import LocalEngine
from adpfl_bench.grid.grid import confirmed_trust, read_grid
from adpfl_bench.grid.python_command import python_command
from adpfl_bench.grid.run_files import Attempt
from adpfl_bench.grid.run_state import TrackedRun, inspect_run
from adpfl_bench.grid.scheduler import Scheduler
from adpfl_bench.grid.submitit_engine import make_submitit_engine
from tests.grid.conftest import TOP, wait_until
from tests.grid.fakes import FakeRunJob, planned
from tests.grid.test_benchmark_scheduler import Changes

PLANTED = "from pathlib import Path\nPath({ran!r}).write_text(__name__)\nraise SystemExit('imported ' + __name__)\n"
WriteGrid = Callable[..., str]
NAMES = ("json", "ctypes", "runpy", "torch", "submitit", "cloudpickle", "adpfl_bench", "yaml", "typing_extensions")


@pytest.fixture
def strange_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with files that have the names of modules."""
    folder = tmp_path / "strange"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(PLANTED.format(ran=str(tmp_path / "ran")))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # so that it is put back, whatever sets it
    monkeypatch.delenv("PYTHONSAFEPATH")
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    return folder


def test_processes_of_runs(strange_folder: Path, tmp_path: Path) -> None:
    run = planned(tmp_path)
    run.files.write_attempt(Attempt.now().end("failed", "by another benchmark"))  # so that it trains nothing
    job = LocalEngine(1).start(run, 0)
    wait_until(lambda: job.poll() is not None)
    assert not (tmp_path / "ran").exists(), run.files.log.read_text()
    assert "Traceback" not in run.files.log.read_text()


def test_jobs_of_submitit(strange_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'adpfl-bench[cluster]'")
    monkeypatch.setattr("adpfl_bench.grid.submitit_engine.RunJob", FakeRunJob)
    engine = make_submitit_engine("local", tmp_path / "submitit", {"timeout_min": 5, "cpus_per_task": 1}, slots=1)
    run = planned(tmp_path)
    tracked = [TrackedRun.of(run, inspect_run(run))]
    Scheduler(tracked, engine, Changes(), pause=0.05).run()
    assert not (tmp_path / "ran").exists()
    assert tracked[0].status == "finished"


@pytest.mark.parametrize("version", [(3, 10), (3, 11)])
@pytest.mark.parametrize("own", [False, True])
def test_modules_are_found_on_the_path_alone(
    strange_folder: Path, tmp_path: Path, version: tuple[int, int], own: bool
) -> None:
    if sys.version_info < version:
        pytest.skip("this interpreter does not know the later version's way")
    (tmp_path / "own").mkdir()
    module = (tmp_path / "own" if own else strange_folder) / "mine.py"
    module.write_text("import json, sys\nif __name__ == '__main__': print(sys.argv[1:], json.dumps({}))\n")
    words = [*python_command(version), "-u", "-m", "mine", "a b", "-m"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "own")}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert not (tmp_path / "ran").exists()
    assert (ended.returncode, ended.stdout) == ((0, "['a b', '-m'] {}\n") if own else (1, ""))
    assert own or "No module named mine" in ended.stderr.replace("'", "")


def test_the_command_starts_others_in_the_same_way(strange_folder: Path, tmp_path: Path) -> None:
    code = "import sys; sys.path = sys.path[1:]; from adpfl_bench.cli import main; main(); import os, subprocess;"
    code += "subprocess.run([sys.executable, '-c', 'import json; print(json.__name__)'], check=False)"
    words = [python_command()[0], "-c", code, "--version"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines()[1:] == (["json"] if sys.version_info >= (3, 11) else [])
    assert (tmp_path / "ran").exists() == (sys.version_info < (3, 11))


@pytest.mark.parametrize("key", ["local_setup", "slurm_setup", "slurm_teardown", "slurm_srun_args"])
def test_shell_commands_of_a_grid_have_to_be_trusted(write_grid: WriteGrid, key: str) -> None:
    config = write_grid(slurm={"timeout_min": 5, key: ["touch ran"]})
    assert main(["benchmark", "--config", config, "--engine", "submitit-local", "--dry_run"]) == 1
    assert confirmed_trust(read_grid(config), ["submitit"], config) == ("submitit",)


@pytest.mark.parametrize(
    "parameters",
    [{"slurm_partition": "x\ntouch ran"}, {"slurm_comment": "\r\ntouch ran"}, {"slurm_qos": "a\x00"},
     {"slurm_additional_parameters": {"a\ntouch ran": 1}}, {"slurm_additional_parameters": {"a": "b\ntouch ran"}}],
)  # fmt: skip
def test_a_parameter_is_no_second_line_of_a_script(
    write_grid: WriteGrid, capsys: pytest.CaptureFixture[str], parameters: dict
) -> None:
    assert main(["benchmark", "--config", write_grid(slurm=parameters), "--engine", "slurm"]) == 1
    assert "in grid.yaml must be one line of ordinary letters, but it is" in capsys.readouterr().err
    assert shutil.which("srun") is None or not Path("ran").exists()
