"""Weights & Biases without an account: what the offline run's own file holds."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonargparse import Namespace

from adpfl_bench.cli import main
from adpfl_bench.wandb.logger import RunWandbLogger, name_wandb_run
from tests.cli.conftest import resolved
from tests.cli.offline_runs import OfflineRun, without_account

FILES = ("tasks/isic.yaml", "callbacks/dp_fl.yaml", "configs/smoke.yaml", "configs/wandb.yaml")
ARGUMENTS = [*(word for file in FILES for word in ("--config", file)), "--seed_everything=5"]
RUN = Path("runs/isic/dp_fl/seed5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that was trained and scored, and scored again on the same cases without the mark of a phantom."""
    import wandb

    folder = tmp_path_factory.mktemp("wandb")
    with pytest.MonkeyPatch.context() as patch:
        without_account(patch)
        patch.chdir(folder)
        assert main(["fit", *ARGUMENTS, "--data.phantom_directory", "phantoms"]) == 0
        wandb.finish()
        (marker,) = (folder / "phantoms").rglob("PHANTOM.json")
        shutil.copytree(marker.parent, folder / "real", ignore=shutil.ignore_patterns("PHANTOM.json"))
        assert main(["test", *ARGUMENTS, "--data.root", str(folder / "real")]) == 0
        wandb.finish()
        yield folder


@pytest.fixture
def trained(folder: Path) -> OfflineRun:
    return OfflineRun(sorted((folder / RUN / "wandb").glob("offline-run-*/*.wandb"))[0])


@pytest.fixture
def scored_again(folder: Path) -> OfflineRun:
    return OfflineRun(sorted((folder / RUN / "wandb").glob("offline-run-*/*.wandb"))[1])


def test_offline_run_is_named_and_holds_curves_tables_and_images(trained: OfflineRun) -> None:
    run = trained.run
    assert (run.run_group, run.job_type, run.project) == ("isic/dp_fl", "seed5", "adpfl-bench")
    assert run.display_name == "isic/dp_fl/seed5"
    curves = [row for row in trained.history if "val_dice" in row]
    assert [row["round"] for row in curves] == [1, 2]
    for name in ("train_loss", "epsilon", "val_dice/client-1", "clipping_threshold/client-4", "noise_scale/client-2"):
        assert all(isinstance(row[name], float | int) for row in curves), name
    keys = {key for row in trained.history for key in row}
    assert "test/examples/count" in keys
    assert "test/examples/all_masks" in keys


def test_rounds_are_the_x_axis_of_everything(trained: OfflineRun) -> None:
    axes = {metric.glob_name: metric.step_metric for metric in trained.of("metric") if metric.glob_name}
    assert axes == {"*": "round"}
    assert {row["round"] for row in trained.history if any(key.startswith("test/") for key in row)} == {2}


def test_configuration_is_the_resolved_one(trained: OfflineRun, folder: Path) -> None:
    config = json.loads((folder / RUN / "run.json").read_text())["config"]
    assert {key: trained.config[key] for key in config} == config
    assert config["privacy"]["noise_multiplier"] == 0.01


def test_summary_has_the_scores_of_the_table_of_cases(trained: OfflineRun) -> None:
    cases = trained.table("test/cases")
    by_client: dict[object, list[float]] = {}
    for client, dice in zip(cases["client"], cases["dice"], strict=True):
        by_client.setdefault(client, []).append(dice)
    means = {client: sum(values) / len(values) for client, values in by_client.items()}
    summary = trained.summary
    for name in ("dice", "hd95", "nsd"):
        assert summary[f"test/{name}"] == pytest.approx(sum(cases[name]) / len(cases[name])), name
    assert {f"test/dice/{client}": pytest.approx(mean) for client, mean in means.items()}.items() <= summary.items()
    assert summary["test/n_missed"] == sum(cases["missed"])
    assert summary["test/worst_client"] == min(means, key=means.get)
    assert summary["test/worst_client_dice"] == pytest.approx(min(means.values()))
    assert summary["test/client_spread"] == pytest.approx(max(means.values()) - min(means.values()))
    assert summary["test/hd95_unit"] == "% of diagonal"
    logged = {name: value for row in trained.history for name, value in row.items()}
    assert all(logged[name] == summary[name] for name in summary if name.startswith("test/dice"))
    assert logged["test/worst_client_dice"] == summary["test/worst_client_dice"]


def test_summary_has_what_the_record_says(trained: OfflineRun) -> None:
    summary = trained.summary
    curve = [row for row in trained.history if "val_dice" in row]
    assert (summary["task"], summary["method"], summary["seed"]) == ("isic", "dp_fl", 5)
    assert (summary["status"], summary["data/kind"]) == ("finished", "phantom")
    assert summary["val_dice"] == curve[-1]["val_dice"]
    assert summary["val_dice_max"] == max(row["val_dice"] for row in curve)
    assert summary["privacy/accounted_epsilon"] == curve[-1]["epsilon"]
    assert (summary["privacy/unit"], summary["privacy/nominal_epsilon"]) == ("batch", 0.001)
    assert (summary["privacy/delta"], summary["privacy/noise_multiplier"]) == (1e-4, 0.01)
    assert "privacy/accounted_reason" not in summary
    assert summary["wall_seconds"] > 0
    assert summary["peak_memory_mb"] > 100


def test_scoring_again_goes_on_with_the_same_run(trained: OfflineRun, scored_again: OfflineRun) -> None:
    assert scored_again.run.run_id == trained.run.run_id
    assert scored_again.run.resume
    assert scored_again.summary["test/dice"] == trained.summary["test/dice"]


def test_of_phantoms_cases_are_named_and_of_patients_neither_named_nor_shown(
    trained: OfflineRun, scored_again: OfflineRun
) -> None:
    named, nameless = trained.table("test/cases"), scored_again.table("test/cases")
    assert named.keys() - nameless.keys() == {"case", "patient"}
    assert nameless["dice"] == named["dice"]
    assert not any("test/examples" in key for row in scored_again.history for key in row)
    assert not [path for path in scored_again.files.rglob("*.png")]
    text = b"".join(record.SerializeToString() for record in scored_again.records)
    assert str(named["case"][0]).encode() in b"".join(record.SerializeToString() for record in trained.records)
    assert not any(str(case).encode() in text for case in named["case"])


def test_what_shows_patients_is_chosen_on_the_command_line(
    capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    chosen = ["--trainer.logger.init_args.images=true", "--trainer.logger.init_args.case_ids=false"]
    stated = resolved(capsys, *ARGUMENTS, *chosen)["trainer"]["logger"]["init_args"]
    assert (stated["images"], stated["case_ids"]) == (True, False)


def test_an_audit_is_another_job_than_the_run_of_its_seed() -> None:
    names = []
    for blocks in ({}, {"audit": Namespace(canaries=100)}):
        logger = Namespace(class_path="adpfl_bench.wandb.logger.RunWandbLogger", init_args=Namespace(name=None))
        config = Namespace(task="isic", method="dp_fl", seed_everything=3, trainer=Namespace(logger=logger), **blocks)
        name_wandb_run(config, Path("runs/x"), continued=False)
        names.append((logger.init_args.group, logger.init_args.job_type, logger.init_args.name))
    assert names == [
        ("isic/dp_fl", "seed3", "isic/dp_fl/seed3"),
        ("isic/dp_fl", "audit-seed3", "isic/dp_fl/audit-seed3"),
    ]


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    without_account(monkeypatch)
    return monkeypatch


def test_logger_stays_offline_without_an_account(tmp_path: Path, no_account: pytest.MonkeyPatch) -> None:
    assert RunWandbLogger(save_dir=tmp_path)._wandb_init["mode"] == "offline"
    no_account.setattr("wandb.login", lambda **_: True)
    assert RunWandbLogger(save_dir=tmp_path)._wandb_init["mode"] is None
    assert RunWandbLogger(save_dir=tmp_path, offline=True)._wandb_init["mode"] == "offline"
    no_account.setenv("WANDB_MODE", "disabled")
    assert RunWandbLogger(save_dir=tmp_path)._wandb_init["mode"] == "disabled"
    assert os.environ["WANDB_MODE"] == "disabled"


def test_logger_goes_on_with_the_run_that_was_started_last(tmp_path: Path, no_account: pytest.MonkeyPatch) -> None:
    assert RunWandbLogger(save_dir=tmp_path, continued=True)._wandb_init["id"] is None
    for name in ("offline-run-20260102_000000-bb", "run-20260103_000000-cc", "offline-run-20260101_000000-dd"):
        (tmp_path / "wandb" / name).mkdir(parents=True)
        (tmp_path / "wandb" / name / f"run-{name[-2:]}.wandb").touch()
    assert RunWandbLogger(save_dir=tmp_path, continued=True)._wandb_init["id"] == "cc"
    assert RunWandbLogger(save_dir=tmp_path, continued=True, id="own")._wandb_init["id"] == "own"
    assert RunWandbLogger(save_dir=tmp_path)._wandb_init["id"] is None
    no_account.setenv("WANDB_RUN_ID", "of-a-sweep")
    assert RunWandbLogger(save_dir=tmp_path, continued=True)._wandb_init["id"] is None
