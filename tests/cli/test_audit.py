"""An audit through the command line: what it trains, where, what it prints and records, and how it ends."""

import json
import re
import shutil
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from tests.cli.conftest import Run

FEW = ["--audit.canaries=30", "--federated.rounds=1"]


def found(run: Path) -> dict:
    return json.loads((run / "run.json").read_text())["privacy"]["audited"]


def test_an_honest_method_is_consistent(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("audit", *FEW, "--seed_everything=3", method="dp_fl_record") == 0
    printed = capsys.readouterr().out
    run = Path("runs/isic/dp_fl_record/audit-seed3")
    assert f"recorded in {run}" in printed
    assert "round 1/1" in printed  # the progress of a fit
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "trained"
    assert record["seed"] == 3
    assert record["data"]["canaries"]["count"] == 30
    audited = record["privacy"]["audited"]
    smallest = min(record["data"]["clients"], key=lambda name: record["data"]["clients"][name]["train"])
    assert audited["client"] == record["data"]["canaries"]["client"] == smallest
    assert audited["included"] == record["data"]["canaries"]["included"]
    assert audited["accounted"] == record["privacy"]["accounted"]["by_client"][smallest] == pytest.approx(8, abs=0.01)
    assert 0 <= audited["epsilon"] <= audited["ceiling"] < audited["accounted"]
    assert (audited["confidence"], audited["delta"], audited["canaries"]) == (0.95, 1e-4, 30)
    assert audited["correct"] <= audited["guesses"] <= 30
    assert set(audited["checks"]) == {
        "noise scale",
        "noise independence",
        "sensitivity",
        "threshold",
        "sampling",
        "release count",
        "ledger",
        "use of releases",
        "weights",
    }
    assert all(check["passed"] for check in audited["checks"].values())
    assert audited["verdict"] == "consistent"
    for text in (f"audited epsilon    {audited['epsilon']:.3f}", "noise scale        passed", "consistent"):
        assert text in printed
    # A second audit must not replace the first unasked, nor be one with it.
    assert adpfl_bench("audit", *FEW, "--seed_everything=3", method="dp_fl_record") == 1
    assert "already holds a run" in capsys.readouterr().err
    assert adpfl_bench("audit", *FEW, "--ckpt_path=last", method="dp_fl_record") == 1
    assert "must see every release of its run: start it anew" in capsys.readouterr().err


def test_without_privacy_the_bound_is_the_ceiling_in_2d_and_3d(
    adpfl_bench: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    for task in ("isic", "kits"):
        arguments = ["--audit.delta=1e-5", "--audit.guesses=30", "--audit.client=client-2"]
        assert adpfl_bench("audit", *FEW, *arguments, task=task) == 0
        audited = found(Path(f"runs/{task}/fedavg/audit-seed0"))
        assert (audited["correct"], audited["client"], audited["accounted"]) == (30, "client-2", None)
        assert audited["epsilon"] == audited["ceiling"] == pytest.approx(2.25, abs=0.01)


def test_a_broken_mechanism_ends_with_status_1(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = GaussianMechanism.sample
    monkeypatch.setattr(
        GaussianMechanism, "sample", lambda self, size, scale, source: sample(self, size, scale / 2, source)
    )
    assert adpfl_bench("audit", *FEW, "--privacy.mechanism=GaussianMechanism", method="adp_fl_quantile") == 1
    printed = capsys.readouterr().out
    half = r"0\.(4[5-9]\d*|5([0-5]\d*)?)"
    assert re.search(rf"noise scale        FAILED \(the noise has {half} times the stated scale", printed)
    assert "verdict            check failed" in printed
    assert found(Path("runs/isic/adp_fl_quantile/audit-seed0"))["checks"]["noise scale"]["passed"] is False


def test_a_published_rule_is_accounted_as_none(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("audit", *FEW, method="adp_fl") == 0
    printed = capsys.readouterr().out
    assert "accounted epsilon  none" in printed
    assert "threshold          not applicable (the clipping threshold is a raw percentile" in printed
    assert found(Path("runs/isic/adp_fl/audit-seed0"))["epsilon"] > 1


def test_an_audit_is_no_row_but_a_figure_in_one(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("audit", *FEW, "--score=true", method="dp_fl_record") == 0
    assert not Path("runs/isic/dp_fl_record/audit-seed0/cases.csv").exists()
    assert adpfl_bench("fit", "--federated.rounds=1", method="dp_fl_record") == 0
    capsys.readouterr()
    assert main(["leaderboard", "runs"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "audit-seed0" in line]
    assert len(lines) == 1
    assert "audit of dp_fl_record on isic (client client-" in lines[0]
    assert lines[0].endswith("; in the row of dp_fl_record")
    table = Path("results/leaderboard.md").read_text()
    assert re.search(r"^\| dp_fl_record \|.*\| >= \d\.\d\d \(95 %, 30 canaries\) \|", table, flags=re.MULTILINE)
    # The next run finds the audit beside it.
    assert adpfl_bench("fit", "--federated.rounds=1", "--seed_everything=1", method="dp_fl_record") == 0
    assert re.search(r"accounted .*, audited >= \d\.\d\d \(95 %, 30 canaries\)", capsys.readouterr().out)


def test_whole_clients_are_canaries_where_they_are_protected(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adpfl_bench("audit", *FEW, method="client_dp") == 0
    assert "Audit of client canary clients with 30 canaries" in capsys.readouterr().out
    audited = found(Path("runs/isic/client_dp/audit-seed0"))
    assert audited["epsilon"] == audited["ceiling"] < audited["accounted"]
    assert audited["correct"] == 30
    shutil.rmtree("runs")
    assert adpfl_bench("audit", *FEW, "--audit.client=client-1", method="client_dp") == 1
    assert "leave out audit.client and audit.records" in capsys.readouterr().err
    shutil.rmtree("runs", ignore_errors=True)
    assert adpfl_bench("audit", "--audit.canary=30", method="dp_fl_record") == 1
    assert "There is no setting audit.canary" in capsys.readouterr().err


def test_help_lists_the_audits_own_settings(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--help_all"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for name in ("canaries", "client", "guesses", "confidence", "delta", "records"):
        assert f"--audit.{name}" in printed
    assert main(["--help"]) == 0
    assert "audit" in capsys.readouterr().out
