"""What a run leaves behind, through the command line."""

import json
import os
import platform
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.callbacks.checkpointing import check_beginning
from adpfl_bench.errors import CheckpointError
from adpfl_bench.records.file_digests import contents_root
from adpfl_bench.records.run_directory import RunDirectory
from tests.cli.conftest import Run
from tests.leaderboard.records import record_of
from tests.records.taken_folder import in_use

RUN = Path("runs/isic/fedavg/seed0")


def test_record_has_the_promised_fields(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit", "--seed_everything=3", method="dp_fl", task="ham10000") == 0
    run = Path("runs/ham10000/dp_fl/seed3")
    assert str(run) in capsys.readouterr().out
    record = json.loads((run / "run.json").read_text())
    assert {key: record[key] for key in ("task", "method", "seed", "status", "rounds_completed")} == {
        "task": "ham10000",
        "method": "dp_fl",
        "seed": 3,
        "status": "finished",
        "rounds_completed": 2,
    }
    data = record["data"]
    assert data["kind"] == "phantom"
    assert len(data["fingerprint"]) == 64
    files = RunDirectory(run).read_data()
    assert data["contents"]["root"] == contents_root(files)
    assert data["contents"]["files"] == len({row.file for row in files}) == 64
    assert data["cases"] == 32
    assert sum(sum(sizes.values()) for sizes in data["clients"].values()) == 32
    assert set(data["clients"]) == {"vidir_molemax", "vidir_modern", "rosendahl", "vienna_dias"}
    privacy = record["privacy"]
    assert (privacy["unit"], privacy["adjacency"], privacy["mechanism"], privacy["threshold"]) == (
        "batch",
        "zero-out",
        "LaplaceMechanism",
        "FixedThreshold",
    )
    assert privacy["accounted"]["epsilon"] > 0
    assert privacy["accounted"]["delta"] == 1e-4
    assert privacy["accounted"]["reason"] is None
    assert record["model"]["scored_round"] == 2
    assert record["model"]["selection"] == "last round"
    assert record["wall_seconds"] > 0
    assert record["peak_memory_mb"] > 50
    assert {"python", "torch", "lightning", "monai", "adpfl-bench"} <= set(record["versions"])
    assert len(record["config_sha256"]) == 64
    assert record["config"]["federated"]["rounds"] == 2
    assert (run / "config.yaml").exists()


def test_round_and_case_tables(adpfl_bench: Run) -> None:
    assert adpfl_bench("fit", method="dp_fl") == 0
    directory = RunDirectory(Path("runs/isic/dp_fl/seed0"))
    rounds = directory.read_rounds()
    assert {row.round for row in rounds} == {1, 2}
    clients = {"client-1", "client-2", "client-3", "client-4"}
    for name in ("train_loss", "val_dice", "epsilon"):
        assert {row.client for row in rounds if row.name == name} == {*clients, "all"}, name
    for name in ("clipping_threshold", "noise_scale", "gradient_norm_p10", "gradient_norm_p50", "gradient_norm_p90"):
        assert {row.client for row in rounds if row.name == name} == clients, name
    epsilon = [row.value for row in rounds if (row.client, row.name) == ("all", "epsilon")]
    assert 0 < epsilon[0] < epsilon[1]
    cases = directory.read_cases()
    record = directory.read_record()
    for split in ("validation", "test"):
        rows = [row for row in cases if row.split == split]
        sizes = {client: sum(row.client == client for row in rows) for client in clients}
        assert sizes == {client: getattr(record.data.clients[client], split) for client in clients}
    assert all("hd95" in row.values and row.distance_unit == "% of diagonal" and "nsd" in row.values for row in cases)


def test_test_command_repeats_the_scores_of_fit(adpfl_bench: Run) -> None:
    assert adpfl_bench("fit") == 0
    cases = (RUN / "cases.csv").read_bytes()
    (RUN / "cases.csv").unlink()
    assert adpfl_bench("test") == 0
    assert {row.split for row in RunDirectory(RUN).read_cases()} == {"test"}
    assert adpfl_bench("validate", "--ckpt_path=last") == 0
    assert (RUN / "cases.csv").read_bytes() == cases


def test_predict_writes_masks_on_the_images_own_grids(adpfl_bench: Run, phantom_folder: Path) -> None:
    assert adpfl_bench("fit") == 0
    assert adpfl_bench("predict") == 0
    cases = [row for row in RunDirectory(RUN).read_cases() if row.split == "test"]
    masks = {row.case: np.asarray(Image.open(RUN / "predictions" / f"{row.case}_lesion.png")) for row in cases}
    assert all(mask.shape == (48, 64) and set(np.unique(mask)) <= {0, 255} for mask in masks.values())
    root = phantom_folder / "isic-32cases-48x64-seed0"
    for row in cases:
        (path,) = root.rglob(f"{row.case}_segmentation.png")
        truth, mask = np.asarray(Image.open(path)) > 0, masks[row.case] > 0
        assert row.values["dice"] == pytest.approx(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))


def test_scoring_without_a_checkpoint_is_refused(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("test") == 1
    assert "There is no checkpoint runs/isic/fedavg/seed0/checkpoints/last.ckpt to test" in capsys.readouterr().err


def test_a_finished_run_is_not_overwritten_unasked(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit") == 0
    before = {path.name: path.read_bytes() for path in RUN.iterdir() if path.is_file()}
    capsys.readouterr()
    assert adpfl_bench("fit") == 1
    assert "already holds a run (finished, 2 rounds)" in (said := capsys.readouterr().err)
    beside = f"Other data are scored beside the run: adpfl-bench evaluate {RUN} --cohort NAME=FOLDER."
    assert said.endswith(f"{beside}\n")
    assert adpfl_bench("fit", "--data.root=elsewhere", "--ckpt_path=last") == 1
    assert "it was made with data.init_args.root = phantom, and this" in (said := capsys.readouterr().err)
    assert said.endswith(f"{beside}\n")
    assert {path.name: path.read_bytes() for path in RUN.iterdir() if path.is_file()} == before
    assert adpfl_bench("fit", "--record.overwrite=true") == 0


def test_a_run_whose_checkpoint_is_gone_is_not_trained_over(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adpfl_bench("fit") == 0
    (RUN / "checkpoints/last.ckpt").unlink()
    before = {path.name: path.read_bytes() for path in RUN.iterdir() if path.is_file()}
    assert adpfl_bench("fit", "--ckpt_path=last") == 1
    sentence = f"holds a run (finished, 2 rounds), but its checkpoint {RUN}/checkpoints/last.ckpt is gone"
    assert sentence in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in RUN.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("status", "rounds", "begins"),
    [
        ("running", 0, True),
        ("running", 1, True),  # killed while its first checkpoint was written
        ("interrupted", 1, True),
        ("failed", 1, True),
        ("running", 2, False),
        ("failed", 2, False),
        ("trained", 1, False),
        ("finished", 1, False),
    ],
)
def test_only_a_run_that_had_no_checkpoint_yet_begins_again(
    tmp_path: Path, status: str, rounds: int, begins: bool
) -> None:
    directory = RunDirectory(tmp_path)
    check_beginning(directory)
    directory.write_record(record_of(status=status, rounds_completed=rounds))
    with nullcontext() if begins else pytest.raises(CheckpointError, match="is gone, and nothing can be continued"):
        check_beginning(directory)


@pytest.mark.parametrize(
    ("command", "options"),
    [("fit", []), ("fit", ["--ckpt_path=last"]), ("validate", []), ("test", []), ("predict", []), ("audit", [])],
    ids=str,
)
def test_a_folder_in_which_somebody_works_is_left_to_them(
    adpfl_bench: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    options: list[str],
) -> None:
    monkeypatch.setattr("adpfl_bench.records.run_lock._WAIT_S", 0.0)
    with in_use(Path("run")):
        before = sorted(Path("run").iterdir())
        assert adpfl_bench(command, "--trainer.default_root_dir=run", *options) == 1
        assert sorted(Path("run").iterdir()) == before
    assert f"adpfl-bench: run is in use by process {os.getpid()} on {platform.node()}, since" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--config", "callbacks/dp_fl.yaml"], "federated|privacy"),
        (["--model.network_arguments.channels=[4,16]"], r"model\.init_args\.network_arguments\.channels"),
        (["--federated.rounds=1"], r"federated\.rounds = 2, and this configuration has 1"),
    ],
)
def test_checkpoint_of_another_run_is_refused(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str], change: list[str], named: str
) -> None:
    assert adpfl_bench("fit") == 0
    checkpoint = str((RUN / "checkpoints/last.ckpt").resolve())
    capsys.readouterr()
    assert adpfl_bench("fit", *change, "--ckpt_path", checkpoint, "--trainer.default_root_dir=other") == 1
    message = capsys.readouterr().err
    assert "belongs to another run" in message
    assert re.search(named, message)
    assert not Path("other/run.json").exists()


def test_file_that_is_no_checkpoint_is_refused(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("odd.ckpt").write_text("not a checkpoint")
    assert adpfl_bench("fit", "--ckpt_path=odd.ckpt") == 1
    assert "odd.ckpt is not a checkpoint of a run of this suite" in capsys.readouterr().err
    assert adpfl_bench("test", "--ckpt_path=absent.ckpt") == 1
    assert "There is no checkpoint absent.ckpt" in capsys.readouterr().err


def test_seeds_differ_and_repeat(adpfl_bench: Run) -> None:
    for seed, folder in ((0, "a"), (0, "b"), (1, "c")):
        assert adpfl_bench("fit", f"--seed_everything={seed}", f"--trainer.default_root_dir={folder}") == 0
    a, b, c = ((Path(folder) / "cases.csv").read_bytes() for folder in "abc")
    assert a == b
    assert a != c
    tested = [[row.case for row in RunDirectory(Path(folder)).read_cases()] for folder in "ac"]
    assert tested[0] == tested[1]


def test_partition_of_a_run_is_read_back(adpfl_bench: Run) -> None:
    assert adpfl_bench("fit") == 0
    again = ["--data.partition=FilePartition", f"--data.partition.path={RUN / 'partition.csv'}"]
    assert adpfl_bench("fit", *again, "--data.split_seed=9", "--trainer.default_root_dir=again") == 0
    for name in ("partition.csv", "cases.csv"):
        assert (Path("again") / name).read_bytes() == (RUN / name).read_bytes()
