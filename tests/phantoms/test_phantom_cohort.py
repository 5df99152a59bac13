import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.datasets.catalogue import PHANTOMS, find_writer
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.phantoms import MARKER_FILE, Marker, read_marker, write_phantom
from adpfl_bench.phantoms.acquisition_sites import SITES
from adpfl_bench.phantoms.dermoscopy_writer import share_among_sites
from adpfl_bench.phantoms.ham10000_writer import Ham10000Writer
from adpfl_bench.phantoms.isic_writer import IsicWriter
from adpfl_bench.phantoms.volumes.kits_writer import KitsWriter

SMALL = (32, 40)
DATASETS = sorted(PHANTOMS)


def small(dataset):
    """A small image size with the dataset's number of axes."""
    return SMALL if len(find_writer(dataset).default_size) == 2 else (32, 32, 32)


def fingerprint(root):
    """Hash of the names and the bytes of all files under a folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


# Reproducibility


@pytest.mark.parametrize("dataset", DATASETS)
def test_same_arguments_give_the_same_bytes(tmp_path, dataset):
    write_phantom(find_writer(dataset), tmp_path / "one", 7, 3, small(dataset))
    write_phantom(find_writer(dataset), tmp_path / "two", 7, 3, small(dataset))
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


@pytest.mark.parametrize("dataset", DATASETS)
def test_another_seed_gives_other_images(tmp_path, dataset):
    write_phantom(find_writer(dataset), tmp_path / "one", 3, 3, small(dataset))
    write_phantom(find_writer(dataset), tmp_path / "two", 3, 4, small(dataset))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for name in files(tmp_path / "one"):
        # The masks of slices without tumour are alike.
        if name.endswith((".jpg", ".png", ".nii.gz", ".tif")) and not name.endswith("_mask.tif"):
            assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "two" / name).read_bytes()


def test_number_of_processes_does_not_change_bytes(tmp_path):
    write_phantom(Ham10000Writer, tmp_path / "alone", 20, 0, SMALL)
    write_phantom(Ham10000Writer, tmp_path / "together", 20, 0, SMALL, workers=2)
    assert fingerprint(tmp_path / "alone") == fingerprint(tmp_path / "together")


@pytest.mark.parametrize(("cases", "size", "workers"), [(32, (48, 64), 1), (240, None, 7), (2, (1024, 1024), 7)])
def test_a_run_writes_large_cohorts_in_processes(monkeypatch, tmp_path, cases, size, workers):
    asked = []
    monkeypatch.setattr("adpfl_bench.data.case_source.count_processors", lambda: 7)
    monkeypatch.setattr("adpfl_bench.data.case_source.write_phantom", lambda *_, **how: asked.append(how["workers"]))
    ISICDataModule("phantom", phantom_size=size).write_phantom(tmp_path / "cohort", cases, 0)
    assert asked == [workers]


def test_global_random_state_plays_no_part(tmp_path):
    np.random.seed(1)
    write_phantom(IsicWriter, tmp_path / "one", 2, 0, SMALL)
    np.random.seed(2)
    before = np.random.get_state()[1].copy()
    write_phantom(IsicWriter, tmp_path / "two", 2, 0, SMALL)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")
    assert (np.random.get_state()[1] == before).all()


# Layouts


def test_isic_layout(tmp_path):
    write_phantom(IsicWriter, tmp_path / "isic", 3, 0, SMALL)
    ids = ["ISIC_9000000", "ISIC_9000001", "ISIC_9000002"]
    assert files(tmp_path / "isic") == [
        *(f"ISIC-2017_Training_Data/{name}.jpg" for name in ids),
        *(f"ISIC-2017_Training_Part1_GroundTruth/{name}_segmentation.png" for name in ids),
        "PHANTOM.json",
    ]


def test_ham10000_layout(ham10000):
    ids = [f"ISIC_{9_000_000 + index}" for index in range(61)]
    assert files(ham10000.root) == [
        "HAM10000_images_part_1/" + "ISIC_9000000.jpg",
        *(f"HAM10000_images_part_1/{name}.jpg" for name in ids[1:31]),
        *(f"HAM10000_images_part_2/{name}.jpg" for name in ids[31:]),
        "HAM10000_metadata.csv",
        *(f"HAM10000_segmentations_lesion_tschandl/{name}_segmentation.png" for name in ids),
        "PHANTOM.json",
    ]
    header = (ham10000.root / "HAM10000_metadata.csv").read_text().splitlines()[0]
    assert header == "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"
    assert [row["image_id"] for row in ham10000.rows] == ids


def test_files_are_what_the_publishers_store(ham10000):
    for row in ham10000.rows:
        (path,) = ham10000.root.glob(f"HAM10000_images_part_?/{row['image_id']}.jpg")
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (48, 32))
        path = ham10000.root / "HAM10000_segmentations_lesion_tschandl" / f"{row['image_id']}_segmentation.png"
        with Image.open(path) as mask:
            assert (mask.format, mask.mode, mask.size) == ("PNG", "L", (48, 32))
            values = np.asarray(mask)
        assert set(np.unique(values)) == {0, 255}
        assert 0.01 < (values > 0).mean() < 0.75


def test_metadata_values_are_plausible(ham10000):
    for row in ham10000.rows:
        assert row["dx"] in SITES[row["dataset"]].diagnoses
        assert row["dx_type"] in {"histo", "follow_up", "consensus"}
        assert 0 < float(row["age"]) <= 85
        assert float(row["age"]) % 5 == 0
        assert row["sex"] in {"male", "female"}
        assert row["localization"]


# Lesions and sites


def test_lesions_have_one_site_and_one_patient(ham10000):
    facts = {}
    for row in ham10000.rows:
        facts.setdefault(row["lesion_id"], set()).add(tuple(row[name] for name in row if name != "image_id"))
    assert all(len(values) == 1 for values in facts.values())
    assert all(re.fullmatch(r"HAM_9\d{6}", lesion) for lesion in facts)


@pytest.mark.parametrize("seed", range(3))
def test_about_a_quarter_of_the_lesions_have_several_images(seed):
    lesions = Counter(row.lesion for row in Ham10000Writer(2000, seed, SMALL)._plan)
    sizes = Counter(lesions.values())
    assert set(sizes) == {1, 2, 3}
    assert 0.2 < 1 - sizes[1] / len(lesions) < 0.3


@pytest.mark.parametrize("cases", [12, 13, 20, 40, 61, 240])
@pytest.mark.parametrize("seed", range(5))
def test_every_site_has_at_least_three_lesions(cases, seed):
    plan = Ham10000Writer(cases, seed, SMALL)._plan
    assert len(plan) == cases
    lesions = Counter(site for site, _ in {(row.site, row.lesion) for row in plan})
    assert set(lesions) == set(SITES)
    assert min(lesions.values()) >= 3


@pytest.mark.parametrize("cases", [1, 2, 3, 5, 11, 12, 100, 240, 10_015])
def test_site_sizes_add_up_and_follow_the_real_proportions(cases):
    sizes = share_among_sites(cases)
    assert sum(sizes.values()) == cases
    assert min(sizes.values()) >= min(3, cases // 4)
    if cases >= 100:
        expected = {"vidir_molemax": 0.395, "vidir_modern": 0.336, "rosendahl": 0.226, "vienna_dias": 0.044}
        for site, share in expected.items():
            assert sizes[site] / cases == pytest.approx(share, abs=0.01)


def test_metadata_has_the_site_sizes_that_are_announced(ham10000):
    assert Counter(row["dataset"] for row in ham10000.rows) == Ham10000Writer(61, 5, SMALL).site_sizes


# The marker, and folders that exist


def test_marker_says_what_the_phantom_was_made_from(ham10000):
    assert json.loads((ham10000.root / MARKER_FILE).read_text()) == {
        "phantom": "ham10000",
        "cases": 61,
        "seed": 5,
        "image_size": [32, 48],
        "generator_version": 1,
    }
    assert read_marker(ham10000.root) == Marker("ham10000", 61, 5, (32, 48))


def test_a_folder_without_marker_is_no_phantom(tmp_path):
    assert read_marker(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"phantom": "isic", "cases": "many"}'])
def test_a_broken_marker_is_reported(tmp_path, content):
    (tmp_path / MARKER_FILE).write_text(content)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / MARKER_FILE))):
        read_marker(tmp_path)


def test_the_same_phantom_is_kept(tmp_path):
    assert write_phantom(IsicWriter, tmp_path / "isic", 2, 0, SMALL) is True
    (image,) = (tmp_path / "isic").rglob("ISIC_9000001.jpg")
    written = image.stat().st_mtime_ns
    assert write_phantom(IsicWriter, tmp_path / "isic", 2, 0, SMALL) is False
    assert image.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (("isic", 3, 0, SMALL), "cases 2 instead of 3"),
        (("isic", 2, 1, SMALL), "seed 0 instead of 1"),
        (("isic", 2, 0, (48, 48)), "image_size (32, 40) instead of (48, 48)"),
        (("ham10000", 2, 0, SMALL), "phantom isic instead of ham10000"),
    ],
)
def test_another_phantom_is_refused(tmp_path, arguments, difference):
    dataset, cases, seed, size = arguments
    write_phantom(IsicWriter, tmp_path / "out", 2, 0, SMALL)
    before = fingerprint(tmp_path)
    with pytest.raises(DataError, match=re.escape(difference)):
        write_phantom(find_writer(dataset), tmp_path / "out", cases, seed, size)
    assert fingerprint(tmp_path) == before


def test_a_folder_or_file_that_is_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter 1")
    for output in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(DataError, match="exists and is not a phantom"):
            write_phantom(IsicWriter, output, 1, 0, SMALL)
    assert files(tmp_path) == ["thesis.txt"]


def test_an_empty_folder_may_exist(tmp_path):
    output = tmp_path / "deep" / "isic"
    output.mkdir(parents=True)
    assert write_phantom(IsicWriter, output, 1, 0, SMALL)
    assert read_marker(output) is not None


# Interruption


@pytest.mark.parametrize("error", [RuntimeError("disk full"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_an_interrupted_generation_leaves_nothing(tmp_path, monkeypatch, error):
    write_case = Ham10000Writer.write_case

    def fail_in_the_middle(self, root, index):
        assert not (tmp_path / "ham10000").exists()
        if index == 3:
            raise error
        write_case(self, root, index)

    monkeypatch.setattr(Ham10000Writer, "write_case", fail_in_the_middle)
    with pytest.raises(type(error)):
        write_phantom(Ham10000Writer, tmp_path / "ham10000", 6, 0, SMALL)
    assert list(tmp_path.iterdir()) == []

    monkeypatch.undo()
    assert write_phantom(Ham10000Writer, tmp_path / "ham10000", 6, 0, SMALL)


def test_of_two_processes_the_faster_one_wins(tmp_path, monkeypatch):
    output, write_case = tmp_path / "ham10000", Ham10000Writer.write_case

    def be_overtaken(self, root, index):
        monkeypatch.undo()
        write_phantom(Ham10000Writer, output, 2, 0, SMALL)
        write_case(self, root, index)

    monkeypatch.setattr(Ham10000Writer, "write_case", be_overtaken)
    assert write_phantom(Ham10000Writer, output, 2, 0, SMALL) is False
    assert list(tmp_path.iterdir()) == [output]
    assert len(list(output.rglob("*.jpg"))) == 2


# Impossible arguments


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"cases": 0}, "needs at least 1 case, but 0"),
        ({"cases": -4}, "needs at least 1 case, but -4"),
        ({"seed": -1}, "must be 0 or more, but it is -1"),
        ({"size": (16, 64)}, "2 sides of at least 32 pixels, but the image size is [16, 64]"),
        ({"size": (64, 64, 64)}, "2 sides of at least 32 pixels, but the image size is [64, 64, 64]"),
        ({"size": ()}, "2 sides of at least 32 pixels, but the image size is []"),
        ({"kind": KitsWriter, "size": (64, 64)}, "3 sides of at least 16 voxels, but the image size is [64, 64]"),
        ({"labels": Path("maps")}, "Phantoms of isic are not made around real label maps; leave labels out."),
        ({"workers": 0}, "that write a phantom must be from 1 to"),
    ],
)
def test_impossible_arguments_are_refused_before_anything_is_written(tmp_path, arguments, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        write_phantom(**{"kind": IsicWriter, "output": tmp_path / "out", "cases": 1, **arguments})
    assert list(tmp_path.iterdir()) == []
