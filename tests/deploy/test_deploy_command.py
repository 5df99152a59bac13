import sys
from pathlib import Path

from adpfl_bench.cli import main

INIT = (
    *("deploy", "init", "trial", "--config", "tasks/isic.yaml", "--config", "callbacks/adp_fl_quantile.yaml"),
    *("--hospital", "north", "--hospital", "south"),
)


def test_files_and_keys_of_a_trial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(INIT) == 0
    assert main(["deploy", "certificates", "trial"]) == 0
    printed = capsys.readouterr().out
    assert "trial/south/node.key" in printed
    assert "a real hospital makes its own key" in printed
    assert {str(path) for path in Path("trial/north").rglob("*") if path.is_file()} == {
        *("trial/north/hospital.yaml", "trial/north/agreement.json", "trial/north/ca.crt", "trial/north/node.key"),
        *("trial/north/agreed/1_isic.yaml", "trial/north/agreed/2_adp_fl_quantile.yaml"),
    }
    server = "--superlink", "127.0.0.1:9"
    for words, sentence in [
        (("node", "trial/north/hospital.yaml", *server, "--insecure", "--key", "k"), "--insecure shows no key"),
        (("certificates", "trial"), "keys are never overwritten"),
        (("certificates", "elsewhere"), "elsewhere/server/server.yaml"),
    ]:
        assert main(["deploy", *words]) == 1
        assert sentence in capsys.readouterr().err


def test_the_command_alone_says_what_there_is(capsys):
    assert main(["deploy"]) == 0
    assert "adpfl-bench deploy init FOLDER" in capsys.readouterr().out


def test_without_flower_a_node_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "flwr", None)
    assert main(INIT) == 0
    assert main(["deploy", "node", "trial/north/hospital.yaml", "--superlink", "127.0.0.1:9"]) == 1
    printed = capsys.readouterr().err
    assert "adpfl-bench[deploy]" in printed or "Python 3.11" in printed
