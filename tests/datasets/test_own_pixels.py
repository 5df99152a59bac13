"""One's own data bring the pixels, masks and scores that the dataset's own datamodule brings of the same files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import pytest
import torch

from adpfl_bench.data.case import Case
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.datasets.brats import BRATS, CHANNELS, BraTSDataModule, survey_brats
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.datasets.lgg import LGG, LGGSlicesDataModule
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.own_pictures import OwnPicturesDataModule
from adpfl_bench.datasets.own.own_volumes import OwnVolumesDataModule
from tests.own_layouts import decathlon, raw_folder, table

ONE = {"partition": IIDPartition(1), "validation_fraction": 0.2, "test_fraction": 0.2}
BRAIN = {"NETC": 1, "SNFH": 2, "ET": 4}
WHOLE = {"WT": ["NETC", "SNFH", "ET"], "TC": ["NETC", "ET"], "ET": ["ET"]}


def read(data: FederatedDataModule) -> dict[str, list[torch.Tensor]]:
    """What the network is given of each case, and what it is scored by, in both grids."""
    data.divide()
    data.read_contents()
    examples = data.load_cases(data._cases)
    found = {}
    for case in data._cases:
        native, small = data.evaluation_case(case, native=True), data.evaluation_case(case, native=False)
        found[case.case_id] = [native.image, native.label, small.image, small.label]
    trained = [example for own in data.training_examples().values() for example in own]
    for example in trained[:2]:
        found[f"example {example}"] = list(examples[ExampleKey(example, 7)])
    return found


def agree(ours: dict[str, list[torch.Tensor]], theirs: dict[str, list[torch.Tensor]]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensors in theirs.items():
        for own, other in zip(ours[name], tensors, strict=True):
            assert torch.equal(own.float(), other.float()), name


def linked(root: Path, cases: list[Case]) -> Path:
    """A folder with the files of some cases of another one, in folders of the same names."""
    for case in cases:
        for file in case.files:
            (root / file.parent.name).mkdir(parents=True, exist_ok=True)
            (root / file.parent.name / file.name).symlink_to(file.resolve())
    return root


def elsewhere(path: Path, cases: list[Case], channels: Sequence[str] = ()) -> Path:
    """A table of the files where they are."""
    columns = [f"image_{name}" for name in channels] or ["image"]
    return table(
        path,
        [
            {
                "case": case.case_id,
                **dict(zip(columns, (image.resolve() for image in case.images), strict=True)),
                "mask": case.label.resolve(),
                "patient": case.patient_id,
                "site": case.site or "clinic",
            }
            for case in cases
        ],
    )


@pytest.mark.parametrize("layout", ["folder", "table"])
def test_photographs_of_skin(real_data: Path, tmp_path: Path, layout: str) -> None:
    cases = ISICDataModule("").scan(real_data / "isic2017")[:6]
    theirs = ISICDataModule(linked(tmp_path / "isic", cases), **ONE)
    if layout == "folder":
        root = raw_folder(tmp_path / "raw", cases, ".png", "RGB", {"lesion": 1})
    else:
        root = elsewhere(tmp_path / "table.csv", cases)
    ours = OwnPicturesDataModule(root, **ONE)
    agree(read(ours), read(theirs))


@pytest.mark.parametrize("layout", ["folder", "table"])
def test_slices_of_brain_mri(real_data: Path, tmp_path: Path, layout: str) -> None:
    of_two = LGGSlicesDataModule("").scan(real_data / "lgg")
    of_two = [case for case in of_two if case.patient_id in {of_two[0].patient_id, of_two[-1].patient_id}]
    cases = of_two[::3]
    description = DatasetDescription(labels={"abnormality": 1})
    if layout == "folder":
        root = raw_folder(tmp_path / "raw", cases, ".tif", "RGB", {"abnormality": 1})
        description = DatasetDescription(
            case_pattern=r"TCGA_(?P<site>\w\w)_(?P<patient>[^_]+)_.*", ids_identify="patient"
        )
    else:
        root = elsewhere(tmp_path / "table.csv", cases)
    theirs = LGGSlicesDataModule("", partition=NaturalPartition(), image_size=(64, 64))
    theirs.scheme = LGG
    theirs.scan = lambda root: cases
    theirs.root = real_data / "lgg"
    ours = OwnPicturesDataModule(root, description=description, image_size=(64, 64))
    ours.scheme = DatasetDescription(labels={"abnormality": 1}).scheme()
    agree(read(ours), read(theirs))
    assert [client.name for client in ours.clients] == [client.name for client in theirs.clients]
    assert ours.patient_id_is == theirs.patient_id_is == "patient"
    assert len({case.patient_id for case in ours._cases}) == 2


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Path:
    """Boxes of a real case, in the layout of BraTS 2021."""
    root = tmp_path_factory.mktemp("brain")
    (case,) = survey_brats(real_data / "brats_sample").cases
    for index in range(3):
        folder = root / f"BraTS2021_0000{index}"
        folder.mkdir()
        for file in case.files:
            image = nib.load(file)
            box = image.slicer[60 + index : 130, 80:150, 50:100]
            nib.save(box, folder / file.name.replace("BraTS2021_99999", folder.name))
    return root


@pytest.mark.parametrize("layout", ["folder", "table", "decathlon"])
def test_volumes_of_the_brain(brain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    cases = list(survey_brats(brain).cases)
    how = {"spacing": (2.0, 2.0, 2.0), "patch_size": (24, 24, 16), **ONE}
    description = DatasetDescription(labels=BRAIN, regions=WHOLE, tolerances=dict.fromkeys(WHOLE, 1.0))
    if layout == "table":
        root = elsewhere(tmp_path / "table.csv", [replace(case, site="a") for case in cases], CHANNELS)
    else:
        root = raw_folder(tmp_path / "raw", cases, ".nii.gz", CHANNELS, BRAIN)
    if layout == "decathlon":
        root = decathlon(tmp_path / "decathlon", root)
    theirs, ours = BraTSDataModule(brain, **how), OwnVolumesDataModule(root, description=description, **how)
    theirs.scheme, ours.scheme = BRATS, description.scheme()
    agree(read(ours), read(theirs))
    assert ours.scheme.painting == BRATS.painting
    assert ours.scheme.tolerances == BRATS.tolerances
