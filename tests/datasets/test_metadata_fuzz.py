"""Whatever descriptions, tables and names of files say: refused in one sentence, or read as what they state."""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.data.partitioning.sites import read_sites
from adpfl_bench.datasets.brats import BRATS, survey_brats
from adpfl_bench.datasets.ham10000 import survey_ham10000
from adpfl_bench.datasets.isic import survey_isic
from adpfl_bench.datasets.kits import survey_kits
from adpfl_bench.datasets.lgg import survey_lgg
from adpfl_bench.datasets.msd_brain import survey_msd_brain
from adpfl_bench.errors import DataError
from adpfl_bench.text import name_problem
from tests.cohorts import BRATS_ENDINGS, GLI_ENDINGS
from tests.sentences import check_sentence

GOOD = {
    "name": "BRATS",
    "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
}
ODD = [None, True, -1, 0, 256, 10**30, 0.5, float("nan"), "", "x", "T1w", "edema", "\n", "\ud800", "x" * 3000, [], {}]
NUMBERS = ["0", "1", "3", "4", "-1", "00", "1_0", " 2", "1.0", "\u0663", "256", "9" * 5000, "x", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metadata")


@st.composite
def descriptions(draw: st.DrawFn) -> bytes:
    """A dataset.json of which some keys and values are something else, or of which some bytes are."""
    content: dict[str, Any] = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from(["modality", "labels", "modality", "labels", "more"]))
        block = content.get(key)
        if isinstance(block, dict) and draw(st.integers(0, 4)):
            number = draw(st.sampled_from(NUMBERS))
            block[number] = deepcopy(draw(st.sampled_from(ODD)))
            if block and draw(st.booleans()):
                del block[draw(st.sampled_from(sorted(block)))]
        else:
            content[key] = deepcopy(draw(st.sampled_from(ODD)))
    data = json.dumps(content, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        place, end = sorted([draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))])
        data = (
            data[:place]
            + draw(st.binary(max_size=5) | st.sampled_from([b'"0":', b"NaN", b"[", b'"1": "edema",']))
            + data[end:]
        )
    return data


@given(data=descriptions())
def test_any_description(folder: Path, data: bytes) -> None:
    root = folder / "msd"
    (root / "imagesTr").mkdir(parents=True, exist_ok=True)
    (root / "labelsTr").mkdir(exist_ok=True)
    path = root / "dataset.json"
    path.write_bytes(data)
    try:
        release = survey_msd_brain(root).release
    except DataError as error:
        check_sentence(error, path)
        return
    assert sorted(release.reader.order) == [0, 1, 2, 3]
    assert set(release.labels.values()) == set(BRATS.classes)
    assert all(type(value) is int and 1 <= value <= 255 for value in release.labels)
    stated = json.loads(data.decode("utf-8-sig"), object_pairs_hook=list)  # a key that is there twice keeps both
    (labels,) = [value for key, value in stated if key == "labels"]
    assert len(labels) == len(release.labels) + 1


CELLS = [
    "",
    " ",
    "all",
    "=1+1",
    "'x",
    '"',
    '"a\nb"',
    '"a,b"',
    "\0",
    "nan",
    "x" * 300,
    "\u5317",
    "ISIC_0024306",
    "\u202e",
    "\t",
    ";",
]
HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"


@st.composite
def tables(draw: st.DrawFn, header: str, lines: Sequence[str]) -> bytes:
    """A table of which some cells, lines, columns or bytes are something else."""
    rows = [line.split(",") for line in (header, *lines)]
    for _ in range(draw(st.integers(0, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        match draw(st.sampled_from(["cell", "cell", "column", "twice", "gone"])):
            case "cell" if rows[row]:
                rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(st.sampled_from(CELLS))
            case "column":
                rows[row].append(draw(st.sampled_from(CELLS)))
            case "twice":
                rows.append(list(rows[row]))
            case "gone" if len(rows) > 1:
                del rows[row]
    text = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"])).join(",".join(row) for row in rows)
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace")
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(st.binary(max_size=4)) + data[place + draw(st.integers(0, 3)) :]
    return data


HAM = [
    f"HAM_{n // 2:07d},ISIC_{24306 + n:07d},nv,histo,45.0,male,back,{site}" for n, site in enumerate(["a", "a", "b"])
]


@given(data=tables(HEADER, HAM))
def test_any_metadata_of_ham10000(folder: Path, data: bytes) -> None:
    root = folder / "ham10000"
    for place, ending in (("HAM10000_images_part_1", ".jpg"), ("HAM10000_segmentations", "_segmentation.png")):
        (root / place).mkdir(parents=True, exist_ok=True)
        for number in range(3):
            (root / place / f"ISIC_{24306 + number:07d}{ending}").touch()
    path = root / "HAM10000_metadata"
    path.write_bytes(data)
    try:
        inventory = survey_ham10000(root)
    except DataError as error:
        check_sentence(error, path)
        return
    unknown = {problem.case for problem in inventory.problems}
    assert {case.case_id for case in inventory.cases} == {f"ISIC_{24306 + number:07d}" for number in range(3)}
    for case in inventory.cases:
        if case.case_id not in unknown:
            assert case.patient_id.strip()
            assert case.site.strip()
            assert name_problem(case.patient_id) is name_problem(case.site) is None
            text = data.decode("utf-8-sig")
            assert '"' in text or (case.patient_id in text and case.site in text)


SITES = {"Partition_ID,Subject_ID": ["1,FeTS2022_0", "2,FeTS2022_1", "12,FeTS2022_2"], "case,site_id": ["a,0", "b,1"]}


@given(data=st.sampled_from(sorted(SITES)).flatmap(lambda header: tables(header, SITES[header])))
def test_any_site_file(folder: Path, data: bytes) -> None:
    path = folder / "sites.csv"
    path.write_bytes(data)
    try:
        sites = read_sites(path)
    except DataError as error:
        check_sentence(error, path)
        return
    assert sites
    for case, site in sites.items():
        assert case.strip() == case
        assert site.strip() == site
        assert case
        assert site
        assert name_problem(case) is name_problem(site) is None


WORDS = [
    "",
    "_",
    "-",
    "0",
    "1",
    "01",
    "001",
    "12",
    "9" * 30,
    "\u0663",
    "x",
    "X",
    ".",
    "..",
    " ",
    "\n",
    "\u00e9",
    "CS",
    "GLI",
    "Training",
    "100",
    "mask",
]
STARTS = [
    "BraTS2021_",
    "BraTS20_Training_",
    "Brats18_CBICA_",
    "BraTS-GLI-",
    "FeTS2022_",
    "FeTS21_Training_",
    "case_",
    "TCGA_",
    "ISIC_",
    "HGG",
    "",
]
ENDINGS = [
    *(f"{e}{s}" for e in (*BRATS_ENDINGS, *GLI_ENDINGS) for s in (".nii.gz", ".nii")),
    "imaging.nii.gz",
    "segmentation.nii.gz",
]
ENDINGS += [
    "aggregated_MAJ_seg.nii.gz",
    ".tif",
    "_mask.tif",
    "_1.tif",
    "_1_mask.tif",
    "_01.tif",
    "_01_mask.tif",
    ".jpg",
    ".PNG",
    "_segmentation.png",
]
ABOVE = [
    "",
    "",
    "HGG",
    "dataset",
    "data",
    "kaggle_3m",
    "ISIC-2017_Training_Data",
    "ISIC-2017_Training_Part1_GroundTruth",
    "imagesTr",
    "labelsTr",
]

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("".join)
names = st.builds("{}{}".format, st.sampled_from(STARTS), words)


@st.composite
def trees(draw: st.DrawFn) -> list[str]:
    """Paths of files: of some cases all files of their layout, and others whose names are nearly so."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        above, name = draw(st.sampled_from(ABOVE)), draw(names)
        endings = draw(
            st.sampled_from([ENDINGS[0:10:2], ENDINGS[1:10:2], ENDINGS[10:20:2], ENDINGS[20:22], ENDINGS[25:29]])
            | st.lists(st.sampled_from(ENDINGS), max_size=4)
        )
        for ending in endings:
            file = ending if ending[0] not in "._-" else f"{name}{ending}"
            found.append(f"{above}/{file}" if draw(st.integers(0, 5)) == 0 else f"{above}/{name}/{file}")
    return found


SURVEYS: Sequence[Callable[[Path], Any]] = (survey_brats, survey_kits, survey_lgg, survey_isic, survey_ham10000)


@given(paths=trees(), seed=st.integers(0, 2**32))
def test_any_names_of_files(folder: Path, paths: list[str], seed: int) -> None:
    root = folder / "tree"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name in random.Random(seed).sample(paths, max(len(paths) - seed % 2, 0)):
        path = root / name.lstrip("/")
        if (
            ".." in path.parts
            or len(path.name.encode()) > 250
            or any(p.is_file() for p in path.parents)
            or path.is_dir()
        ):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for survey in SURVEYS:
        try:
            found = survey(root)
        except DataError as error:
            check_sentence(error, root)
            continue
        ids = [case.case_id for case in found.cases]
        assert len(set(ids)) == len(ids)
        for case in found.cases:
            files = [*case.images, *([case.label] if case.label is not None else [])]
            told = {problem.case for problem in found.problems}
            assert case.case_id in told or all(path.exists() for path in files)
