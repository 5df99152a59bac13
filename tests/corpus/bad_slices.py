"""Bad slices and folders of TCGA-LGG: TIFF images stacked to volumes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from tests.corpus.asks import both, verify
from tests.corpus.damages import (
    Damage,
    Place,
    both_of,
    copied,
    cut,
    cut_end,
    linked,
    made_folder,
    patched,
    removed,
    renamed,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Answer, Refused, kinds


def _patient(root: Path) -> Path:
    return sorted((root / "kaggle_3m").glob("TCGA_*"))[0]


def _slice(number: int = 3, mask: bool = False) -> Place:
    return lambda root: _patient(root) / f"{_patient(root).name}_{number}{'_mask' if mask else ''}.tif"


def _saved(place: Place, change: Callable[[np.ndarray], np.ndarray], **how: Any) -> Damage:
    """Write an array made of a slice's in its place."""

    def damage(root: Path) -> None:
        pixels = tifffile.imread(place(root))
        tifffile.imwrite(place(root), change(pixels), **how)

    return damage


def _every(mask: bool, change: Callable[[np.ndarray], np.ndarray], **how: Any) -> Damage:
    """Change all slices, or all masks, of the first patient."""

    def damage(root: Path) -> None:
        for path in sorted(_patient(root).glob("*.tif")):
            if path.stem.endswith("_mask") == mask:
                tifffile.imwrite(path, change(tifffile.imread(path)), **how)

    return damage


def _pages(place: Place, count: int) -> Damage:
    def damage(root: Path) -> None:
        pixels = tifffile.imread(place(root))
        tifffile.imwrite(place(root), np.stack([pixels] * count), photometric="rgb")

    return damage


def _one_value(pixels: np.ndarray) -> np.ndarray:
    changed = pixels.copy()
    changed[0, 0] = 128
    return changed


def _rename_patient(name: str) -> Damage:
    def damage(root: Path) -> None:
        folder = _patient(root)
        folder.rename(folder.with_name(name))

    return damage


def _twice(root: Path) -> None:
    folder = _patient(root)
    other = folder.with_name(folder.name.rpartition("_")[0] + "_20991231")
    shutil.copytree(folder, other)
    for path in sorted(other.iterdir()):
        path.rename(path.with_name(path.name.replace(folder.name, other.name)))


IMAGE, MASK = _slice(), _slice(mask=True)
_UNREADABLE = Refused(r"cannot be read \(.+\); take it again from the publisher's archive \(.*_3\.tif\)")
_CUT = Refused(r"(cannot be read \(.+\)|has 0 pages where one is expected); take it again from .* \(.*_3\.tif\)")


def _shape(answer: Answer) -> tuple[int, ...]:
    return tuple(answer.value[sorted(answer.value)[0]].label.shape)


def _read(meaning: str, shape: tuple[int, ...] = (1, 32, 32, 8)) -> Accepted:
    return Accepted(meaning, lambda answer: len(answer.value) == 3 and _shape(answer) == shape)


def _without_files(root: Path) -> None:
    shutil.rmtree(_patient(root))
    (root / "kaggle_3m" / "TCGA_CS_0001_1").mkdir()


SLICES = [
    *kinds(
        "slices",
        both("lgg"),
        [
            ("an empty file", written(IMAGE, b""), Refused(r"is empty; take it again .*_3\.tif")),
            ("zero bytes", zeros(IMAGE), _UNREADABLE),
            ("its header alone", cut(IMAGE, 0.005), _CUT),
            ("its first half", cut(IMAGE, 0.5), _CUT),
            ("all but its last 10 bytes", cut_end(IMAGE, 10), _CUT),
            ("wrong magic", patched(IMAGE, 0, b"XX"), _UNREADABLE),
            ("text", written(IMAGE, "no image\n"), _UNREADABLE),
            ("a directory far behind its end", patched(IMAGE, 4, b"\xff\xff\xff\x7f"), _CUT),
            (
                "a directory that is its own next one",
                written(IMAGE, b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
                Refused("the shape 0; expected rows, columns"),
            ),
            ("grey", _saved(IMAGE, lambda p: p[..., 0]), Refused(r"the shape 32x32; expected rows, columns and 3")),
            (
                "four channels",
                _saved(IMAGE, lambda p: np.dstack([p, p[..., 0]]), photometric="rgb"),
                Refused("32x32x4"),
            ),
            ("channels first", _saved(IMAGE, lambda p: p.transpose(2, 0, 1), photometric="rgb"), Refused("3x32x32")),
            ("three pages", _pages(IMAGE, 3), Refused("3 pages where one is expected")),
            (
                "another size",
                _saved(IMAGE, lambda p: p[:20], photometric="rgb"),
                Refused(r"20x32 pixels, but .* 32x32"),
            ),
            (
                "16 bits",
                _saved(IMAGE, lambda p: p.astype(np.uint16) * 257, photometric="rgb"),
                _read("values as they are"),
            ),
            ("floats", _saved(IMAGE, lambda p: p.astype(np.float32), photometric="rgb"), _read("values as they are")),
            ("NaN", _saved(IMAGE, lambda p: np.full_like(p, np.nan, np.float32), photometric="rgb"), Refused("NaN")),
            (
                "complex",
                _saved(IMAGE, lambda p: p.astype(np.complex64), photometric="rgb"),
                Refused("the type complex64"),
            ),
            ("packed by deflate", _saved(IMAGE, lambda p: p, compression="zlib", photometric="rgb"), _read("the same")),
            ("other byte order", _saved(IMAGE, lambda p: p, byteorder=">", photometric="rgb"), _read("the same")),
            ("BigTIFF", _saved(IMAGE, lambda p: p, bigtiff=True, photometric="rgb"), _read("the same")),
            ("black throughout", _every(False, np.zeros_like, photometric="rgb"), Refused("the pre image is constant")),
            ("missing", removed(IMAGE), Refused("slice 3 is missing")),
            ("a folder in its place", made_folder(IMAGE), Refused("slice 3 is missing")),
            ("a link to nothing", linked(IMAGE, lambda _: "nowhere.tif"), Refused("slice 3 is missing")),
            ("a link to itself", linked(IMAGE, lambda path: path.name), Refused("symbolic links")),
            (
                "the last one missing, with its mask",
                both_of(removed(_slice(8)), removed(_slice(8, True))),
                _read("a shorter volume", (1, 32, 32, 7)),
            ),
            (
                "a number that is none",
                renamed(IMAGE, lambda p: p.name.replace("_3.", "_x.")),
                Refused("slice 3 is missing"),
            ),
            (
                "a number of 18 digits",
                copied(IMAGE, lambda p: p.name.replace("_3.", "_" + "9" * 18 + ".")),
                Refused("has no mask"),
            ),
            (
                "a pair with a number of 18 digits",
                both_of(
                    copied(IMAGE, lambda p: p.name.replace("_3.", "_" + "9" * 18 + ".")),
                    copied(MASK, lambda p: p.name.replace("_3_", "_" + "9" * 18 + "_")),
                ),
                Refused("slices 9 to 999999999999999998 are missing"),
            ),
            ("a name that is not UTF-8", renamed(IMAGE, lambda p: b"TCGA_\xff.tif"), Refused("UTF-8")),
            ("an empty mask file", written(MASK, b""), Refused(r"is empty; take it again .*_3_mask\.tif")),
            ("a mask of zero bytes", zeros(MASK), Refused(r"cannot be read .*_3_mask\.tif")),
            (
                "a mask in RGB",
                _saved(MASK, lambda p: np.dstack([p] * 3), photometric="rgb"),
                Refused("32x32x3; expected rows"),
            ),
            ("a mask with a grey value", _saved(MASK, _one_value), Refused("values .*128.*; expected 0 and 255")),
            ("a mask of another size", _saved(MASK, lambda p: p[:, :20]), Refused(r"32x20 pixels, but .* 32x32")),
            ("a mask of booleans", _every(True, lambda p: p > 0), _read("true is the abnormality")),
            ("a mask of 0 and 1", _every(True, lambda p: (p > 0).astype(np.uint8)), _read("1 is the abnormality")),
            ("a mask of floats", _every(True, lambda p: (p > 0).astype(np.float32)), _read("1 is the abnormality")),
            (
                "masks of halves",
                _every(True, lambda p: p / np.float32(510)),
                Refused(r"the values 0\.0, 0\.5; expected 0 and 255"),
            ),
            (
                "a mask with NaN",
                _saved(MASK, lambda p: np.full(p.shape, np.nan, np.float32)),
                Refused("nan; expected 0 and 255"),
            ),
            ("a mask missing", removed(MASK), Refused("slice 3 has no mask")),
            ("a mask of no slice", copied(MASK, lambda p: p.name.replace("_3_", "_9_")), Refused("slice 9 is missing")),
            (
                "a patient's folder of another name",
                _rename_patient("TCGA_patient"),
                Refused("is not called TCGA_<site>"),
            ),
            ("a patient without files", _without_files, Refused("has no slices")),
            (
                "a patient's folder under another patient's name",
                _rename_patient("TCGA_CS_0001_19000101"),
                Refused("has no slices"),
            ),
        ],
    ),
    *kinds(
        "slices",
        verify("lgg"),
        [
            ("all masks empty", _every(True, np.zeros_like), Refused("the label map is empty")),
            ("a copy with another date", _twice, Accepted("the same patient", lambda a: "no problems in 4" in a.text)),
        ],
    ),
]
