"""Wrong input through the command line: exit status 1 and one sentence, no traceback, no run started."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from adpfl_bench.cli import main
from tests.cli.conftest import Run


@pytest.fixture
def ham10000(tmp_path: Path) -> Path:
    """A small HAM10000 cohort of this test's own."""
    root = tmp_path / "ham10000"
    assert main(["phantom", "ham10000", "--output", str(root), "--cases", "24", "--image_size", "[32,40]"]) == 0
    return root


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--federated.roundz=3"],
            "There is no setting federated.roundz; possible in federated are aggregation_weights,",
        ),
        (["--federatd.rounds=3"], "There is no setting federatd.rounds; possible are"),
        (
            ["--privacy.threshold=Fxed"],
            "privacy.threshold cannot be made from what was given (Fxed is none); possible are",
        ),
        (["--privacy.threshold=Fxed"], "adpfl_bench.FixedThreshold"),
        (["--data=Foo"], "adpfl_bench.HAM10000DataModule"),
        (
            ["--privacy.threshold=PercentileThreshold", "--privacy.threshold.percentil=5"],
            "PercentileThreshold has no setting percentil; it has percentile, window",
        ),
        (
            ["--data.partition=IIDPartition", "--data.partition.clintes=2"],
            "adpfl-bench: adpfl_bench.IIDPartition has no setting clintes; it has clients.",
        ),
        (
            ["--model.optimizer=SGD", "--model.optimizer.lrr=1"],
            "adpfl-bench: torch.optim.SGD has no setting lrr; it has lr, momentum,",
        ),
        (
            ["--data.partition=Nope"],
            "partition cannot be made from what was given (Nope is none); possible are adpfl",
        ),
        (["--privacy.threshold=PercentileThreshold", "--privacy.threshold.percentile=0"], "must lie in (0, 100]"),
        (["--privacy.noise_multiplier=-0.1"], "privacy.noise_multiplier is a noise scale in units of the threshold"),
        (["--privacy.delta=0.9"], "privacy.delta is 0.9, but it must be at most 0.01"),
        (["--privacy.unit=batch", "--privacy.threshold=null"], "privacy.threshold and privacy.mechanism must be given"),
        (["--federated.participation=1.5"], "federated.participation is the fraction of clients per round"),
        (["--federated.clients_per_round=9"], "federated.clients_per_round is 9, but there are only 4 clients"),
        (["--trainer.fast_dev_run=true"], "for a run of seconds add --config configs/smoke.yaml"),
        (["--trainer.limit_train_batches=3"], "trainer.limit_train_batches is 3, which would cut a round short"),
        (["--trainer.accumulate_grad_batches=2"], "gradients must not be accumulated across clients"),
        (["--trainer.gradient_clip_val=1"], "privacy.threshold does the clipping"),
        (
            ["--model.network=UNett"],
            "model.network is UNett, which is not a segmentation network of this suite; possible are",
        ),
        (["--model.network_arguments.chanels=[3]"], "model.network_arguments do not fit UNet"),
        (["--data.batch_size=0"], "data.batch_size and data.evaluation_batch_size must be at least 1"),
        (["--data.test_fraction=1.2"], "test fraction of a split must be in [0, 1)"),
        (["--data.partition=SizesPartition", "--data.partition.sizes=[1,-2]"], "positive"),
    ],
)
def test_wrong_setting(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    method = "dp_fl" if any("privacy" in word or "trainer" in word for word in arguments) else "fedavg"
    assert adpfl_bench("fit", *arguments, method=method) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] if captured.err else False
    assert "adpfl-bench: " in captured.err
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert not list(Path().rglob("run.json"))


def test_missing_root_says_how_to_go_on(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", "tasks/isic.yaml"]) == 1
    assert "give the dataset's folder with --data.root PATH" in capsys.readouterr().err


def corrupt(root: Path, fault: str) -> None:
    image = sorted(root.glob("HAM10000_images_part_*/*.jpg"))[0]
    masks = root / "HAM10000_segmentations_lesion_tschandl"
    mask = masks / f"{image.stem}_segmentation.png"
    metadata = root / "HAM10000_metadata.csv"
    if fault == "absent":
        shutil.rmtree(root)
    elif fault == "empty":
        shutil.rmtree(root)
        root.mkdir()
    elif fault == "isic":
        shutil.rmtree(root)
        (root / "ISIC-2017_Training_Data").mkdir(parents=True)
        (root / "ISIC-2017_Training_Part1_GroundTruth").mkdir()
    elif fault == "no mask":
        mask.unlink()
    elif fault == "no image":
        image.unlink()
    elif fault == "mask size":
        Image.new("L", (9, 9), 255).save(mask)
    elif fault == "truncated":
        image.write_bytes(image.read_bytes()[:200])
    elif fault == "duplicate":
        shutil.copy(image, root / "HAM10000_images_part_2" / image.name)
        shutil.copy(image, root / "HAM10000_images_part_1" / image.name) if image.parent.name.endswith("2") else None
    elif fault == "column":
        metadata.write_text(metadata.read_text().replace("lesion_id", "lesion"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("absent", ["ham10000", "HAM10000"]),
        ("empty", ["ham10000", "HAM10000"]),
        ("isic", ["ISIC", "2017"]),
        ("no mask", ["mask", "ISIC_90"]),
        ("no image", ["image", "ISIC_90"]),
        ("mask size", ["9x9", "ISIC_90"]),
        ("truncated", ["ISIC_90", ".jpg"]),
        ("duplicate", ["twice", "ISIC_90"]),
        ("column", ["lesion_id", "HAM10000_metadata.csv"]),
    ],
)
def test_wrong_data(
    adpfl_bench: Run, ham10000: Path, capsys: pytest.CaptureFixture[str], fault: str, words: list[str]
) -> None:
    corrupt(ham10000, fault)
    capsys.readouterr()
    assert adpfl_bench("fit", f"--data.root={ham10000}", task="ham10000") == 1
    message = capsys.readouterr().err
    assert "Traceback" not in message
    for word in words:
        assert word in message
    assert not list(Path("runs").rglob("run.json"))


def test_partition_file_of_another_dataset(
    adpfl_bench: Run, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("partition.csv").write_text("case,patient,client,split\nISIC_1,ISIC_1,a,train\n")
    arguments = ["--data.partition=FilePartition", "--data.partition.path=partition.csv"]
    assert adpfl_bench("fit", *arguments) == 1
    assert "ISIC_1 (line 2)" in capsys.readouterr().err


def test_failed_run_says_so_in_its_record(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    # So high a rate overflows the weights within the first round.
    assert adpfl_bench("fit", "--model.optimizer=SGD", "--model.optimizer.lr=1e38") == 1
    assert "diverged in round 1" in capsys.readouterr().err
    record = json.loads(Path("runs/isic/fedavg/seed0/run.json").read_text())
    assert record["status"] == "failed"
    assert "diverged" in record["error"]
