import sys
from pathlib import Path

import pytest
import yaml

from adpfl_bench.deploy.deployment_files import HospitalFile, ServerFile
from adpfl_bench.deploy.starting_files import StartingFiles
from adpfl_bench.errors import ConfigError

CONFIG = ["tasks/isic.yaml", "callbacks/adp_fl_quantile.yaml", "own.yaml"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("federated: {rounds: 3}\n")
    StartingFiles(["north", "Süd 2"], CONFIG, "127.0.0.1:8000").write(Path("trial"), "{}")
    return tmp_path / "trial"


def test_server_and_hospitals_read_what_is_written(folder: Path) -> None:
    server = ServerFile.read(folder / "server/server.yaml")
    north = HospitalFile.read(folder / "north/hospital.yaml")
    south = HospitalFile.read(folder / "Süd 2/hospital.yaml")
    assert server.hospitals == (north.name, south.name) == ("north", "Süd 2")
    assert north.home == folder / "north/home"
    assert north.data["root"] == str(folder / "north/data")
    for read, place in ((server, "server"), (north, "north"), (south, "Süd 2")):
        assert list(read.config) == [
            str(folder / place / "agreed" / name) for name in ("1_isic.yaml", "2_adp_fl_quantile.yaml", "3_own.yaml")
        ]
        assert (folder / place / "agreement.json").read_text() == "{}"
        assert Path(read.config[2]).read_text() == "federated: {rounds: 3}\n"


@pytest.mark.parametrize(("name", "kind"), [("server/server.yaml", ServerFile), ("north/hospital.yaml", HospitalFile)])
def test_every_key_is_there_with_a_comment(folder: Path, name: str, kind: type[ServerFile | HospitalFile]) -> None:
    text = (folder / name).read_text()
    assert {*yaml.safe_load(text)} | {"test_noise"} == {*kind.model_fields} | {"test_noise"}
    lines = text.splitlines()
    for key in kind.model_fields:
        line = next(number for number, line in enumerate(lines) if line.removeprefix("# ").startswith(f"{key}:"))
        before = next(line for line in reversed(lines[:line]) if not line or line.startswith("#"))
        assert before.startswith("#") or key in ("pause",), key


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has read TOML since 3.11")
def test_the_app_is_a_shell_that_calls_the_installed_package(folder: Path) -> None:
    import tomllib

    app = folder / "server/app"
    stated = tomllib.loads((app / "pyproject.toml").read_text())
    assert stated["tool"]["flwr"]["app"]["config"]["server-file"] == str(folder / "server/server.yaml")
    assert stated["project"]["license"] == {"file": "LICENSE"}
    assert stated["tool"]["flwr"]["app"]["fab-format-version"] == 1
    for side in ("client", "server"):
        module, _, name = stated["tool"]["flwr"]["app"]["components"][f"{side}app"].partition(":")
        text = (app / f"{module.replace('.', '/')}.py").read_text()
        assert f"from adpfl_bench.deploy import flower_{side}\n\n{name} = flower_{side}.app\n" in text
    config = tomllib.loads((folder / "server/flwr/config.toml").read_text())
    assert config["superlink"]["trial"]["address"] == "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("hospitals", "config", "sentence"),
    [
        (["a", "a"], CONFIG, "told apart by their names, but they are a, a"),
        (["server"], CONFIG, "'server', which is the folder of the server"),
        (["a/b"], CONFIG, "'a/b', which is no folder's"),
        ([" "], CONFIG, "which has a space at an end"),
        (["a"], ["tasks/nowhere.yaml"], "There is no configuration file"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, hospitals, config, sentence):
    (tmp_path / "own.yaml").write_text("{}")
    config = [str(tmp_path / name) if name == "own.yaml" else name for name in config]
    with pytest.raises(ConfigError, match=sentence):
        StartingFiles(hospitals, config, "127.0.0.1:8000").write(tmp_path / "trial", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]


def test_a_superlink_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--superlink is host:port"):
        StartingFiles(["a"], CONFIG[:2], "nowhere").write(tmp_path / "trial", "{}")


def test_nothing_is_overwritten(folder: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        StartingFiles(["north"], CONFIG, "127.0.0.1:8000").write(Path("trial"), "{}")
