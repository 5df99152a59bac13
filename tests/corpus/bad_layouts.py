"""Bad folders of datasets: another dataset's, several in one, half unpacked, and bad site files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.corpus.asks import divide
from tests.corpus.damages import Damage, at, both_of, made_folder
from tests.corpus.kind import Accepted, Answer, Refused, kinds


def _moved(name: str, to: str) -> Damage:
    def damage(root: Path) -> None:
        target = root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / name).rename(target)

    return damage


def _all_into(folder: str) -> Damage:
    """Move everything one folder down."""

    def damage(root: Path) -> None:
        (root / folder).mkdir()
        for path in list(root.iterdir()):
            if path.name != folder:
                path.rename(root / folder / path.name)

    return damage


def _emptied(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def _gone(root: Path) -> None:
    shutil.rmtree(root)


def _file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("an archive\n")


def _loop(root: Path) -> None:
    shutil.rmtree(root)
    root.symlink_to(root)


def _named(name: str | bytes) -> Damage:
    """Make a folder in the dataset's."""
    return lambda root: os.mkdir(os.path.join(os.fsencode(root), os.fsencode(name)))


def _case(root: Path) -> Path:
    return sorted(path for path in root.iterdir() if path.is_dir())[0]


def _cases(count: int, meaning: str) -> Accepted:
    return Accepted(meaning, lambda answer: sum(len(client.cases) for client in answer.value) == count)


def _of(dataset: str, rows: list[Any]) -> list[Any]:
    from adpfl_bench.data.partitioning.partition import IIDPartition

    return kinds(
        "layouts", divide(dataset, partition=IIDPartition(1)), [(f"{dataset}: {name}", *rest) for name, *rest in rows]
    )


LAYOUTS = [
    *_of(
        "isic",
        [
            ("no folder", _gone, Refused("ISIC: the folder .* does not exist; give the folder that holds ISBI2016")),
            ("a file", _file, Refused("ISIC: .* is a file; unpack it if it is an archive")),
            ("a link to itself", _loop, Refused("ISIC: .*(does not exist|symbolic links)")),
            ("an empty folder", _emptied, Refused("ISIC: the folder .* is empty; give the folder that holds")),
            (
                "one folder too deep",
                _all_into("inner"),
                Refused("is not the dataset's folder, but .*inner is; give that one"),
            ),
            (
                "several years",
                _named("ISIC2018_Task1-2_Training_Input"),
                Refused("holds ISIC 2017 and ISIC 2018, which share"),
            ),
            (
                "no masks",
                lambda root: shutil.rmtree(root / "ISIC-2017_Training_Part1_GroundTruth"),
                Refused("lacks the folder ISIC-2017_Training_Part1_GroundTruth/"),
            ),
            (
                "no images",
                lambda root: shutil.rmtree(root / "ISIC-2017_Training_Data"),
                Refused("lacks the folder ISIC-2017_Training_Data/"),
            ),
            (
                "folders in small letters",
                _moved("ISIC-2017_Training_Data", "isic-2017_training_data"),
                Refused("lacks the folder ISIC-2017_Training_Data/"),
            ),
            (
                "a folder of another name",
                both_of(
                    _moved("ISIC-2017_Training_Data", "images"), _moved("ISIC-2017_Training_Part1_GroundTruth", "masks")
                ),
                Refused("holds PHANTOM.json, images, masks, none of which is expected there"),
            ),
            ("folders of a name that is not UTF-8", _named(b"\xff\xfe"), _cases(3, "passed over")),
            (
                "empty folders of images and masks",
                lambda root: [path.unlink() for path in root.rglob("ISIC_*")],
                Refused("ISIC 2017: no images in .*; unpack them there"),
            ),
        ],
    ),
    *_of(
        "ham10000",
        [
            (
                "another dataset",
                both_of(_emptied, _named("case_00000")),
                Refused("looks like KiTS .it holds case_00000.; choose the task of that dataset"),
            ),
            (
                "no masks",
                lambda root: shutil.rmtree(root / "HAM10000_segmentations_lesion_tschandl"),
                Refused("has no folder HAM10000_segmentations"),
            ),
            (
                "one part of two",
                lambda root: shutil.rmtree(root / "HAM10000_images_part_2"),
                Refused("the mask has no image"),
            ),
        ],
    ),
    *_of(
        "kits",
        [
            (
                "cases in two places",
                lambda root: shutil.copytree(root / "dataset" / "case_00000", root / "case_00000"),
                Refused("KiTS: .* holds cases in .*; keep each release in a folder of its own"),
            ),
            (
                "a case's folder that is a file",
                lambda root: (root / "dataset" / "case_99999").write_text("x"),
                _cases(3, "passed over"),
            ),
            (
                "a case's number of 300 digits",
                _named("dataset/case_" + "9" * 240),
                Refused("imaging.nii.gz is missing"),
            ),
            ("a case without files", _named("dataset/case_00777"), Refused("case_00777: imaging.nii.gz is missing")),
            ("a case of a name that is not UTF-8", _named(b"dataset/case_0\xff"), Refused("UTF-8")),
        ],
    ),
    *_of(
        "brats",
        [
            (
                "several releases",
                _named("BraTS-GLI-00000-000"),
                Refused("BraTS: .* holds several releases: BraTS 2023 GLI .* BraTS 2021"),
            ),
            ("a case without files", _named("BraTS2021_00777"), Refused("BraTS2021_00777_t1.nii.gz is missing")),
            (
                "a case four folders deep",
                lambda root: (
                    (root / "a/b/c/d").mkdir(parents=True) or _case(root).rename(root / "a/b/c/d" / _case(root).name)
                ),
                _cases(2, "not looked for"),
            ),
            (
                "a link to the folder itself",
                lambda root: (root / "loop").symlink_to(root),
                Refused("is there twice, also as"),
            ),
        ],
    ),
]

SITES = at("sites.csv")


def _sites(table: str) -> Damage:
    """Give the volumes a site file of this text; ``CASE`` stands for the first case."""
    return lambda root: SITES(root).write_text(table.replace("CASE", _case(root).name))


def _clients(*names: str) -> Callable[[Answer], bool]:
    return lambda answer: [client.name for client in answer.value] == list(names)


_FETS = "Partition_ID,Subject_ID\n"

SITE_FILES = kinds(
    "site files",
    divide("brats"),
    [
        ("of one case", _sites(_FETS + "4,CASE\n"), Accepted("the others are left out", _clients("site-4"))),
        ("an empty file", _sites(""), Refused("The site file .*sites.csv is empty|has no rows")),
        ("its header alone", _sites(_FETS), Refused("The site file .*sites.csv has no rows; expected Subject_ID")),
        (
            "other columns",
            _sites("hospital,case\n1,CASE\n"),
            Refused("has the columns case, hospital; expected Subject_ID and"),
        ),
        (
            "two sites of a case",
            _sites(_FETS + "1,CASE\n2,CASE\n"),
            Refused("lines 2 and 3: the case .* is from the sites 1 and 2; keep one"),
        ),
        ("the same line twice", _sites(_FETS + "1,CASE\n1,CASE\n"), Accepted("said twice", _clients("site-1"))),
        ("no site", _sites(_FETS + ",CASE\n"), Refused("line 2: the column Partition_ID is empty")),
        (
            "unknown cases alone",
            _sites(_FETS + "1,x\n2,y\n"),
            Refused("names none of the dataset's 3 cases: it has x, y"),
        ),
        ("a site called all", _sites(_FETS + "all,CASE\n"), Refused("A client cannot be called all")),
        (
            "a site of a line break",
            _sites(_FETS + '"a\nb",CASE\n'),
            Refused("line 2: the column Partition_ID has .*line break"),
        ),
        ("a formula as a site", _sites(_FETS + "=1+1,CASE\n"), Accepted("a name, escaped in tables", _clients("=1+1"))),
        ("a number of other digits", _sites(_FETS + "\u0663,CASE\n"), Accepted("a name", lambda a: len(a.value) == 1)),
        (
            "Latin-1",
            lambda root: SITES(root).write_bytes(_FETS.encode() + b"Z\xfcrich,x\n"),
            Refused("is not UTF-8 text"),
        ),
        ("a folder in its place", made_folder(SITES), Refused("A natural partition needs the site of each case")),
    ],
)
