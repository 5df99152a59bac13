"""The Python example of README.md, executed as it stands."""

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
    assert re.fullmatch(rf"Dice 0\.\d{{3}}, epsilon {epsilon:.3g} per patient at delta 0\.0001", printed)
    assert 0 < epsilon <= 8
