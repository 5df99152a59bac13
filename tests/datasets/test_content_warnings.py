"""Warnings of what data hold: none of real data and phantoms. That each fault is found, ``tests/corpus`` shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.ignored_files import ignored_images
from adpfl_bench.data.images.rgb_files import read_mask
from adpfl_bench.data.mask_checks import check_coverage
from adpfl_bench.data.problems import Findings
from adpfl_bench.data.volumes.content_checks import check_axes, check_channel, check_filled_in
from adpfl_bench.data.volumes.reader import NiftiReader, VolumeHeader
from adpfl_bench.datasets.brats import RELEASES
from adpfl_bench.datasets.catalogue import DATASETS, find_datamodule, find_writer
from adpfl_bench.datasets.isic import survey_isic
from adpfl_bench.phantoms.cohort import write_phantom

SIZES = {"isic": (32, 40), "ham10000": (32, 40), "lgg": (8, 32, 32), "kits": (16, 32, 32)}
PATH = Path("x.nii.gz")
BRATS, MRI = RELEASES["BraTS 2021"], replace(RELEASES["BraTS 2021"], masked=False)


def coverage(mask: np.ndarray) -> list[str | None]:
    found = Findings("x")
    check_coverage(mask, PATH, "mask", found)
    return [warning.check for warning in found.warnings]


def disc(radius: float, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - shape[0] / 2) ** 2 + (columns - shape[1] / 2) ** 2 < radius**2


@pytest.mark.parametrize("name", [phantom for dataset in DATASETS.values() for phantom in dataset.phantoms])
def test_phantoms_have_none(name: str, tmp_path: Path) -> None:
    write_phantom(find_writer(name), tmp_path / "data", 2, 0, SIZES.get(name, (20, 20, 16)))
    (dataset,) = (key for key, dataset in DATASETS.items() if name in dataset.phantoms)
    source = find_datamodule(dataset)(tmp_path / "data")  # type: ignore[call-arg]
    inventory = source.inventory(tmp_path / "data")
    assert [warning for case in inventory.cases for warning in inventory.check(case).warnings] == []
    assert ignored_images(tmp_path / "data", inventory.cases, left_out=source.left_out) == []


def test_a_sample_of_real_photographs_has_none_and_all_their_masks_are_found_inverted(real_data: Path) -> None:
    inventory = survey_isic(real_data / "isic2017")
    sample = inventory.cases[::8]
    checked = [inventory.check(case) for case in sample]
    assert len(sample) == 150
    assert [found for case in checked for found in (*case.problems, *case.warnings)] == []
    assert ignored_images(real_data / "isic2017", inventory.cases) == []
    masks = [read_mask(case.label)[0] == 0 for case in sample if case.label is not None]
    assert [coverage(mask) for mask in masks] == [["inverted mask"]] * 150


def test_a_real_label_map_of_kidneys_has_none_and_is_found_inverted(real_data: Path) -> None:
    file = min((real_data / "kits19_labels").rglob("*.nii.gz"), key=lambda path: path.stat().st_size)
    case = Case("x", "x", (file,), file)
    label, found = NiftiReader().read_label(case), Findings("x")
    check_coverage(label != 0, file, "label map", found)
    check_axes(file, NiftiReader().label_header(case), found)
    assert found.warnings == []
    assert coverage(label == 0) == ["inverted mask"]


def test_a_lesion_that_fills_a_picture_but_for_dark_corners_is_none() -> None:
    assert coverage(disc(20)) == []
    assert coverage(~disc(20)) == ["inverted mask"]
    assert coverage(disc(45)) == []  # a dermoscope's circle: its border is mostly lesion, the whole even more so
    assert coverage(np.zeros((4, 4), bool)) == []
    assert coverage(np.ones((4, 4), bool)) == ["filled mask"]
    assert coverage(np.zeros((0, 4), bool)) == []


def channel(values: np.ndarray, release=MRI) -> list[str | None]:
    found = Findings("x")
    check_channel(values.astype(np.float32), "image", PATH, release, found)
    return [warning.check for warning in found.warnings]


def test_a_background_is_one_value_or_stated_to_be_0() -> None:
    head = np.zeros((12, 12, 12))
    head[3:9, 3:9, 3:9] = 700
    noise = np.random.default_rng(0).integers(1, 9, head.shape)
    assert channel(head) == channel(head, BRATS) == []
    assert channel(head + 5) == channel(head + 5, BRATS) == ["background"]
    assert channel(head + noise) == []  # of a scanner, where nobody states that it was masked away
    assert channel(head + noise, BRATS) == ["background"]


def filled_in(affine: np.ndarray, shape: tuple[int, int, int], coarse: bool = False) -> list[str | None]:
    values = np.cumsum(np.cumsum(np.random.default_rng(0).normal(size=shape), 0), 1).astype(np.float32)
    values = values if coarse else np.cumsum(values, 2)
    found = Findings("x")
    check_filled_in(values, PATH, VolumeHeader(shape, affine), found)
    return [warning.check for warning in found.warnings]


def test_a_header_that_nobody_filled_in_is_told_where_voxels_are_no_cubes() -> None:
    flipped, placed, spaced = np.diag([-1.0, -1, 1, 1]), np.eye(4), np.diag([1.0, 1, 5, 1])
    placed[1, 3] = 239  # as BraTS has it
    assert filled_in(np.eye(4), (40, 40, 10)) == filled_in(flipped, (40, 40, 10)) == ["no header"]
    assert filled_in(np.eye(4), (40, 40, 40), coarse=True) == ["no header"]
    assert filled_in(np.eye(4), (40, 40, 40)) == []
    assert filled_in(placed, (40, 40, 10)) == filled_in(spaced, (40, 40, 10)) == []


@pytest.mark.parametrize(("degrees", "checks"), [(0.0, []), (0.3, []), (0.7, ["sheared"]), (-12.0, ["sheared"])])
def test_a_gantry_that_was_tilted_is_told(degrees: float, checks: list[str]) -> None:
    affine = np.diag([0.7, 0.7, 5.0, 1.0])
    affine[:3, 2] = 5 * np.array([0, np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    found = Findings("x")
    check_axes(PATH, VolumeHeader((4, 4, 4), affine), found)
    assert [warning.check for warning in found.warnings] == checks


def test_what_the_layout_leaves_out_and_what_is_told_already_is_not_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.BMP", "deep/c.nii.gz", "deep/d.txt", "deep/.e.png", "test/f.jpg", ".hidden/g.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    cases = [Case("a", "a", (tmp_path / "a.jpg",), None)]
    found = ignored_images(tmp_path, cases, left_out=["test/*"])
    assert [warning.problem.rpartition(": ")[2] for warning in found] == ["b.BMP", "deep/c.nii.gz"]
    assert [warning.problem.rpartition(": ")[2] for warning in ignored_images(tmp_path, cases, beside=True)] == [
        "b.BMP"
    ]
