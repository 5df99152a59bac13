"""The names that `from adpfl_bench import ...` gives."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from jsonargparse._util import get_import_path

import adpfl_bench
from adpfl_bench.cli import main

STUB = Path(adpfl_bench.__file__).with_suffix(".pyi")


@pytest.mark.parametrize("name", adpfl_bench.__all__)
def test_every_public_name_is_there_and_documented(name):
    public = getattr(adpfl_bench, name)
    assert public.__name__ == name
    assert public.__doc__
    assert getattr(import_module(public.__module__), name) is public


@pytest.mark.parametrize("name", adpfl_bench.__all__)
def test_configurations_call_a_class_by_its_public_name(name):
    assert get_import_path(getattr(adpfl_bench, name)) == f"adpfl_bench.{name}"


def test_the_public_names_are_those_of_the_stub():
    imports = [node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ImportFrom)]
    names = [alias.asname for node in imports for alias in node.names]
    assert sorted(names) == adpfl_bench.__all__ == dir(adpfl_bench)
    assert len(set(names)) == len(names)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Fedloop"):
        _ = adpfl_bench.Fedloop


def test_the_package_alone_loads_nothing_heavy():
    code = "import adpfl_bench, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "adpfl_bench" in loaded
    assert not {"torch", "lightning", "numpy", "pandas", "jsonargparse", "yaml"} & set(loaded)


def test_a_class_path_of_any_module_means_the_public_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(
        """
        data:
          class_path: adpfl_bench.data.dermoscopy.ISICDataModule
          init_args: {root: somewhere, partition: {class_path: adpfl_bench.data.partition.IIDPartition}}
        model: adpfl_bench.tasks.gone.SkinLesionTask
        """
    )
    option = "--privacy.mechanism=adpfl_bench.noise.GaussianMechanism"
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config", "old.yaml", option, "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    found = (config["data"], config["data"]["init_args"]["partition"], config["model"], config["privacy"]["mechanism"])
    names = ["ISICDataModule", "IIDPartition", "SkinLesionTask", "GaussianMechanism"]
    assert [block["class_path"] for block in found] == [f"adpfl_bench.{name}" for name in names]


def test_a_class_path_of_no_public_name_is_left_alone(capsys):
    words = ["--config", "tasks/isic.yaml", "--data.root=here", "--data.partition=adpfl_bench.gone.OwnPartition"]
    assert main(["fit", *words]) == 1
    assert (
        "(adpfl_bench.gone.OwnPartition is none); possible are adpfl_bench.DirichletPartition"
        in capsys.readouterr().err
    )
