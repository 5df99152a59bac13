"""New patients' volumes in other files than those of training are the same images: 4-D files, and slices in TIFF."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
import torch

from adpfl_bench.data.volumes.new_stacks import find_stacks
from adpfl_bench.data.volumes.tiff_stack import TiffStackReader
from adpfl_bench.datasets.brats import BRATS
from adpfl_bench.datasets.lgg import LGG, LGGDataModule
from adpfl_bench.datasets.lgg import NAME as LGG_NAME
from adpfl_bench.datasets.msd_brain import NAME as MSD
from adpfl_bench.datasets.msd_brain import MSDBrainDataModule
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.cohort import write_phantom
from adpfl_bench.phantoms.volumes.lgg_writer import LggWriter
from adpfl_bench.phantoms.volumes.msd_brain_writer import MsdBrainWriter


def test_files_of_four_dimensions_are_read_by_the_names_of_dataset_json(tmp_path: Path) -> None:
    root = tmp_path / "msd"
    write_phantom(MsdBrainWriter, root, 1, 0, (16, 16, 16), progress=False, workers=1, shift=1.0)
    (file,) = (root / "imagesTr").glob("*.nii.gz")
    image = nib.load(file)
    order = {"FLAIR": "flair", "T1w": "t1", "t1gd": "t1ce", "T2w": "t2"}
    names = json.loads((root / "dataset.json").read_text())["modality"]
    apart = tmp_path / "apart"
    apart.mkdir()
    for number, name in names.items():
        values = np.asarray(image.dataobj)[..., int(number)]
        nib.save(nib.Nifti1Image(values, image.affine, image.header), apart / f"x_{order[name]}.nii.gz")
    brought = []
    for given in (file, root / "imagesTr", apart):
        data = MSDBrainDataModule(root=Path("."), patch_size=(8, 8, 8))
        data.scheme = BRATS
        (case,) = data.find_new([given], MSD).cases
        brought.append(data.new_case(case).image)
    assert brought[0].shape[0] == 4
    assert torch.equal(brought[0], brought[1])
    assert torch.equal(brought[0], brought[2])
    shutil.copy(file, tmp_path / "alone.nii.gz")
    data = MSDBrainDataModule(root=Path("."))
    data.scheme = BRATS
    with pytest.raises(DataError, match=r"alone\.nii\.gz does not say which of the channels t1, t1ce, t2, flair it is"):
        data.find_new([tmp_path / "alone.nii.gz"], MSD)


def test_slices_are_files_or_pages(tmp_path: Path) -> None:
    write_phantom(LggWriter, tmp_path / "lgg", 1, 0, (12, 20, 20), progress=False, workers=1, shift=1.0)
    data = LGGDataModule(root=Path("."), patch_size=(8, 8, 4))
    data.scheme = LGG
    (case,) = data.find_new([tmp_path / "lgg"], LGG_NAME).cases
    slices = [tifffile.imread(path) for path in case.images]
    assert len(slices) == 12
    assert [int(path.stem.rpartition("_")[2]) for path in case.images] == list(range(1, 13))
    tifffile.imwrite(tmp_path / "pages.tif", np.stack(slices), photometric="rgb")
    (pages,) = data.find_new([tmp_path / "pages.tif"], LGG_NAME).cases
    assert pages.images == (tmp_path / "pages.tif",)
    one, other = data.new_case(case), data.new_case(pages)
    assert torch.equal(one.image, other.image)
    assert one.label.shape == other.label.shape == (1, 20, 20, 12)
    grey = np.stack([pixels[..., 0] for pixels in slices])
    tifffile.imwrite(tmp_path / "grey.tif", grey)
    (wrong,) = data.find_new([tmp_path / "grey.tif"], LGG_NAME).cases
    with pytest.raises(DataError, match=r"grey: has pages of the shape 20x20 .*; expected rows, columns and 3"):
        data.new_case(wrong)


def test_stacks_that_cannot_be_are_told(tmp_path: Path) -> None:
    for name in ("a_1", "a_2", "a_2_mask", "b_1", "b_3", "more/a_1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((4, 4, 3), np.uint8), photometric="rgb")
    (tmp_path / "b_3.tiff").write_bytes(b"none")
    found = find_stacks([tmp_path])
    assert [(problem.case, problem.problem.partition(",")[0]) for problem in found.problems] == [
        ("b", "has the slice 3 twice"),
        ("a", "is there twice"),
    ]
    assert [path.name for path in found.ignored] == ["a_2_mask.tif"]
    assert [case.case_id for case in find_stacks([tmp_path / "a_1.tif", tmp_path / "a_2.tif"]).cases] == ["a"]
    (tmp_path / "b_3.tiff").unlink()
    (gap,) = find_stacks([tmp_path / "b_1.tif", tmp_path / "b_3.tif"]).problems
    assert gap.problem == "has the slices 1 to 3, but not 2"
    with pytest.raises(DataError, match=r"There is no image in .*; expected files that end in \.tif, \.tiff\."):
        find_stacks([tmp_path / "a_2_mask.tif"])


def test_each_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_phantom(LggWriter, tmp_path / "lgg", 1, 0, (12, 20, 20), progress=False, workers=1, shift=1.0)
    data = LGGDataModule(root=Path("."), patch_size=(8, 8, 4))
    data.scheme = LGG
    (case,) = data.find_new([tmp_path / "lgg"], LGG_NAME).cases
    read: list[int] = []
    by_channel = TiffStackReader.read_channel
    monkeypatch.setattr(
        TiffStackReader, "read_channel", lambda self, case, c: read.append(c) or by_channel(self, case, c)
    )
    data.new_case(case)
    assert sorted(read) == [0, 1, 2]
