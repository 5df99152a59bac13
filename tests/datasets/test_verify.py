"""``adpfl-bench verify``: every problem of a dataset in one table, and an exit status."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from adpfl_bench import processors
from adpfl_bench.cli import main
from tests.processes import Command

AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
IMAGES, MASKS = "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"


@pytest.fixture
def kits(tmp_path):
    """KiTS23 with five cases."""
    for number in range(5):
        folder = tmp_path / "kits" / "dataset" / f"case_{number:05d}"
        folder.mkdir(parents=True)
        image = np.random.default_rng(number).normal(size=(8, 8, 8)).astype(np.float32)
        image[0] = -1000  # air
        label = np.zeros((8, 8, 8), dtype=np.uint8)
        label[2:5, 2:5, 2:5] = [[[1, 2, 3]]]
        nib.save(nib.Nifti1Image(image, AFFINE), folder / "imaging.nii.gz")
        nib.save(nib.Nifti1Image(label, AFFINE), folder / "segmentation.nii.gz")
    return tmp_path / "kits"


def run(capsys, *words) -> tuple[int, str, list[tuple[str, ...]]]:
    """Exit status, output, and of each error in the table the case, the problem and the file."""
    workers = [] if "--workers" in words else ["--workers=1"]  # a process takes seconds to start
    status = main(["verify", *map(str, words), *workers])
    output = capsys.readouterr().out
    return status, output, [(row[0], row[1], row[4]) for row in cells(output) if row[2] == "error"]


def cells(output: str) -> list[tuple[str, ...]]:
    """Case, problem, severity, what to do and file of each row."""
    return [tuple(cell.strip() for cell in line.split("│")[1:-1]) for line in output.splitlines() if "│" in line]


def in_its_own_session(arguments: list[str]) -> int:
    """The command, as a shell starts it: with those that it starts in a group of its own."""
    os.setsid()
    return main(arguments)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_good_dataset(kits, capsys, workers):
    status, output, rows = run(capsys, "kits", "--root", kits, "--workers", workers)
    assert status == 0
    assert output.splitlines() == [f"{kits}: KiTS23, 5 cases to read", "no problems in 5 cases"]
    assert rows == []


@pytest.mark.parametrize("workers", [1, 2])
def test_all_problems_are_listed_and_nothing_is_cut_off(kits, capsys, workers):
    folders = sorted((kits / "dataset").iterdir())
    (folders[0] / "imaging.nii.gz").unlink()
    content = (folders[1] / "imaging.nii.gz").read_bytes()
    (folders[1] / "imaging.nii.gz").write_bytes(content[: len(content) // 2])
    nib.save(nib.Nifti1Image(np.full((8, 8, 8), 9, np.uint8), np.eye(4)), folders[2] / "segmentation.nii.gz")
    shutil.copy(folders[3] / "imaging.nii.gz", folders[4] / "imaging.nii.gz")

    status, output, rows = run(capsys, "kits", "--root", kits, "--workers", workers)

    assert status == 1
    assert [(case, path) for case, _, path in rows] == [
        ("case_00000", str(folders[0])),
        ("case_00001", str(folders[1] / "imaging.nii.gz")),
        ("case_00002", str(folders[2] / "segmentation.nii.gz")),
        ("case_00002", str(folders[2] / "segmentation.nii.gz")),
        ("case_00004", str(folders[4] / "imaging.nii.gz")),
    ]
    problems = [problem for _, problem, _ in rows]
    assert problems[0] == "imaging.nii.gz is missing"
    assert problems[1].startswith("cannot be read (")
    assert problems[2].startswith("has another affine")
    assert problems[3] == "the label map has 9 (512 voxels), expected 1 kidney, 2 tumour, 3 cyst of KiTS23"
    assert problems[4] == "has the same image as case_00003, which is another patient; remove one"
    assert output.splitlines()[-1] == "5 problems in 4 cases, 1 warning"


def test_the_release_can_be_given(kits, capsys):
    status, _, rows = run(capsys, "kits", "--root", kits, "--release", "KiTS19")
    assert status == 1
    assert len(rows) == 5
    assert all("it looks like the labels of KiTS21 or KiTS23" in problem for _, problem, _ in rows)


def test_names_with_brackets_are_shown_as_they_are(tmp_path, kits, capsys):
    root = tmp_path / "[bold] data"
    kits.rename(root)
    (root / "dataset" / "case_00000" / "imaging.nii.gz").unlink()
    _, _, rows = run(capsys, "kits", "--root", root)
    assert rows == [("case_00000", "imaging.nii.gz is missing", str(root / "dataset" / "case_00000"))]


def test_a_narrow_terminal_folds_and_does_not_cut(kits, capsys, monkeypatch):
    (kits / "dataset" / "case_00000" / "imaging.nii.gz").unlink()
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "60", "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    output = run(capsys, "kits", "--root", kits)[1]
    rows = [(row[0], row[1], row[4]) for row in cells(output)]
    assert max(len(line) for line in output.splitlines() if "│" in line) <= 60
    for column, text in enumerate(("case_00000", "imaging.nii.gz is missing", str(kits / "dataset" / "case_00000"))):
        assert re.sub(r"\s", "", "".join(row[column] for row in rows)) == text.replace(" ", "")


def test_every_kind_of_problem_of_pictures(isic, capsys):
    def of(case: int) -> tuple[Path, Path]:
        return isic / IMAGES / f"ISIC_{case:07d}.jpg", isic / MASKS / f"ISIC_{case:07d}_segmentation.png"

    for number in range(4, 9):
        for new, old in zip(of(number), of(0), strict=True):
            pixels = np.asarray(Image.open(old)).copy()
            if new.suffix == ".jpg":
                pixels[:6, :6] = number * 20
            Image.fromarray(pixels).save(new)
    content = of(1)[0].read_bytes()
    of(1)[0].write_bytes(content[: len(content) // 2])
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(of(1)[1])
    Image.fromarray(np.full((12, 16, 3), 90, np.uint8)).save(of(2)[0])
    Image.fromarray(np.full((12, 15), 255, np.uint8)).save(of(3)[1])
    Image.fromarray(np.full((12, 16), 7, np.uint8)).save(of(4)[1])
    of(5)[1].unlink()
    of(6)[0].unlink()
    of(6)[1].write_bytes(b"")
    shutil.copy(of(8)[0], of(7)[0])

    status, output, rows = run(capsys, "isic", "--root", isic)

    expected = [
        (1, 0, "cannot be read"),
        (1, 1, "the mask is empty"),
        (2, 0, "the image is constant"),
        (3, 1, "is 15x12 pixels, but ISIC_0000003.jpg is 16x12"),
        (4, 1, "is a mask with the values 7; expected 0 and 255, or 0 and 1, only"),
        (5, 0, "the image has no mask"),
        (6, 1, "the mask has no image"),
        (6, 1, "is empty; take it again"),
        (8, 0, "has the same image as ISIC_0000007, which is another patient; remove one"),
    ]
    assert status == 1
    assert [(case, path) for case, _, path in rows] == [
        (f"ISIC_{case:07d}", str(of(case)[which])) for case, which, _ in expected
    ]
    assert all(problem.startswith(text) for (_, problem, _), (_, _, text) in zip(rows, expected, strict=True))
    assert output.startswith(f"{isic}: ISIC 2017, 9 cases to read")
    assert output.splitlines()[-1] == "9 problems in 7 cases, 1 warning"


def test_ham10000_without_metadata_of_a_case_and_copies_within_a_lesion(ham10000, capsys):
    first, second, third = sorted(ham10000.glob("HAM10000_images*/*.jpg"), key=lambda path: path.name)[:3]
    shutil.copy(first, second)  # of the same lesion
    assert run(capsys, "ham10000", "--root", ham10000)[0] == 0
    metadata = ham10000 / "HAM10000_metadata"
    metadata.write_text("".join(line for line in metadata.open() if third.stem not in line))
    status, _, rows = run(capsys, "ham10000", "--root", ham10000)
    assert (status, rows) == (1, [(third.stem, "has no row in HAM10000_metadata", str(third))])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["kits", "--root", "nowhere"], "KiTS: the folder nowhere does not exist"),
        (["lgg", "--root", "KITS"], "looks like KiTS"),
        (["kits", "--root", "KITS", "--release", "KiTS22"], "no release 'KiTS22' of KiTS"),
        (["kits", "--root", "KITS", "--workers", "0"], "--workers must be from 1 to"),
        (["isic", "--root", "ISIC", "--release", "ISIC 2018"], "holds ISIC 2017, and not ISIC 2018"),
    ],
)
def test_what_cannot_be_verified_is_said_in_a_sentence(kits, isic, capsys, words, sentence):
    places = {"KITS": str(kits), "ISIC": str(isic)}
    assert main(["verify", *(places.get(word, word) for word in words)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("adpfl-bench: ")
    assert sentence in error


def test_a_test_set_alone_is_nothing_to_verify(kits, capsys):
    (kits / "dataset").rename(kits / "data")
    for file in kits.glob("data/*/segmentation.nii.gz"):
        file.unlink()
    assert main(["verify", "kits", "--root", str(kits)]) == 1
    assert "KiTS19 in" in (error := capsys.readouterr().err)
    assert "has no case with a label map" in error


def test_a_dead_worker_is_told(kits, capsys, monkeypatch):
    monkeypatch.setattr(processors, "_begin_worker", _die)
    assert main(["verify", "kits", "--root", str(kits), "--workers", "2"]) == 1
    assert "was ended from outside, probably for want of memory; use fewer --workers" in capsys.readouterr().err


def _die(parent: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_ctrl_c_ends_it_without_a_traceback(kits):
    slow = kits / "dataset" / "case_01000"  # a volume that takes a moment to read and to look at, many times over
    slow.mkdir()
    volume = np.zeros((200, 200, 200), dtype=np.uint8)
    for name in ("imaging.nii.gz", "segmentation.nii.gz"):
        nib.save(nib.Nifti1Image(volume, AFFINE), slow / name)
    for number in range(1001, 1045):
        (kits / "dataset" / f"case_{number:05d}").symlink_to(slow)
    command = Command(kits, ["verify", "kits", "--root", str(kits), "--workers", "2"], program=in_its_own_session)
    command.wait_for(lambda: "Reading: 50 to do" in command.printed)
    time.sleep(1)
    assert command.status is None, "it was over before it could be interrupted"
    os.killpg(command.process, signal.SIGINT)  # as a terminal does: to the whole group
    assert command.wait() == 130
    assert command.printed.splitlines()[-1] == "adpfl-bench: stopped by SIGINT; nothing was changed."
    assert "Traceback" not in command.printed


def test_warnings_stand_in_the_table_and_leave_the_exit_status(kits, capsys):
    image = kits / "dataset" / "case_00001" / "imaging.nii.gz"
    nib.save(nib.Nifti1Image(nib.load(image).get_fdata(dtype=np.float32) + 1024, AFFINE), image)
    (kits / "dataset" / "case_00002" / "imaging.mha").write_bytes(b"x")
    status, output, _ = run(capsys, "kits", "--root", kits)
    assert (status, output.splitlines()[-1]) == (0, "no problems in 5 cases, 2 warnings")
    unread, no_air = cells(output)
    assert unread[0] == ""
    assert unread[1].endswith("looks like an image is not read: dataset/case_00002/imaging.mha")
    assert no_air[:3] == ("case_00001", no_air[1], "warning")
    assert no_air[1].startswith("the CT image has no air: its lowest value is 24 ")
    assert no_air[3].startswith("store Hounsfield units")
    (kits / "dataset" / "case_00003" / "imaging.nii.gz").unlink()
    status, output, _ = run(capsys, "kits", "--root", kits)
    assert (status, output.splitlines()[-1]) == (1, "1 problem in 1 case, 2 warnings")
    assert [row[2] for row in cells(output)] == ["warning", "warning", "error"]


def test_real_slices(real_data, capsys):
    status, output, _ = run(capsys, "lgg", "--root", real_data / "lgg")
    assert (status, output.splitlines()[-1]) == (0, "no problems in 17 cases")
