"""What is done to a volume before a network sees it."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.volumes.preparation import Preparation, class_map, prepare_case, resize_label
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.datasets.brats import BRATS
from adpfl_bench.datasets.kits import KITS
from adpfl_bench.errors import ConfigError, DataError

CT = VolumeRelease("KiTS23", "CT", ("CT",), {1: "kidney", 2: "tumour", 3: "cyst"}, (KITS,))
MRI = VolumeRelease("BraTS 2021", "MRI", ("t1", "t1ce"), {1: "NETC", 2: "SNFH", 4: "ET"}, (BRATS,))


def save(folder: Path, name: str, array: np.ndarray, affine: np.ndarray) -> Path:
    path = folder / f"{name}.nii.gz"
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def make_case(folder: Path, channels: list[np.ndarray], label: np.ndarray, affine: np.ndarray) -> Case:
    images = tuple(save(folder, f"c{i}", channel, affine) for i, channel in enumerate(channels))
    return Case("case", "case", images, save(folder, "seg", label, affine))


def block(shape: tuple[int, int, int], *sides: tuple[int, int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    return np.zeros(shape, dtype=np.uint8), tuple(slice(*side) for side in sides)


def test_ct_is_cropped_to_the_body_and_windowed_by_constants(tmp_path: Path) -> None:
    image = np.full((10, 10, 10), -1000, dtype=np.int16)
    image[2:8, 1:9, 3:7] = 50
    image[4, 4, 4], image[5, 5, 5] = -500, 3000
    label, inside = block((10, 10, 10), (3, 5), (3, 5), (4, 6))
    label[inside] = 3
    case = make_case(tmp_path, [image], label, np.eye(4))
    prepared = prepare_case(case, CT, Preparation(None, (-100.0, 300.0)))
    assert prepared.image.shape == (1, 6, 8, 4)
    assert prepared.image.dtype == np.float16
    assert prepared.image.min() == -1.0
    assert prepared.image.max() == 1.0
    np.testing.assert_allclose(np.median(prepared.image), (50 - 100) / 200, atol=1e-3)
    assert (prepared.label == 3).sum() == 8
    assert sorted(prepared.foreground) == [3]
    assert all(prepared.label[tuple(voxel)] == 3 for voxel in prepared.foreground[3])


def test_voxels_that_would_become_more_than_a_memory_holds_are_refused(tmp_path: Path) -> None:
    image = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    case = make_case(tmp_path, [image], (image == 9).astype(np.uint8), np.diag([1000.0, 1000.0, 1000.0, 1.0]))
    with pytest.raises(
        DataError,
        match=r"c0\.nii\.gz has voxels of 1e\+03 x 1e\+03 x 1e\+03 mm, so that it would be prepared to 2500x2500x1333 "
        r"voxels, more than 1,073,741,824; mend its header, or choose a coarser data\.spacing\.$",
    ):
        prepare_case(case, CT, Preparation((1.6, 1.6, 3.0), (-100.0, 300.0)))


def test_mri_has_mean_0_and_deviation_1_over_its_own_brain_and_zero_stays_zero(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    channels = []
    for gain in (3.0, 700.0):
        channel = np.zeros((8, 8, 8), dtype=np.float32)
        channel[1:7, 1:7, 1:7] = gain * (5 + generator.normal(size=(6, 6, 6)))
        channel[3, 3, 3] = 0
        channels.append(channel)
    label = np.zeros((8, 8, 8), dtype=np.uint8)
    label[2, 2, 2:5] = (1, 2, 4)
    prepared = prepare_case(make_case(tmp_path, channels, label, np.eye(4)), MRI, Preparation(None, (0.0, 1.0)))
    assert prepared.image.shape == (2, 6, 6, 6)
    for channel in prepared.image.astype(np.float64):
        brain = channel != 0
        assert not brain[2, 2, 2]
        assert abs(channel[brain].mean()) < 1e-3
        assert abs(channel[brain].std() - 1) < 1e-3
    assert prepared.label[1, 1, 1:4].tolist() == [1, 2, 3]


def test_spacing_is_reached_to_within_a_voxel_and_extent_is_kept(tmp_path: Path) -> None:
    image = np.full((40, 30, 20), 50, dtype=np.int16)
    label = np.zeros((40, 30, 20), dtype=np.uint8)
    label[10:20, 10:20, 5:15] = 1
    case = make_case(tmp_path, [image], label, np.diag([0.8, 0.8, 3.0, 1.0]))
    prepared = prepare_case(case, CT, Preparation((1.6, 1.6, 3.2), (-100.0, 300.0)))
    assert prepared.image.shape[1:] == (20, 15, 19)
    np.testing.assert_allclose(
        np.multiply(prepared.grid.network_spacing, prepared.label.shape), np.multiply((0.8, 0.8, 3.0), (40, 30, 20))
    )
    volume = (prepared.label == 1).sum() * np.prod(prepared.grid.network_spacing)
    np.testing.assert_allclose(volume, (label == 1).sum() * np.prod((0.8, 0.8, 3.0)), rtol=0.1)


def test_labels_are_resized_without_inventing_classes_between_classes() -> None:
    label = np.zeros((8, 8, 8), dtype=np.uint8)
    label[:4], label[4:] = 1, 3
    for shape in ((16, 16, 16), (5, 5, 5), (3, 8, 8)):
        resized = resize_label(label, shape)
        assert set(np.unique(resized)) == {1, 3}
        assert resized.shape == shape


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_class_numbers_do_not_depend_on_a_years_values(dtype: type) -> None:
    later = VolumeRelease("BraTS 2023", "MRI", ("t1",), {1: "NETC", 2: "SNFH", 3: "ET"}, (BRATS,))
    old = class_map(np.array([0, 1, 2, 4], dtype=dtype), MRI)
    assert old.tolist() == class_map(np.array([0, 1, 2, 3], dtype=dtype), later).tolist() == [0, 1, 2, 3]


def test_the_same_voxels_are_kept_of_a_large_structure_every_time(tmp_path: Path) -> None:
    image = np.full((20, 20, 20), 50, dtype=np.int16)
    label = np.ones((20, 20, 20), dtype=np.uint8)
    case = make_case(tmp_path, [image], label, np.eye(4))
    first, second = (prepare_case(case, CT, Preparation(None, (0.0, 100.0))).foreground for _ in range(2))
    assert len(first[1]) == 512
    assert len(np.unique(first[1], axis=0)) == 512
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("spacing", "window", "sentence"),
    [((1.0, 0.0, 1.0), (0.0, 1.0), r"data\.spacing must be"), (None, (5.0, 5.0), r"data\.ct_window must be")],
)
def test_impossible_settings_are_refused(spacing: tuple | None, window: tuple, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Preparation(spacing, window)
