"""The built wheel works in an empty folder, YAML files included."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from adpfl_bench.config.config_files import packaged_configs

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(TOP)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_carries_every_module_and_yaml_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(TOP)) for path in (TOP / "adpfl_bench").rglob("*.py")}
    assert modules <= names
    assert {f"adpfl_bench/yaml/{name}" for name in packaged_configs()} <= names
    assert "adpfl_bench/py.typed" in names


def test_installed_wheel_trains_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    program = "import adpfl_bench, sys; from adpfl_bench.cli import main; print(adpfl_bench.__file__); sys.exit(main())"
    arguments = ["fit", "--config", "tasks/isic.yaml", "--config", "callbacks/fedavg.yaml"]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments, "--config", "configs/smoke.yaml"],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(str(site))
    assert (work / "runs/isic/fedavg/seed0/cases.csv").exists()
