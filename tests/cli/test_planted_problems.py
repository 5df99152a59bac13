"""Everything that can be wrong with a dataset of volumes, planted in a phantom, is found by `verify` and by `fit`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from adpfl_bench.cli import main
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort without a problem."""
    root = tmp_path_factory.mktemp("phantom") / "brats2021"
    write_phantom(Brats2021Writer, root, cases=10, seed=0, size=(20, 20, 16))
    return root


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    """A copy to be damaged, called by the names that its writer gave."""
    shutil.copytree(sound, tmp_path / "data")
    return tmp_path / "data"


def names(root: Path) -> tuple[str, str]:
    first, second = sorted(folder.name for folder in root.iterdir() if folder.is_dir())[1:3]
    return first, second


def change(path: Path, how: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> Path:
    image = nib.load(path)
    values = how(np.asarray(image.dataobj).copy())
    nib.save(nib.Nifti1Image(values, image.affine if affine is None else affine), path)
    return path


def truncate(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def put(values: np.ndarray) -> np.ndarray:
        values = values.astype(np.float32)
        values[3, 4, 5] = value
        return values

    return put


def remove(path: Path) -> Path:
    path.unlink()
    return path


def duplicate(root: Path, case: str) -> Path:
    _, other = names(root)
    for sequence in ("t1", "t1ce", "t2", "flair", "seg"):
        shutil.copy(root / case / f"{case}_{sequence}.nii.gz", root / other / f"{other}_{sequence}.nii.gz")
    return root / other / f"{other}_t1.nii.gz"


PROBLEMS: dict[str, tuple[Callable[[Path, str], Path], str]] = {
    "truncated gzip": (lambda root, case: truncate(root / case / f"{case}_t2.nii.gz"), "truncated"),
    "missing modality": (lambda root, case: remove(root / case / f"{case}_flair.nii.gz"), "flair.nii.gz is missing"),
    "missing label": (lambda root, case: remove(root / case / f"{case}_seg.nii.gz"), "seg.nii.gz is missing"),
    "shapes": (lambda root, case: change(root / case / f"{case}_t1ce.nii.gz", lambda v: v[1:]), "shape"),
    "affines": (
        lambda root, case: change(root / case / f"{case}_seg.nii.gz", lambda v: v, affine=np.eye(4)),
        "affine",
    ),
    "unexpected label": (lambda root, case: change(root / case / f"{case}_seg.nii.gz", with_value(7)), "7"),
    "fractional label": (
        lambda root, case: change(root / case / f"{case}_seg.nii.gz", with_value(0.5)),
        "whole numbers",
    ),
    "NaN": (lambda root, case: change(root / case / f"{case}_t1.nii.gz", with_value(np.nan)), "NaN"),
    "infinite": (lambda root, case: change(root / case / f"{case}_t1.nii.gz", with_value(np.inf)), "infinite"),
    "constant": (lambda root, case: change(root / case / f"{case}_t2.nii.gz", lambda v: v * 0 + 5), "constant"),
    "duplicate patients": (duplicate, "same image"),
    "empty label": (lambda root, case: change(root / case / f"{case}_seg.nii.gz", lambda v: v * 0), "empty"),
    "4-D": (lambda root, case: change(root / case / f"{case}_t1.nii.gz", lambda v: np.stack([v, v], -1)), "4-D"),
    "another year's labels": (
        lambda root, case: change(root / case / f"{case}_seg.nii.gz", lambda v: np.where(v == 4, 3, v)),
        "BraTS 2023",
    ),
}


def fit(root: Path, tmp_path: Path) -> int:
    return main(
        [
            *("fit", "--config", "tasks/brats.yaml", "--config", "callbacks/fedavg.yaml"),
            *("--config", "configs/smoke.yaml", "--data.root", str(root)),
            *("--data.cache_directory", str(tmp_path / "cache"), "--data.num_workers=0"),
            *("--trainer.default_root_dir", str(tmp_path / "run")),
        ]
    )


@pytest.mark.parametrize("problem", PROBLEMS)
def test_each_planted_problem_is_found_by_verify_and_by_fit(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], problem: str
) -> None:
    plant, words = PROBLEMS[problem]
    case, other = names(root)
    path = plant(root, case)
    wanted = other if problem == "duplicate patients" else case
    assert main(["verify", "brats", "--root", str(root), "--workers", "1"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if wanted in line and words in line]
    assert path.name in line or str(path.parent) in line
    assert fit(root, tmp_path) == 1
    sentence = capsys.readouterr().err
    assert wanted in sentence
    assert words in sentence
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_all_problems_are_in_one_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case, other = names(root)
    truncate(root / case / f"{case}_t1.nii.gz")
    remove(root / other / f"{other}_seg.nii.gz")
    assert main(["verify", "brats", "--root", str(root)]) == 1
    printed = capsys.readouterr().out
    assert case in printed
    assert other in printed
    assert "2 problems in" in printed


def test_a_sound_cohort_has_no_problems(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "brats", "--root", str(sound)]) == 0
    assert "no problems in 10 cases" in capsys.readouterr().out
