"""The Python examples of README.md and docs/plain_training.md, executed as they stand."""

import json
import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def test_example_trains_scores_and_reads_its_run_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) < 25
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {"__name__": "example"})
    record = json.loads(Path("runs/mine/run.json").read_text())
    assert (record["status"], record["rounds_completed"]) == ("finished", 2)
    printed = capsys.readouterr().out.splitlines()[-1]
    epsilon = record["privacy"]["accounted"]["epsilon"]
    assert re.fullmatch(rf"Dice 0\.\d{{3}}, epsilon {epsilon:.3g} per image at delta 0\.0001", printed)
    assert 0 < epsilon <= 8


def test_a_module_without_a_federation_is_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = README.parent / "docs/plain_training.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, page.name, "exec"), {"__name__": "example"})
    printed = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"epsilon [78]\.\d\d at delta 0\.001: Gaussian DP", printed)
    assert (tmp_path / "privacy_ledger.json").exists()
