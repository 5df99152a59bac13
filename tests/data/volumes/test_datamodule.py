"""A federation on volumes: from files to scores on the files' own grids."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from adpfl_bench.data.evaluation.evaluation_batch import collate_cases
from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.datasets.brats import BraTSDataModule
from adpfl_bench.datasets.kits import KiTSDataModule
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.tasks.kidney_tumour import KidneyTumorTask
from tests.schemes import SCHEMES

SHAPE = (20, 18, 12)
EDGES = (1.0, 1.0, 2.0)


def phantom(number: int, shape: tuple = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """A bright kidney with a brighter tumour and a dark cyst, in RAS order."""
    grids = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    place = 0.2 * np.sin(number + np.arange(3))
    radius = np.sqrt(sum(((axis - middle) / 0.6) ** 2 for axis, middle in zip(grids, place, strict=True)))
    label = np.zeros(shape, dtype=np.uint8)
    label[radius < 1] = 1
    label[(radius < 0.7) & (grids[0] > place[0])] = 2
    label[(radius < 0.7) & (grids[0] < place[0] - 0.1)] = 3
    image = np.array([0, 100, 250, 10])[label] + np.random.default_rng(number).integers(-3, 4, shape)
    image[label == 0] -= 60
    return image.astype(np.int16), label


def write_case(root: Path, name: str, image: np.ndarray, label: np.ndarray, affine: np.ndarray) -> None:
    folder = root / "dataset" / name
    folder.mkdir(parents=True)
    nib.save(nib.Nifti1Image(image, affine), folder / "imaging.nii.gz")
    nib.save(nib.Nifti1Image(label, affine), folder / "segmentation.nii.gz")


@pytest.fixture
def kits(tmp_path: Path) -> Path:
    root = tmp_path / "kits"
    for number in range(10):
        write_case(root, f"case_{number:05d}", *phantom(number), np.diag([*EDGES, 1.0]))
    lines = ["case,site_id", *(f"case_{number:05d},{3 + number % 2}" for number in range(10))]
    (root / "sites.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def module(kits: Path, tmp_path: Path) -> Callable[..., KiTSDataModule]:
    def make(scheme: str = "kits", **arguments: object) -> KiTSDataModule:
        settings = {"spacing": None, "patch_size": (8, 8, 8), "cache_directory": tmp_path / "cache", **arguments}
        data = KiTSDataModule(kits, **settings)
        data.scheme = SCHEMES[scheme]
        return data

    return make


class Threshold(nn.Module):
    """Tells the structures of these phantoms by their intensity, as a trained network would."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        hu = image * 191.5 + 112.5
        tumour, kidney, cyst = hu - 175, 75 - (hu - 100).abs(), 30 - (hu - 10).abs()
        masses = torch.maximum(tumour, cyst)
        return torch.cat([torch.maximum(masses, kidney), masses, tumour], dim=1)


def score(data: KiTSDataModule, case) -> dict[str, tuple[float, float, float]]:
    task = KidneyTumorTask(network="UNet", network_arguments={"channels": [4, 8], "strides": [2]})
    task.network = Threshold()
    brought = data.evaluation_case(case, native=True)
    task.score(collate_cases([brought], ["c"], ["p"], "a", "test"), complete=True)
    return {row.region: tuple(row.values[name] for name in ("dice", "hd95", "nsd")) for row in task.scores}


def test_a_site_file_in_the_root_gives_natural_clients(module: Callable[..., KiTSDataModule]) -> None:
    data = module(partition=NaturalPartition())
    data.setup("fit")
    assert [client.name for client in data.clients] == ["site-3", "site-4"]
    assert data.train_sizes == {"site-3": 3, "site-4": 3}
    described = data.describe()
    assert (described.release, described.cases) == ("KiTS23", 10)


def test_training_records_are_patches_of_predicted_regions(module: Callable[..., KiTSDataModule]) -> None:
    data = module(foreground_probability=1.0, augmentation=False)
    data.setup("fit")
    record = data._examples[ExampleKey(0, 1)]
    assert record.image.shape == (1, 8, 8, 8)
    assert record.label.shape == (3, 8, 8, 8)
    assert record.label.any()
    assert (record.label[0] >= record.label[1]).all()
    assert sorted(i for records in data.training_examples().values() for i in records) == list(
        range(len(data._examples))
    )


def test_time_points_of_a_patient_are_one_training_record(tmp_path: Path) -> None:
    root = tmp_path / "brats"
    for patient in range(6):
        for point in range(1 + patient % 2):
            name = f"BraTS-GLI-{patient:05d}-00{point}"
            (root / name).mkdir(parents=True)
            image, label = phantom(10 * patient + point)
            for ending in ("t1n", "t1c", "t2w", "t2f"):
                nib.save(nib.Nifti1Image(image, np.eye(4)), root / name / f"{name}-{ending}.nii.gz")
            nib.save(nib.Nifti1Image(label, np.eye(4)), root / name / f"{name}-seg.nii.gz")
    arguments = {"spacing": None, "patch_size": (8, 8, 8), "cache_directory": tmp_path / "cache"}
    data = BraTSDataModule(root, IIDPartition(2), **arguments)
    data.scheme = SCHEMES["brats"]
    data.setup("fit")
    trained = [case for client in data.clients for case in client.train]
    patients = {case.patient_id for case in trained}
    assert sum(data.train_sizes.values()) == len(patients) < len(trained)
    assert data.release.name == "BraTS 2023 GLI"


@pytest.mark.parametrize("spacing", [None, (2.0, 1.5, 2.0)])
def test_a_network_that_is_right_scores_well_on_the_files_grid(
    module: Callable[..., KiTSDataModule], spacing: tuple | None
) -> None:
    data = module(spacing=spacing)
    data.setup("fit")
    dice = {region: values[0] for region, values in score(data, data.clients[0].test[0]).items()}
    if spacing is None:
        assert set(dice.values()) == {1.0}
    else:  # at a coarser spacing, the rim of a kidney looks like a cyst to this network
        assert min(dice["kidney_and_masses"], dice["tumour"]) > 0.7


def test_turned_and_flipped_copies_of_a_case_score_the_same(kits: Path, module: Callable[..., KiTSDataModule]) -> None:
    image, label = phantom(3)
    whole = nib.Nifti1Image(image, np.diag([*EDGES, 1.0])), nib.Nifti1Image(label, np.diag([*EDGES, 1.0]))
    for number, codes in enumerate(["IPL", "LPS", "ASR"]):
        turned = []
        for part in whole:
            ornt = nib.orientations.ornt_transform(
                nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
            )
            turned.append(part.as_reoriented(ornt))
        # Another voxel in a corner that is no tissue, since copies of an image under other names are refused.
        values = np.asarray(turned[0].dataobj).copy()
        values[0, 0, 0] = -61 - number
        write_case(kits, f"case_{200 + number:05d}", values, np.asarray(turned[1].dataobj), turned[0].affine)
    data = module(site_file=None, spacing=(1.5, 1.5, 1.5))
    (kits / "sites.csv").unlink()
    data.setup("fit")
    cases = {case.case_id: case for client in data.clients for case in client.cases}
    reference = score(data, cases["case_00003"])
    assert all(0.7 < dice < 1 for dice, _, _ in reference.values())
    for number in range(3):
        for region, values in score(data, cases[f"case_{200 + number:05d}"]).items():
            np.testing.assert_allclose(values, reference[region], rtol=1e-6, err_msg=region)


def test_an_anisotropic_copy_of_a_case_scores_nearly_the_same(
    kits: Path, module: Callable[..., KiTSDataModule]
) -> None:
    image, label = phantom(3)
    halved = [np.repeat(part, 2, axis=2) for part in (image, label)]
    halved[0][0, 0, 0] = -61
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[2, 3] = -0.5
    write_case(kits, "case_00200", *halved, affine)
    (kits / "sites.csv").unlink()
    data = module(spacing=(1.0, 1.0, 2.0))
    data.setup("fit")
    cases = {case.case_id: case for client in data.clients for case in client.cases}
    reference, copy = (score(data, cases[name]) for name in ("case_00003", "case_00200"))
    for region in reference:
        assert abs(reference[region][0] - copy[region][0]) < 0.03
        assert abs(reference[region][1] - copy[region][1]) <= 1.0


@pytest.mark.parametrize("codes", ["RAS", "IPL"])
def test_predictions_are_written_as_the_source_is(
    tmp_path: Path, module: Callable[..., KiTSDataModule], kits: Path, codes: str
) -> None:
    data = module()
    data.setup("fit")
    case = data.clients[0].test[0]
    truth = nib.load(case.label)
    scheme = SCHEMES["kits"]
    masks = scheme.masks(np.asarray(truth.dataobj), scheme.predicted)
    data.write_prediction(tmp_path, case.case_id, masks, scheme.predicted)
    written = nib.load(tmp_path / f"{case.case_id}.nii.gz")
    assert written.shape == truth.shape
    np.testing.assert_array_equal(written.affine, truth.affine)
    np.testing.assert_array_equal(written.header.get_zooms(), truth.header.get_zooms())
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(truth.dataobj))


def test_a_task_that_does_not_fit_the_labels_is_told_which_does(module: Callable[..., KiTSDataModule]) -> None:
    data = module("kits19")
    with pytest.raises(ConfigError, match=r"KiTS23 has the labels 1 kidney, 2 tumour, 3 cyst.*label_scheme kits\b"):
        data.setup("fit")


def test_another_years_labels_are_named_case_by_case(module: Callable[..., KiTSDataModule]) -> None:
    data = module("kits19", release="KiTS19")
    with pytest.raises(DataError, match=r"case_0000\d.*3 .*KiTS21"):
        data.setup("fit")


def test_excluded_cases_are_left_out_and_unknown_ones_refused(
    module: Callable[..., KiTSDataModule], kits: Path
) -> None:
    (kits / "dataset" / "case_00004" / "imaging.nii.gz").unlink()
    with pytest.raises(DataError, match=r"case_00004.*imaging\.nii\.gz is missing"):
        module().setup("fit")
    data = module(exclude=["case_00004", "case_00005"])
    data.setup("fit")
    assert sum(len(client.cases) for client in data.clients) == 8
    with pytest.raises(ConfigError, match=r"data\.exclude names case_77777"):
        module(exclude=["case_77777", "case_00004"]).setup("fit")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"evaluation_batch_size": 2}, "evaluation_batch_size must be 1"),
        ({"patch_size": (0, 8, 8)}, "patch_size must have sides from 1"),
        ({"foreground_probability": 1.5}, r"foreground_probability must be in \[0, 1\]"),
        ({"window_overlap": 1.0}, r"window_overlap in \[0, 1\)"),
        ({"ct_window": (5.0, 1.0)}, "ct_window must be a lower and a higher"),
    ],
)
def test_impossible_settings_are_refused(module: Callable[..., KiTSDataModule], arguments: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        module(**arguments)
