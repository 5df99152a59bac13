"""fit, validate, test and predict by one, two and three processes: the files of one, and the first alone logs."""

import shutil
from pathlib import Path

import pytest

from tests.cli.offline_runs import OfflineRun, without_account
from tests.cli.several_commands import start

FILES = ("tasks/isic.yaml", "callbacks/ditto.yaml", "configs/smoke.yaml")
ARGUMENTS = [*(word for file in FILES for word in ("--config", file)), "--federated.rounds", "1"]
COMMANDS = ("validate", "test", "predict")


def output_of(folder: Path) -> dict[str, bytes]:
    """What a run's folder holds of scores and masks."""
    paths = [
        path for path in folder.rglob("*") if path.suffix in (".csv", ".png", ".npz") and "wandb" not in path.parts
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Of one run that two processes trained and logged, copies that 1, 2 and 3 processes have scored."""
    top = tmp_path_factory.mktemp("shared")
    options = [*ARGUMENTS, "--data.phantom_directory", str(top / "phantoms")]
    with pytest.MonkeyPatch.context() as patch:
        without_account(patch)
        logged = ["--config", "configs/wandb.yaml", "--score", "false"]
        trained = start(top, 2, [["fit", *options, *logged, "--trainer.default_root_dir", str(top / "trained")]])
        assert [command.wait() for command in trained] == [0, 0], [command.printed for command in trained]
    folders, started = {}, []
    for count in (1, 2, 3):
        folders[count] = top / f"by-{count}"
        shutil.copytree(top / "trained", folders[count])
        place = ["--trainer.default_root_dir", str(folders[count]), "--trainer.accelerator", "cpu"]
        started += start(top, count, [[command, *options, *place] for command in COMMANDS])
    assert {command.wait() for command in started} == {0}, [command.printed for command in started]
    return folders


@pytest.mark.parametrize("count", [2, 3])
def test_scores_and_masks_do_not_depend_on_the_number_of_processes(folders: dict[int, Path], count: int) -> None:
    one, several = output_of(folders[1]), output_of(folders[count])
    assert any(name.endswith(".png") for name in one)
    assert "cases.csv" in one
    assert several.keys() == one.keys()
    assert [name for name in one if several[name] != one[name]] == []


def test_the_first_process_alone_logs_to_weights_and_biases(folders: dict[int, Path]) -> None:
    (written,) = (folders[1].parent / "trained" / "wandb").glob("offline-run-*/*.wandb")
    assert [row["round"] for row in OfflineRun(written).history if "val_dice" in row] == [1]


def test_a_process_that_cannot_score_ends_all_with_one_sentence(folders: dict[int, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folders[1], broken)
    (broken / "checkpoints" / "last.ckpt").unlink()
    place = ["--trainer.default_root_dir", str(broken), "--data.phantom_directory", str(broken.parent / "phantoms")]
    first, second = start(tmp_path, 2, [["test", *ARGUMENTS, *place]])
    assert [first.wait(), second.wait()] == [1, 1]
    printed = first.printed + second.printed
    said = [line for line in printed.splitlines() if line.startswith("adpfl-bench: ")]
    # The second says it too if the first, which keeps what has been said, has ended by then.
    (sentence,) = {*said}
    assert len(said) <= 2, printed
    assert "There is no checkpoint" in sentence
