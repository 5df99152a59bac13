"""The commands of docs/own_data.md, executed as they stand, on invented images."""

import csv
import inspect
import json
import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from adpfl_bench import DatasetDescription, TableColumns
from adpfl_bench.cli import main
from tests.own_layouts import pictures, rows_of, table, volumes

PAGE = (Path(__file__).resolve().parents[1] / "docs/own_data.md").read_text()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page takes for granted, small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADPFL_CACHE", "cache")
    polyps = pictures(Path("polyps"), 16)
    described = json.loads((polyps / "dataset.json").read_text())
    (polyps / "dataset.json").write_text(json.dumps({**described, "labels": {"background": 0, "polyp": 1}}))
    table(Path("north.csv"), rows_of(polyps, Path("."))[:4])
    own = {"drawn_by_anna": "mask"}
    rows = rows_of(pictures(Path("ulcers"), 16, values=(1, 2)), Path("."), hospital=["a", "b"], patient=[*"12345678"])
    table(Path("endoscopy.csv"), [{name: row[own.get(name, name)] for name in _renamed(row)} for row in rows])
    volumes(Path("organs"), 12)
    shutil.copytree(polyps / "imagesTr", "new_pictures")
    for name, content in re.findall(r"```yaml file=(\S+)\n(.*?)```", PAGE, flags=re.DOTALL):
        Path(name).write_text(content)
    return tmp_path


def _renamed(row: dict[str, object]) -> list[str]:
    return [{"mask": "drawn_by_anna"}.get(name, name) for name in row]


def test_every_command_runs_as_it_stands(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 10
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "adpfl-bench"
        assert main(words) == 0, line
    printed = capsys.readouterr().out
    assert printed.count("no problems in") == 2
    record = json.loads(Path("runs/endoscopy/adp_fl_quantile/seed0/run.json").read_text())
    assert record["privacy"]["protects"] == "lesion"
    assert [*record["data"]["clients"]] == ["a", "b"]
    with Path("runs/endoscopy/adp_fl_quantile/seed0/cases.csv").open(newline="") as file:
        assert {row["region"] for row in csv.DictReader(file)} == {"lesion", "ulcer"}
    assert len([*Path("masks").glob("*_polyp.png")]) == 16
    assert [*Path("runs/organs/fedavg/seed0/predictions").glob("*.nii.gz")]


def test_every_key_of_the_description_has_its_row() -> None:
    (section,) = re.findall(r"## What `data.description` states\n(.*?)\n## ", PAGE, flags=re.DOTALL)
    assert re.findall(r"^\| `([a-z_]+)` \|", section, flags=re.MULTILINE) == [
        field.name for field in fields(DatasetDescription)
    ]
    (columns,) = re.findall(r"^\| `columns` \|(.*)$", section, flags=re.MULTILINE)
    assert re.findall(r"`([a-z]+)`", columns) == [field.name for field in fields(TableColumns)]
    stated = inspect.getdoc(DatasetDescription) or ""
    assert all(f"{field.name}:" in stated for field in fields(DatasetDescription))
