"""Phantoms of brain MRI: layouts, anatomy, time points and scanners."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from adpfl_bench.data.partitioning.sites import read_sites
from adpfl_bench.datasets.brats import survey_brats
from adpfl_bench.datasets.catalogue import find_writer
from adpfl_bench.datasets.lgg import survey_lgg
from adpfl_bench.datasets.msd_brain import survey_msd_brain
from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.cohort import make_writer
from adpfl_bench.phantoms.volumes.brain import CSF, GREY, OUTSIDE, WHITE, draw_brain
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer, Brats2023Writer, Brats2024Writer
from adpfl_bench.phantoms.volumes.glioma import ET, NETC, RC, SNFH, draw_glioma
from adpfl_bench.phantoms.volumes.lgg_writer import LggWriter
from adpfl_bench.phantoms.volumes.mri_scanner import MRI_SITES, scan
from adpfl_bench.phantoms.volumes.msd_brain_writer import MsdBrainWriter
from adpfl_bench.phantoms.volumes.space import Space
from docs.sheets.brats_sheet import brats_sheet

SMALL = {"lgg": (8, 32, 32)}
SPACE = Space((48, 56, 40), (3.7, 3.8, 3.8))


def size_of(dataset: str) -> tuple[int, int, int]:
    return SMALL.get(dataset, (30, 36, 26))


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def head(seed: int = 0) -> np.ndarray:
    return draw_brain(np.random.default_rng(seed), SPACE)


@pytest.mark.parametrize("dataset", ["brats2021", "brats2023", "brats2024", "msd_brain", "lgg"])
def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, dataset: str) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        write_phantom(find_writer(dataset), tmp_path / name, 3, 1, size_of(dataset), workers=workers)
    write_phantom(find_writer(dataset), tmp_path / "other", 3, 2, size_of(dataset))
    one, two, other = (files(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    images = [name for name in one if name.endswith((".nii.gz", ".tif"))]
    assert images
    assert sum(one[name] == other.get(name) for name in images if "mask" not in name) == 0


@pytest.mark.parametrize(
    ("dataset", "release", "first", "values"),
    [
        ("brats2021", "BraTS 2021", "BraTS2021_90000", {0, 1, 2, 4}),
        ("brats2023", "BraTS 2023 GLI", "BraTS-GLI-90000-000", {0, 1, 2, 3}),
        ("brats2024", "BraTS 2024 GLI", "BraTS-GLI-90000-100", {0, 1, 2, 3, 4}),
    ],
)
def test_brats_layouts(tmp_path: Path, dataset: str, release: str, first: str, values: set[int]) -> None:
    write_phantom(find_writer(dataset), tmp_path / "data", 8, 0, size_of(dataset))
    survey = survey_brats(tmp_path / "data")
    assert (survey.release.name, len(survey.cases), survey.problems) == (release, 8, ())
    assert survey.cases[0].case_id == first
    found = set()
    for case in survey.cases:
        label = nib.load(case.label)
        assert "".join(nib.aff2axcodes(label.affine)) == "LPS"
        assert label.get_data_dtype() == np.uint8
        found |= set(np.unique(np.asarray(label.dataobj)).tolist())
        for path in case.images:
            image = nib.load(path)
            assert image.shape == label.shape
            assert image.get_data_dtype() == np.int16
            np.testing.assert_array_equal(image.affine, label.affine)
    assert found == values
    sites = read_sites(tmp_path / "data" / "sites.csv")
    assert set(sites) == {case.case_id for case in survey.cases}


def test_msd_layout_has_its_own_order_of_sequences_and_labels(tmp_path: Path) -> None:
    write_phantom(MsdBrainWriter, tmp_path / "data", 2, 0, size_of("msd_brain"))
    write_phantom(Brats2021Writer, tmp_path / "brats", 2, 0, size_of("brats2021"))
    survey = survey_msd_brain(tmp_path / "data")
    image = nib.load(survey.cases[0].images[0])
    assert image.shape == (*size_of("msd_brain"), 4)
    described = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert described["modality"]["0"] == "FLAIR"
    brain = np.asarray(image.dataobj)[..., 0] > 0
    t1, t2 = (survey.release.reader.read_channel(survey.cases[0], channel) for channel in (0, 2))
    fluid = t2 > np.percentile(t2[brain], 97)
    assert np.median(t1[fluid]) < np.median(t1[brain])  # the reader finds T1 and T2 where dataset.json says
    assert survey.release.labels == {1: "SNFH", 2: "NETC", 3: "ET"}


def test_lgg_layout_states_the_institution(tmp_path: Path) -> None:
    write_phantom(LggWriter, tmp_path / "data", 12, 0, size_of("lgg"))
    survey = survey_lgg(tmp_path / "data")
    assert len(survey.cases) == 12
    assert {case.site for case in survey.cases} == {"CS", "DU", "EZ", "FG", "HT"}
    for case in survey.cases:
        assert len(case.images) == 8
        picture = tifffile.imread(case.images[3])
        assert (picture.shape, picture.dtype) == ((32, 32, 3), np.uint8)
        mask = tifffile.imread(case.images[3].with_name(f"{case.images[3].stem}_mask.tif"))
        assert set(np.unique(mask)) <= {0, 255}
        assert survey.release.reader.read_label(case).any()


def test_voxels_are_cubes_of_1_mm_at_the_size_of_brats() -> None:
    assert make_writer(Brats2021Writer, 1, 0, (240, 240, 155)).space_of(0).spacing == (1.0, 1.0, 1.0)
    x, y, z = make_writer(Brats2021Writer, 1, 0).space_of(0).spacing
    assert x == y == z
    assert 2 < x < 3


@pytest.mark.parametrize("seed", range(4))
def test_a_brain_has_white_matter_inside_grey_matter(seed: int) -> None:
    tissue = head(seed)
    shares = {value: np.mean(tissue[tissue != OUTSIDE] == value) for value in (CSF, GREY, WHITE)}
    assert shares[WHITE] > shares[GREY] > shares[CSF] > 0.02
    assert not any(tissue[edge].any() for edge in (0, -1))
    assert not any(tissue[:, edge].any() for edge in (0, -1))
    volume = (tissue != OUTSIDE).sum() * np.prod(SPACE.spacing) / 1000
    assert 900 < volume < 1700  # ml


@pytest.mark.parametrize("seed", range(6))
def test_tumours_lie_in_the_brain_in_one_piece(seed: int) -> None:
    import scipy.ndimage

    tissue = head(seed)
    for kind in ("high grade", "low grade", "operated"):
        labels = draw_glioma(np.random.default_rng(seed), SPACE, tissue, kind)
        assert labels.any()
        assert not labels[tissue == OUTSIDE].any()
        assert scipy.ndimage.label(labels > 0)[1] == 1
        if kind == "low grade":
            assert not np.isin(labels, (ET, RC)).any()
        if kind == "high grade":
            assert {NETC, SNFH, ET} == set(np.unique(labels[labels > 0]))


def test_operated_patients_have_cavities_and_often_no_core() -> None:
    tissue = head()
    found = [draw_glioma(np.random.default_rng(seed), SPACE, tissue, "operated") for seed in range(60)]
    cavities = np.mean([bool((labels == RC).any()) for labels in found])
    cores = np.mean([bool((labels == NETC).any()) for labels in found])
    assert 0.5 < cavities < 0.9
    assert 0.3 < cores < 0.7


def test_a_second_scan_shows_the_same_head_with_a_grown_tumour() -> None:
    writer = make_writer(Brats2023Writer, 6, 0, (36, 44, 32))
    assert [(taken.patient, taken.time_point) for taken in writer.scans[4:]] == [(4, 0), (4, 1)]
    assert writer.site_of(4) == writer.site_of(5)
    (first, before, _), (second, after, _) = writer.make_case(4), writer.make_case(5)
    assert (after > 0).sum() > (before > 0).sum()
    healthy = (first["t1"] > 0) & (before == 0) & (after == 0)
    np.testing.assert_array_equal(first["t1"] > 0, second["t1"] > 0)
    assert np.corrcoef(first["t2"][healthy], second["t2"][healthy])[0, 1] > 0.7
    assert not np.array_equal(first["t1"], second["t1"])


def test_growth_changes_size_and_nothing_else() -> None:
    tissue = head()
    small, large = (draw_glioma(np.random.default_rng(1), SPACE, tissue, "high grade", size) for size in (1.0, 1.3))
    assert (large > 0).sum() > (small > 0).sum()
    assert np.mean(large[small > 0] > 0) > 0.97


def test_contrast_between_tissues_is_that_of_each_sequence() -> None:
    tissue = head()
    labels = draw_glioma(np.random.default_rng(3), SPACE, tissue, "high grade")
    images = scan(np.random.default_rng(0), tissue, labels, SPACE, MRI_SITES["site-1"])
    healthy = labels == 0

    def level(sequence: str, where: np.ndarray) -> float:
        return float(np.median(images[sequence][where]))

    csf, grey, white = ((tissue == value) & healthy for value in (CSF, GREY, WHITE))
    assert level("t1", white) > level("t1", grey) > level("t1", csf)
    assert level("t2", csf) > level("t2", grey) > level("t2", white)
    assert level("flair", labels == SNFH) > 1.5 * level("flair", white)
    assert level("t1ce", labels == ET) > 1.2 * level("t1ce", white)
    assert level("t1", labels == ET) < level("t1", white)
    for image in images.values():
        assert (image[tissue == OUTSIDE] == 0).all()
        assert (image[tissue != OUTSIDE] >= 1).all()


def test_sites_differ_in_noise_and_brightness() -> None:
    tissue = head()
    labels = np.zeros(SPACE.shape, dtype=np.uint8)
    spread = {}
    for name, site in MRI_SITES.items():
        image = scan(np.random.default_rng(0), tissue, labels, SPACE, site, ("t1",))["t1"]
        white = image[tissue == WHITE]
        spread[name] = float(white.std() / white.mean())
    assert spread["site-1"] == min(spread.values())
    assert max(spread.values()) > 2 * spread["site-1"]


def test_more_cases_do_not_change_the_first_ones() -> None:
    few, many = (make_writer(Brats2024Writer, cases, 0, (24, 28, 20)) for cases in (4, 9))
    assert [few.case_id(index) for index in range(4)] == [many.case_id(index) for index in range(4)]
    assert [few.site_of(index) for index in range(4)] == [many.site_of(index) for index in range(4)]
    np.testing.assert_array_equal(few.make_case(3)[0]["flair"], many.make_case(3)[0]["flair"])


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 sides of at least 16"):
        make_writer(Brats2021Writer, 2, 0, (8, 8, 8))


def test_the_sheet_shows_a_line_for_each_site(tmp_path: Path) -> None:
    from PIL import Image

    write_phantom(Brats2021Writer, tmp_path / "data", 5, 0, (30, 36, 26))
    brats_sheet([tmp_path / "data"], tmp_path / "sheet.png", tile=60)
    picture = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    assert picture.shape[0] > 5 * 30
    assert np.mean(np.abs(picture - np.array((255, 220, 60))).max(axis=-1) < 30) > 0.0005  # enhancing tumour outlined
