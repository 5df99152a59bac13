import logging
import re
import shutil
from collections import Counter

import pytest

from adpfl_bench.data.partitioning.partition import NaturalPartition
from adpfl_bench.datasets.ham10000 import HAM10000DataModule
from adpfl_bench.errors import DataError

PART_1, PART_2 = "HAM10000_images_part_1", "HAM10000_images_part_2"
MASKS = "HAM10000_segmentations_lesion_tschandl"


def edit(root, change):
    file = root / "HAM10000_metadata"
    file.write_text(change(file.read_text()))


def test_cases_carry_lesion_site_and_metadata(ham10000):
    cases = HAM10000DataModule("").scan(ham10000)
    assert [case.case_id for case in cases] == [f"ISIC_{i:07d}" for i in range(24306, 24312)]
    assert [case.patient_id for case in cases] == [f"HAM_{i:07d}" for i in (0, 0, 1, 2, 3, 3)]
    assert [case.site for case in cases][1:4] == ["vidir_modern", "rosendahl", "vidir_modern"]
    assert cases[1].images == (ham10000 / PART_2 / "ISIC_0024307.jpg",)
    assert cases[1].label == ham10000 / MASKS / "ISIC_0024307_segmentation.png"
    assert cases[1].metadata == {
        "dx": "nv",
        "dx_type": "histo",
        "age": "45.0",
        "sex": "male",
        "localization": "back",
    }


def test_one_folder_of_images_is_enough(ham10000):
    before = HAM10000DataModule("").scan(ham10000)
    for file in (ham10000 / PART_2).iterdir():
        file.rename(ham10000 / PART_1 / file.name)
    (ham10000 / PART_2).rmdir()
    (ham10000 / PART_1).rename(ham10000 / "HAM10000_images")
    assert [case.case_id for case in HAM10000DataModule("").scan(ham10000)] == [case.case_id for case in before]


@pytest.mark.parametrize("name", ["HAM10000_metadata.csv", "HAM10000_metadata.tab"])
def test_metadata_may_have_an_extension(ham10000, name):
    before = HAM10000DataModule("").scan(ham10000)
    text = (ham10000 / "HAM10000_metadata").read_text()
    (ham10000 / "HAM10000_metadata").unlink()
    (ham10000 / name).write_text(text.replace(",", "\t") if name.endswith("tab") else "\ufeff" + text)
    assert HAM10000DataModule("").scan(ham10000) == before


def test_two_metadata_files(ham10000):
    shutil.copy(ham10000 / "HAM10000_metadata", ham10000 / "HAM10000_metadata.csv")
    with pytest.raises(DataError, match=r"several metadata files, HAM10000_metadata and HAM10000_metadata\.csv"):
        HAM10000DataModule("").scan(ham10000)


def test_a_subset_is_allowed_and_logged(ham10000, caplog):
    (ham10000 / PART_1 / "ISIC_0024306.jpg").unlink()
    (ham10000 / MASKS / "ISIC_0024306_segmentation.png").unlink()
    with caplog.at_level(logging.INFO):
        assert len(HAM10000DataModule("").scan(ham10000)) == 5
    assert "1 of 6 rows" in caplog.text


def test_the_root_of_isic_is_named(tmp_path, write_isic):
    root = write_isic(tmp_path / "root")
    with pytest.raises(DataError, match=r"HAM10000: .* looks like ISIC 2017 .*HAM10000_images_part_1/.*DBW86T"):
        HAM10000DataModule("").scan(root)


@pytest.mark.parametrize("name", [MASKS, "HAM10000_metadata"])
def test_a_missing_part_of_the_release(ham10000, name):
    path = ham10000 / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    expected = "no folder HAM10000_segmentations" if name == MASKS else "no metadata; expected a file HAM10000_metadata"
    with pytest.raises(DataError, match=f"{ham10000} has {expected}"):
        HAM10000DataModule("").scan(ham10000)


def test_a_missing_image_folder_shows_as_masks_without_images(ham10000):
    shutil.rmtree(ham10000 / PART_2)
    with pytest.raises(DataError, match=r"has 3 problems:\s+ISIC_0024307: the mask has no image"):
        HAM10000DataModule("").scan(ham10000)


def test_image_without_mask(ham10000):
    (ham10000 / MASKS / "ISIC_0024308_segmentation.png").unlink()
    with pytest.raises(DataError, match=r"has 1 problem:\s+ISIC_0024308: the image has no mask"):
        HAM10000DataModule("").scan(ham10000)


def test_the_same_image_in_both_folders(ham10000):
    shutil.copy(ham10000 / PART_1 / "ISIC_0024306.jpg", ham10000 / PART_2)
    with pytest.raises(DataError, match=rf"ISIC_0024306 is there twice, as .*{PART_1}.* and .*{PART_2}"):
        HAM10000DataModule("").scan(ham10000)


def test_images_without_a_row(ham10000):
    edit(ham10000, lambda text: "\n".join(text.splitlines()[:3]) + "\n")
    with pytest.raises(
        DataError,
        match=r"has 4 problems:\s+ISIC_0024308: has no row in HAM10000_metadata(.|\n)*complete archives and metadata",
    ):
        HAM10000DataModule("").scan(ham10000)


def test_the_same_row_twice(ham10000):
    edit(ham10000, lambda text: text + text.splitlines()[2] + "\n")
    with pytest.raises(DataError, match="image ISIC_0024307 twice, on lines 3 and 8"):
        HAM10000DataModule("").scan(ham10000)


def test_missing_columns(ham10000):
    edit(ham10000, lambda text: text.replace("lesion_id", "lesion").replace("dataset", "source"))
    with pytest.raises(
        DataError, match=r"lacks the column\(s\) lesion_id, dataset; its first line has lesion, image_id, dx"
    ):
        HAM10000DataModule("").scan(ham10000)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("HAM_0000001", ""), "line 4: the column lesion_id is empty"),
        (lambda text: text.replace("back,rosendahl", "back"), "line 4: 7 fields where the header has 8"),
        (lambda text: "", "is empty; expected a header"),
        (lambda text: text + 'HAM_1,"ISIC_1" x,', "is not CSV"),
    ],
)
def test_malformed_metadata(ham10000, change, sentence):
    edit(ham10000, change)
    with pytest.raises(DataError, match=rf"HAM10000_metadata.*{re.escape(sentence)}"):
        HAM10000DataModule("").scan(ham10000)


def test_metadata_in_another_encoding(ham10000):
    file = ham10000 / "HAM10000_metadata"
    file.write_bytes(file.read_text().replace("back", "Rücken").encode("latin-1"))
    with pytest.raises(DataError, match=r"HAM10000_metadata is not UTF-8 text .*save it as CSV"):
        HAM10000DataModule("").scan(ham10000)


@pytest.fixture(scope="module")
def real_metadata_with_empty_images(real_data, tmp_path_factory):
    source = real_data / "partitions" / "FLamby_fed_isic2019_HAM10000_metadata.csv"
    if not source.is_file():
        pytest.skip(f"{source} is missing")
    root = tmp_path_factory.mktemp("ham10000")
    shutil.copy(source, root / "HAM10000_metadata.csv")
    for folder in (PART_1, PART_2, MASKS):
        (root / folder).mkdir()
    for i, line in enumerate(source.read_text().splitlines()[1:]):
        case = line.split(",")[1]
        (root / (PART_1, PART_2)[i % 2] / f"{case}.jpg").touch()
        (root / MASKS / f"{case}_segmentation.png").touch()
    return root


def test_real_metadata(real_metadata_with_empty_images):
    cases = HAM10000DataModule("").scan(real_metadata_with_empty_images)
    assert len(cases) == 10015
    assert len({case.patient_id for case in cases}) == 7470
    assert Counter(case.site for case in cases) == {
        "vidir_molemax": 3954,
        "vidir_modern": 3363,
        "rosendahl": 2259,
        "vienna_dias": 439,
    }


def test_real_lesions_from_two_sources_stay_together(real_metadata_with_empty_images, caplog):
    cases = HAM10000DataModule("").scan(real_metadata_with_empty_images)
    with caplog.at_level(logging.INFO):
        clients = NaturalPartition().assign(cases, seed=0)
    assert sorted(clients) == ["rosendahl", "vidir_modern", "vidir_molemax", "vienna_dias"]
    owners = Counter(patient for theirs in clients.values() for patient in {case.patient_id for case in theirs})
    assert len(owners) == 7470
    assert set(owners.values()) == {1}
    assert "9 of 7470 patients" in caplog.text
