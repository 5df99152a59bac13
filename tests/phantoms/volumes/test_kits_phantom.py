import csv
import json
import re

import nibabel as nib
import numpy as np
import pytest
from test_phantom_cohort import files, fingerprint

from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.phantoms import read_marker, write_phantom
from adpfl_bench.phantoms.cohort import make_writer
from adpfl_bench.phantoms.site_shift import assign_sites
from adpfl_bench.phantoms.volumes.ct_scanner import SITES
from adpfl_bench.phantoms.volumes.kits_writer import KitsWriter

TINY = (16, 24, 24)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Eight cases at a coarse size."""
    root = tmp_path_factory.mktemp("kits") / "kits"
    write_phantom(KitsWriter, root, 8, 2, TINY)
    return root


@pytest.fixture
def label_maps(tmp_path):
    """Three label maps of two boxes each as kidneys, with a tumour, stored as KiTS does."""
    return write_label_maps(tmp_path / "maps", values=(1, 2))


def write_label_maps(folder, values, cases=("case_00007", "case_00021", "case_00300")):
    for case in cases:
        label = np.zeros((40, 64, 64), dtype=np.uint8)  # slices, rows, columns of 5, 6 and 6 mm
        label[12:32, 32:42, 14:24] = values[0]
        label[12:32, 32:42, 40:50] = values[0]
        for place, value in enumerate(values[1:]):
            label[20 + 4 * place : 24 + 4 * place, 36:42, 44:50] = value
        affine = np.array([[0, 0, -6, 0], [0, -6, 0, 0], [-5, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
        (folder / case).mkdir(parents=True)
        nib.save(nib.Nifti1Image(label, affine), folder / case / "segmentation.nii.gz")
    return folder


# Files


def test_layout_is_that_of_kits23(cohort):
    cases = [f"case_{index:05d}" for index in range(8)]
    assert files(cohort) == sorted(
        [
            "PHANTOM.json",
            "sites.csv",
            "dataset/kits23.json",
            *(f"dataset/{case}/{name}.nii.gz" for case in cases for name in ("imaging", "segmentation")),
        ]
    )
    with (cohort / "sites.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["case", "site_id"], *([case, str(index % 4)] for index, case in enumerate(cases))]
    listed = json.loads((cohort / "dataset" / "kits23.json").read_text())
    assert [(one["case_id"], one["site"]) for one in listed] == [(case, f"site-{site}") for case, site in rows[1:]]
    assert all(one["phase"] in SITES[one["site"]].phases for one in listed)


def test_layout_is_recognised_with_its_sites(cohort):
    kits = pytest.importorskip("adpfl_bench.datasets.kits")
    sites = pytest.importorskip("adpfl_bench.data.partitioning.sites")
    survey = kits.survey_kits(cohort)
    assert survey.release.name == "KiTS23"
    assert len(survey.cases) == 8
    assert not survey.problems
    assert sites.read_sites(cohort / "sites.csv")["case_00003"] == "site-3"


def test_arrays_are_stored_as_kits_stores_them(cohort):
    for folder in (cohort / "dataset").glob("case_*"):
        image, label = (nib.load(folder / f"{name}.nii.gz") for name in ("imaging", "segmentation"))
        assert image.shape == label.shape == TINY
        assert nib.aff2axcodes(image.affine) == ("I", "P", "L")
        assert (image.affine == label.affine).all()
        assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)
        length, depth, width = np.array(image.header.get_zooms()) * TINY
        assert 199 < length < 261
        assert depth == pytest.approx(width, rel=1e-5)
        assert 339 < width < 401


def test_number_of_processes_does_not_change_bytes(cohort, tmp_path):
    write_phantom(KitsWriter, tmp_path / "together", 8, 2, TINY, workers=2)
    assert fingerprint(tmp_path / "together") == fingerprint(cohort)


def test_a_case_does_not_depend_on_the_number_of_cases():
    few, many = (KitsWriter(cases, 5, TINY).make_case(1) for cases in (2, 40))
    assert (few[0] == many[0]).all()
    assert (few[1] == many[1]).all()


def test_cases_and_seeds_differ():
    images = [KitsWriter(5, seed, TINY).make_case(index)[0] for seed in (0, 1) for index in (0, 4)]
    assert len({image.tobytes() for image in images}) == 4


# Sites


@pytest.mark.parametrize("cases", [1, 3, 12, 16, 48, 300])
def test_site_sizes_add_up_and_follow_their_shares(cases):
    sizes = KitsWriter(cases, 0, TINY).site_sizes
    assert sum(sizes.values()) == cases
    assert min(sizes.values()) >= min(3, cases // 4)
    if cases >= 48:
        for name, size in sizes.items():
            assert size == pytest.approx(cases * SITES[name].share, abs=1)


def test_more_cases_keep_the_sites_of_the_first():
    assert list(assign_sites(100, SITES))[:30] == list(assign_sites(30, SITES))


# Real label maps


def test_label_maps_come_back_in_the_layout_of_kits19(label_maps, tmp_path):
    write_phantom(KitsWriter, tmp_path / "kits", 3, 0, (40, 64, 64), labels=label_maps)
    assert files(tmp_path / "kits") == sorted(
        [
            "PHANTOM.json",
            "sites.csv",
            "data/kits.json",
            *(
                f"data/{case}/{name}.nii.gz"
                for case in ("case_00007", "case_00021", "case_00300")
                for name in ("imaging", "segmentation")
            ),
        ]
    )
    for path in label_maps.glob("*/segmentation.nii.gz"):
        given, made = nib.load(path), nib.load(tmp_path / "kits" / "data" / path.parent.name / path.name)
        assert made.header.get_zooms() == pytest.approx(given.header.get_zooms())
        assert (np.asarray(made.dataobj) == np.asarray(given.dataobj)).all()


def test_a_map_with_cysts_gives_the_layout_of_kits23(tmp_path):
    write_label_maps(tmp_path / "maps", values=(1, 2, 3))
    write_phantom(KitsWriter, tmp_path / "kits", 2, 0, TINY, labels=tmp_path / "maps")
    assert (tmp_path / "kits" / "dataset" / "kits23.json").is_file()
    for path in (tmp_path / "kits").rglob("segmentation.nii.gz"):
        assert set(np.unique(nib.load(path).dataobj)) == {0, 1, 2, 3}


def test_real_label_maps_come_back(real_data, tmp_path):
    maps = real_data / "kits19_labels" / "data"
    if not maps.is_dir():
        pytest.skip(f"{maps} is missing")
    case = sorted(maps.glob("case_*"))[2]
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / case.name).symlink_to(case)
    given = np.asarray(nib.load(case / "segmentation.nii.gz").dataobj)
    write_phantom(KitsWriter, tmp_path / "kits", 1, 0, (given.shape[0], 256, 256), labels=tmp_path / "maps")
    image, label = (
        np.asarray(nib.load(tmp_path / "kits" / "data" / case.name / f"{name}.nii.gz").dataobj)
        for name in ("imaging", "segmentation")
    )
    finer = label.repeat(2, axis=1).repeat(2, axis=2)
    for value in (1, 2):
        both = np.count_nonzero((finer == value) & (given == value))
        assert 2 * both / (np.count_nonzero(finer == value) + np.count_nonzero(given == value)) > 0.95
    assert 100 < np.median(image[label == 1]) < 220


def test_marker_says_which_label_maps_were_used(label_maps, tmp_path):
    output = tmp_path / "kits"
    assert write_phantom(KitsWriter, output, 2, 0, TINY, labels=label_maps)
    assert read_marker(output).labels == make_writer(KitsWriter, 2, 0, TINY, label_maps).labels_digest
    assert not write_phantom(KitsWriter, output, 2, 0, TINY, labels=label_maps)
    with pytest.raises(DataError, match=r"labels \w+ instead of None"):
        write_phantom(KitsWriter, output, 2, 0, TINY)
    write_label_maps(tmp_path / "others", values=(1, 3))
    with pytest.raises(DataError, match=r"labels \w+ instead of \w+"):
        write_phantom(KitsWriter, output, 2, 0, TINY, labels=tmp_path / "others")


@pytest.mark.parametrize(
    ("values", "cases", "error", "sentence"),
    [
        ((1, 2), 4, ConfigError, "There are 3 label maps in {maps}; ask for at most 3 cases."),
        ((1, 5), 1, DataError, "but found the values [5]"),
        ((2, 2), 1, DataError, "but found no voxel of 1"),
    ],
)
def test_label_maps_that_cannot_be_used_are_refused(tmp_path, values, cases, error, sentence):
    maps = write_label_maps(tmp_path / "maps", values)
    with pytest.raises(error, match=re.escape(sentence.format(maps=maps))):
        write_phantom(KitsWriter, tmp_path / "kits", cases, 0, TINY, labels=maps)
    assert not (tmp_path / "kits").exists()


def test_a_folder_without_label_maps_is_reported(tmp_path):
    with pytest.raises(DataError, match="but found none; give the folder"):
        write_phantom(KitsWriter, tmp_path / "kits", 1, 0, TINY, labels=tmp_path)


def test_a_damaged_label_map_is_reported(label_maps, tmp_path):
    (label_maps / "case_00007" / "segmentation.nii.gz").write_bytes(b"no NIfTI")
    with pytest.raises(DataError, match="cannot be read"):
        write_phantom(KitsWriter, tmp_path / "kits", 1, 0, TINY, labels=label_maps)
