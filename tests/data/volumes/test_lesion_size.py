"""How large lesions are in volumes."""

from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.partitioning.property_partition import PropertyPartition, ShardPartition
from adpfl_bench.datasets.brats import BraTSDataModule
from adpfl_bench.datasets.kits import KiTSDataModule, survey_kits
from adpfl_bench.datasets.lgg import LGGDataModule, LGGSlicesDataModule


def sizes(data) -> dict[str, float]:
    """What each case's metadata states."""
    return {case.case_id: float(case.metadata["lesion_size"]) for case in data._cases}


def test_volumes_are_in_cubic_millimetres_and_leave_the_kidney_out(tmp_path: Path, cohorts) -> None:
    for number in range(4):
        folder = cohorts.kits(tmp_path / "kits" / f"case_{number:05d}", values=(1, 2))
        label = np.zeros((8, 8, 8), dtype=np.uint8)
        label[:4] = 1
        label[4, :2, : number + 1] = 2
        nib.save(nib.Nifti1Image(label, np.diag([-1.0, 1.5, 2.0, 1.0])), folder / "segmentation.nii.gz")
    data = KiTSDataModule(
        tmp_path / "kits", ShardPartition(2, "lesion_size", 1), test_fraction=0, validation_fraction=0
    )
    data.divide()
    assert sizes(data) == {f"case_{number:05d}": 2 * (number + 1) * 3.0 for number in range(4)}
    assert {frozenset(case.case_id for case in client.train) for client in data.clients} == {
        frozenset({"case_00000", "case_00001"}),
        frozenset({"case_00002", "case_00003"}),
    }


def test_grades_divide_brats_2018(tmp_path: Path, cohorts) -> None:
    for grade, numbers in (("HGG", range(3)), ("LGG", range(3, 6))):
        for number in numbers:
            cohorts.brats(tmp_path / grade / f"Brats18_TCIA01_{number}_1")
    data = BraTSDataModule(tmp_path, ShardPartition(2, "grade", 1), test_fraction=0, validation_fraction=0)
    data.divide()
    assert {frozenset(case.metadata["grade"] for case in client.train) for client in data.clients} == {
        frozenset({"HGG"}),
        frozenset({"LGG"}),
    }


def test_real_tumours_are_measured_as_their_label_maps_say(real_data: Path) -> None:
    root = real_data / "kits19_labels"
    data = KiTSDataModule(root)
    data.release = survey_kits(root).release
    for path in sorted(root.rglob("segmentation.nii.gz"))[:3]:
        image = nib.load(path)
        voxel = abs(np.linalg.det(image.affine[:3, :3]))
        expected = float((np.asarray(image.dataobj) == 2).sum() * voxel)
        assert expected > 0
        case = Case(path.parent.name, path.parent.name, (), path)
        assert data.lesion_size(case) == pytest.approx(expected, rel=1e-5)


def test_real_stacks_hold_as_many_voxels_as_their_slices(real_data: Path) -> None:
    partition = PropertyPartition(2, "lesion_size")
    whole, slices = LGGDataModule(real_data / "lgg", partition), LGGSlicesDataModule(real_data / "lgg", partition)
    whole.divide()
    slices.divide()
    voxels = Counter()
    for case in slices._cases:
        voxels[case.label.parent.name] += round(float(case.metadata["lesion_size"]) * 256 * 256)
    assert sizes(whole) == voxels
    assert len(voxels) == 17
