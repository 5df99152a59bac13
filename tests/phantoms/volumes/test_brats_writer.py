"""What stands in the files of brain phantoms: label values where the pictures say so, sites by patient, scanners."""

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import scipy.ndimage

from adpfl_bench.datasets.catalogue import find_writer
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.cohort import make_writer
from adpfl_bench.phantoms.volumes.brain import OUTSIDE, WHITE, draw_brain
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer, Brats2024Writer
from adpfl_bench.phantoms.volumes.mri_scanner import MRI_SITES, MriSite, scan
from adpfl_bench.phantoms.volumes.msd_brain_writer import MsdBrainWriter
from adpfl_bench.phantoms.volumes.space import Space

SIZE = (36, 44, 32)


def load(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def read_partition(root: Path) -> dict[str, str]:
    with (root / "sites.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"Partition_ID", "Subject_ID"}
    return {row["Subject_ID"]: row["Partition_ID"] for row in rows}


@pytest.mark.parametrize(
    ("dataset", "endings", "enhancing"),
    [
        ("brats2021", ("_t1", "_t1ce", "_t2", "_flair", "_seg"), 4),
        ("brats2023", ("-t1n", "-t1c", "-t2w", "-t2f", "-seg"), 3),
    ],
)
def test_label_values_lie_where_the_sequences_show_them(
    tmp_path: Path, dataset: str, endings: tuple[str, ...], enhancing: int
) -> None:
    write_phantom(find_writer(dataset), tmp_path / "data", 3, 0, SIZE)
    for folder in (path for path in (tmp_path / "data").iterdir() if path.is_dir()):
        assert {path.name for path in folder.iterdir()} == {f"{folder.name}{ending}.nii.gz" for ending in endings}
        t1, t1ce, t2, flair, label = (load(folder / f"{folder.name}{ending}.nii.gz") for ending in endings)
        assert _brightest(t1ce, label) == enhancing
        assert _brightest(flair, label) == 2
        assert _brightest(t2, label) == 1
        for image in (t1, t1ce, t2, flair):  # one brain, and not a trace of anything around it
            np.testing.assert_array_equal(image > 0, t1 > 0)
            assert image.min() == 0
        assert not label[t1 == 0].any()


def test_decathlon_labels_lie_where_the_channels_show_them(tmp_path: Path) -> None:
    write_phantom(MsdBrainWriter, tmp_path / "data", 3, 0, SIZE)
    for path in (tmp_path / "data" / "imagesTr").iterdir():
        image, label = load(path), load(tmp_path / "data" / "labelsTr" / path.name)
        assert _brightest(image[..., 0], label) == 1  # FLAIR: edema
        assert _brightest(image[..., 2], label) == 3  # T1 with contrast agent: enhancing tumour
        assert _brightest(image[..., 3], label) == 2  # T2: the dead core


def test_a_cavity_is_filled_with_fluid(tmp_path: Path) -> None:
    write_phantom(Brats2024Writer, tmp_path / "data", 8, 0, SIZE)
    cavities = 0
    for path in (tmp_path / "data").glob("*/*-seg.nii.gz"):
        label = load(path)
        if (label == 4).any():
            cavities += 1
            stem = str(path).removesuffix("-seg.nii.gz")
            t1, t2, flair = (load(Path(f"{stem}-{ending}.nii.gz")) for ending in ("t1n", "t2w", "t2f"))
            assert _brightest(t2, label) == 4
            for dark in (t1, flair):
                assert np.median(dark[label == 4]) < np.median(dark[dark > 0])
    assert cavities >= 4


@pytest.mark.parametrize(("dataset", "twice"), [("brats2021", 0), ("brats2023", 5), ("brats2024", 3)])
def test_all_scans_of_a_patient_come_from_one_site(tmp_path: Path, dataset: str, twice: int) -> None:
    writer = make_writer(find_writer(dataset), 60, 0)
    writer.prepare(tmp_path)
    partition = read_partition(tmp_path)
    assert len(partition) == 60
    by_patient = defaultdict(list)
    for case, site in partition.items():
        by_patient[case if dataset == "brats2021" else case.rsplit("-", 1)[0]].append(site)
    assert all(len(set(sites)) == 1 for sites in by_patient.values())
    share = np.mean([len(sites) == 2 for sites in by_patient.values()])
    assert share == pytest.approx(1 / twice if twice else 0, abs=0.03)
    counts = {f"site-{site}": list(partition.values()).count(site) for site in sorted(set(partition.values()))}
    assert counts == writer.site_sizes


@pytest.mark.parametrize("dataset", ["brats2021", "brats2024", "lgg"])
def test_sites_have_their_shares(dataset: str) -> None:
    writer = make_writer(find_writer(dataset), 300, 0)
    for name, cases in writer.site_sizes.items():
        assert cases / 300 == pytest.approx(writer.sites[name].share, abs=0.04)


def test_a_full_size_case_has_the_header_of_brats() -> None:
    from adpfl_bench.phantoms.volumes.brats_writer import affine_of

    writer = make_writer(Brats2021Writer, 1, 0, (240, 240, 155))
    expected = [[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(affine_of(writer.space_of(0)), expected)


def test_noise_and_bias_are_those_of_the_site() -> None:
    space = Space((48, 56, 40), (3.7, 3.8, 3.8))
    tissue = draw_brain(np.random.default_rng(0), space)
    deep = scipy.ndimage.binary_erosion(tissue == WHITE)
    assert deep.sum() > 500
    quiet, even = (
        [_unevenness(replace(site, **{name: 0.0}), tissue, deep, space) for site in MRI_SITES.values()]
        for name in ("noise", "bias")
    )
    biases = [site.bias for site in MRI_SITES.values()]
    noises = [site.noise for site in MRI_SITES.values()]
    assert np.argsort(quiet).tolist() == np.argsort(biases).tolist()
    assert np.argsort(even).tolist() == np.argsort(noises).tolist()


def _unevenness(site: MriSite, tissue: np.ndarray, where: np.ndarray, space: Space) -> float:
    # The same contrast for all, as it would stretch noise and brightness alike.
    image = scan(np.random.default_rng(1), tissue, np.zeros_like(tissue), space, replace(site, gamma=1.0), ("t1",))[
        "t1"
    ]
    assert (image[tissue == OUTSIDE] == 0).all()
    return float(image[where].std() / image[where].mean())


def _brightest(image: np.ndarray, label: np.ndarray) -> int:
    """Value of the label map whose voxels have the highest median."""
    values = [int(value) for value in np.unique(label) if value]
    return max(values, key=lambda value: float(np.median(image[label == value])))
