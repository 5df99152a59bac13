import re
import shutil
import subprocess
import sys

import pytest

from adpfl_bench.datasets.isic import ISICDataModule, recognise_isic
from adpfl_bench.errors import DataError

LAYOUTS = {
    2016: ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth", "_Segmentation"),
    2017: ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth", "_segmentation"),
    2018: ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth", "_segmentation"),
}
IMAGES, MASKS, _ = LAYOUTS[2017]


@pytest.mark.parametrize("year", LAYOUTS)
def test_each_release_is_recognised_and_scanned(tmp_path, write_isic, year):
    images, masks, ending = LAYOUTS[year]
    write_isic(tmp_path, images, masks, ending)
    (tmp_path / masks / "ATTRIBUTION.txt").write_text("by")
    (tmp_path / images / "LICENSE.txt").write_text("CC0")
    (tmp_path / "table.csv").write_text("image_id\n")

    cases = ISICDataModule("").scan(tmp_path)

    assert recognise_isic(tmp_path).name == f"ISIC {year}"
    assert [case.case_id for case in cases] == [f"ISIC_{i:07d}" for i in range(4)]
    assert cases[2].images == (tmp_path / images / "ISIC_0000002.jpg",)
    assert cases[2].label == tmp_path / masks / f"ISIC_0000002{ending}.png"
    assert cases[2].patient_id == "ISIC_0000002"
    assert cases[2].site is None


def test_superpixels_and_hidden_files_are_ignored(isic):
    before = ISICDataModule("").scan(isic)
    (isic / IMAGES / "ISIC_0000001_superpixels.png").touch()
    (isic / IMAGES / "._ISIC_0000001.jpg").touch()
    assert ISICDataModule("").scan(isic) == before


def test_scanning_opens_no_image(isic):
    before = ISICDataModule("").scan(isic)
    for file in (*isic.glob("*/*.jpg"), *isic.glob("*/*.png")):
        file.write_bytes(b"")
    assert ISICDataModule("").scan(isic) == before


def test_several_years_are_told(isic, write_isic):
    write_isic(isic, *LAYOUTS[2016])
    with pytest.raises(DataError, match=r"holds ISIC 2016 and ISIC 2017.*folder of its own"):
        ISICDataModule("").scan(isic)


def test_missing_root(tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path}/nowhere does not exist.*ISIC-2017_Training_Data/.*challenge"):
        ISICDataModule("").scan(tmp_path / "nowhere")


def test_root_is_a_file(tmp_path):
    (tmp_path / "isic.zip").touch()
    with pytest.raises(DataError, match=r"isic\.zip is a file; unpack"):
        ISICDataModule("").scan(tmp_path / "isic.zip")


def test_empty_root(tmp_path):
    with pytest.raises(DataError, match="is empty; give the folder"):
        ISICDataModule("").scan(tmp_path)


@pytest.mark.parametrize(
    ("evidence", "name"),
    [
        ("HAM10000_images_part_1", "HAM10000"),
        ("case_00003", "KiTS"),
        ("dataset/case_00003", "KiTS"),
        ("BraTS2021_00000", "BraTS"),
        ("BraTS20_Training_001", "BraTS"),
        ("BraTS-GLI-00000-000", "BraTS"),
        ("FeTS2022_00000", "BraTS"),
        ("kaggle_3m", r"LGG \(kaggle_3m\)"),
        ("TCGA_CS_4941_19960909", r"LGG \(kaggle_3m\)"),
        ("imagesTr", "Medical Segmentation Decathlon"),
    ],
)
def test_another_dataset_is_named(tmp_path, evidence, name):
    (tmp_path / "root" / evidence).mkdir(parents=True)
    with pytest.raises(DataError, match=rf"looks like {name} \(it holds {evidence}\)"):
        ISICDataModule("").scan(tmp_path / "root")


def test_an_unknown_folder_tells_what_it_holds(tmp_path):
    for name in "abcde":
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="holds a, b, c and 2 more, none of which is expected"):
        ISICDataModule("").scan(tmp_path)


@pytest.mark.parametrize("given", ["..", IMAGES])
def test_the_folder_above_or_below_is_pointed_out(tmp_path, write_isic, given):
    root = write_isic(tmp_path / "parent" / "isic")
    with pytest.raises(DataError, match=re.escape("parent/isic is; give that one")):
        ISICDataModule("").scan((root / given).resolve())


@pytest.mark.parametrize("folder", [IMAGES, MASKS])
def test_missing_folder(isic, folder):
    shutil.rmtree(isic / folder)
    with pytest.raises(DataError, match=f"ISIC 2017 in {isic} lacks the folder {folder}/"):
        ISICDataModule("").scan(isic)


def test_folders_without_images(isic):
    for file in (*isic.glob("*/*.jpg"), *isic.glob("*/*.png")):
        file.unlink()
    with pytest.raises(DataError, match=f"no images in {isic / IMAGES}"):
        ISICDataModule("").scan(isic)


def test_images_without_masks_and_masks_without_images_are_told_at_once(tmp_path, write_isic):
    root = write_isic(tmp_path, n=8)
    for i in range(5):
        (root / MASKS / f"ISIC_{i:07d}_segmentation.png").unlink()
    (root / IMAGES / "ISIC_0000006.jpg").unlink()
    with pytest.raises(DataError) as caught:
        ISICDataModule("").scan(root)
    lines = str(caught.value).splitlines()
    assert lines[0] == "ISIC 2017 has 6 problems:"
    assert lines[1] == f"  ISIC_0000000: the image has no mask ({root / IMAGES / 'ISIC_0000000.jpg'})"
    assert lines[-2:] == [
        "  and 1 more",
        "Unpack all archives again (from https://challenge.isic-archive.com/data/), or remove these files.",
    ]
    problems = [str(problem) for problem in ISICDataModule("").inventory(root).problems]
    assert problems[-1] == f"ISIC_0000006: the mask has no image ({root / MASKS / 'ISIC_0000006_segmentation.png'})"


def test_the_same_case_in_two_formats(isic):
    (isic / IMAGES / "ISIC_0000001.png").touch()
    with pytest.raises(DataError, match=r"ISIC_0000001 is there twice, as .*ISIC_0000001\.jpg and .*ISIC_0000001\.png"):
        ISICDataModule("").scan(isic)


def test_real_isic_2017(real_data):
    cases = ISICDataModule("").scan(real_data / "isic2017")
    assert len(cases) == 1200
    assert recognise_isic(real_data / "isic2017").name == "ISIC 2017"


def test_folders_partitions_and_the_cache_do_without_torch():
    modules = "scanning", "partitioning.split", "fingerprint", "inventory", "images.image_cache", "volumes.volume_cache"
    imports = "; ".join(f"import adpfl_bench.data.{module}" for module in modules)
    program = f"{imports}; import sys; print(sorted({{'torch', 'monai', 'lightning', 'pandas'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
