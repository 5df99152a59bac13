"""What a hospital is told before anything is joined; that a run in order is one, hospitals and their server show."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from adpfl_bench.cli import main

SMALL = """
method: adp_fl_quantile
model: {init_args: {network_arguments: {channels: [4, 8], strides: [2]}}}
data: {init_args: {image_size: [32, 32], batch_size: 4}}
federated: {rounds: 3}
privacy: {secure: true}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hospital's folder, with data and an account that has room."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.yaml").write_text(SMALL)
    config = ["tasks/isic.yaml", "callbacks/adp_fl_quantile.yaml", str(folder / "small.yaml")]
    words = [word for name in config for word in ("--config", name)]
    assert main(["deploy", "init", str(folder / "trial"), *words, "--hospital", "north"]) == 0
    north = folder / "trial/north"
    assert main(["phantom", "isic", "--output", str(north / "data"), "--cases", "16", "--image_size", "[48,64]"]) == 0
    assert main(["account", "create", str(north / "account"), "--epsilon", "9", "--delta", "1e-4"]) == 0
    change(north / "hospital.yaml", "account: null", "account: account")
    return north


@pytest.fixture
def hospital(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, tmp_path / "north"))


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def check(hospital: Path, capsys: pytest.CaptureFixture[str], status: int) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["deploy", "check", str(hospital / "hospital.yaml"), "--workers", "1"]) == status
    return capsys.readouterr()


def test_a_run_that_is_in_order(hospital: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = check(hospital, capsys, 0)
    agreed = json.loads((hospital / "agreement.json").read_text())
    assert f"configuration  {agreed['configuration']}" in out
    assert "no problems in 16 cases" in out
    assert "would spend    epsilon 7.9" in out
    assert "from 0 to 7.9" in out  # of the account
    assert out.endswith("In order.\n")
    assert not (hospital / "home").exists()  # nothing is joined


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            lambda north: change(north / "agreement.json", '"adpfl_bench": "', '"adpfl_bench": "9'),
            "install the same.",
        ),
        (
            lambda north: change(north / "agreed/3_small.yaml", "rounds: 3", "rounds: 4"),
            "the files in agreed/, or settings in hospital.yaml, are others.",
        ),
        (
            lambda north: (
                change(north / "agreed/3_small.yaml", "secure: true", "secure: false"),
                change(north / "hospital.yaml", "account: account", "account: null"),
            ),
            "takes part with privacy.secure: true alone",
        ),
        (
            lambda north: change(north / "hospital.yaml", "epsilon: 8", "epsilon: 4"),
            "Hospital north requires epsilon of at most 4, but the run would come to 7.9",
        ),
        (
            lambda north: change(north / "hospital.yaml", "epsilon: 8", "epsilon: 8\n  delta: 1.0e-6"),
            "Hospital north requires epsilon of at most 8, but the run would come to 9.951 at delta 1e-06",
        ),
        (
            lambda north: next(iter((north / "data").rglob("*.jpg"))).write_bytes(b"no"),
            "data of hospital north are not in order",
        ),
    ],
    ids=["version", "configuration", "noise", "epsilon", "delta", "data"],
)
def test_what_is_not_in_order_is_said_before_anything_is_joined(
    hospital: Path, capsys: pytest.CaptureFixture[str], wrong: Callable[[Path], object], sentence: str
) -> None:
    wrong(hospital)
    out, err = check(hospital, capsys, 1)
    assert sentence in err
    assert "Not in order: " in out
    assert not (hospital / "home").exists()
