"""Data that can be read, and are probably not what they were meant to be; and odd forms that mean the usual."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.corpus.asks import both
from tests.corpus.bad_headers import IMAGE, LABEL, SECOND, all_files, read
from tests.corpus.bad_masks import MASK
from tests.corpus.bad_pictures import PICTURE
from tests.corpus.damages import Damage, both_of, copied, first, redrawn, renamed
from tests.corpus.kind import Accepted, Answer, Kind, Refused, kinds
from tests.corpus.nifti_damages import Change, every, saved

_CT, _KIDNEYS = first("**/imaging.nii.gz"), first("**/segmentation.nii.gz")


def warned(*patterns: str) -> Accepted:
    """The case is used, and each fault is told by ``verify`` and by what a run reads."""

    def shows(answer: Answer) -> bool:
        return all(len(re.findall(pattern, answer.text)) >= 2 for pattern in patterns)

    return Accepted(f"told: {', '.join(patterns)}", shows)


def quiet(meaning: str, shows: Callable[[Any], bool] = lambda label: 0 < label.mean() < 0.5) -> Accepted:
    """Nothing is told, and the first case's truth is as it should be."""

    def fits(answer: Answer) -> bool:
        return "warning" not in answer.text and shows(answer.value[sorted(answer.value)[0]].label.numpy())

    return Accepted(meaning, fits)


def _identity(matrix: np.ndarray) -> np.ndarray:
    return np.eye(4)


def _thick(voxels: np.ndarray) -> np.ndarray:
    """Every fifth slice, as of 5 mm."""
    return voxels[:, :, 2::5]


def _noise(voxels: np.ndarray) -> np.ndarray:
    return voxels + np.random.default_rng(0).integers(1, 40, voxels.shape).astype(voxels.dtype)


def _all(change: Change = lambda voxels: voxels, affine: Change = lambda matrix: matrix) -> Damage:
    return every(all_files, lambda place: saved(place, change, affine))


def _kidneys(change: Change = lambda voxels: voxels, affine: Change = lambda matrix: matrix) -> Damage:
    return both_of(saved(_CT, change, affine), saved(_KIDNEYS, change, affine))


def _sheared(matrix: np.ndarray) -> np.ndarray:
    shear = np.eye(4)
    shear[0, 1] = 0.2
    return matrix @ shear


def _loud(name: str) -> str:
    return name.removesuffix(".nii.gz") + ".NII.GZ"


def _loud_names(places: Callable[[Path], list[Path]]) -> Damage:
    return every(places, lambda place: renamed(place, lambda path: _loud(path.name)))


def _turned(number: int, image: Callable[[Image.Image], Image.Image] = lambda image: image) -> Damage:
    """State an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = number
    return redrawn(PICTURE, image, "JPEG", exif=exif, quality=95)


def _with_palette(colours: dict[int, tuple[int, int, int]], background: int = 0, lesion: int = 1) -> Damage:
    """Draw a mask by indices."""

    def draw(mask: Image.Image) -> Image.Image:
        indices = np.where(np.asarray(mask.convert("L")) > 0, lesion, background).astype(np.uint8)
        drawn = Image.fromarray(indices)
        table = np.zeros((256, 3), np.uint8)
        for index, colour in colours.items():
            table[index] = colour
        drawn.putpalette(table.ravel().tolist())
        return drawn

    return redrawn(MASK, draw)


CONTENTS: list[Kind] = [
    *kinds(
        "contents",
        both("isic"),
        [
            ("a picture that is to be shown upside down", _turned(3), warned(r"EXIF orientation 3 \(upside down\)")),
            (
                "a phone's picture beside an upright mask",
                _turned(6, lambda image: image.transpose(Image.Transpose.ROTATE_90)),
                Refused(r"is 40x32 pixels, but .* is 32x40, and has the EXIF orientation 6 .* not applied; save"),
            ),
            ("an upright picture that says so", _turned(1), quiet("nothing is turned")),
            (
                "an inverted mask",
                redrawn(MASK, lambda image: image.convert("L").point(lambda value: 255 - value)),
                warned("the mask covers 100% of the image's border and .* as an inverted one does"),
            ),
            (
                "a mask of everything",
                redrawn(MASK, lambda image: Image.new("L", image.size, 255)),
                warned("the mask covers the whole image"),
            ),
            (
                "a pair in BMP",
                both_of(copied(PICTURE, lambda path: "X.bmp"), copied(MASK, lambda path: "X_segmentation.BMP")),
                warned("2 files that end in .bmp and look like images are not read: .*X.bmp, .*X_segmentation.BMP"),
            ),
            ("a mask by indices", _with_palette({1: (128, 0, 0)}), quiet("index 1 is the lesion")),
            (
                "a mask whose white has index 0",
                _with_palette({0: (255, 255, 255)}, background=1, lesion=0),
                quiet("white is the lesion"),
            ),
            (
                "a mask whose background has a colour",
                _with_palette({0: (0, 0, 255), 1: (128, 0, 0)}),
                Refused("has a palette that does not say what is foreground"),
            ),
            (
                "a mask of two colours",
                _with_palette({2: (0, 128, 0)}, lesion=2),
                Refused("is a mask with the values 0, 2"),
            ),
        ],
    ),
    *kinds(
        "contents",
        both("brats"),
        [
            ("a background that is not 0", saved(IMAGE, lambda v: v + 100), warned("t1 image has 100 in .* not 0")),
            (
                "a background of noise",
                saved(IMAGE, _noise),
                warned("the t1 image has 0 in only 0% of its outer voxels"),
            ),
            (
                "a sequence twice",
                lambda root: SECOND(root).write_bytes(IMAGE(root).read_bytes()),
                warned("the t2 image is the t1 image once more"),
            ),
            (
                "a sequence twice, and a background that is not 0",
                both_of(
                    saved(IMAGE, lambda v: v + 100),
                    lambda root: SECOND(root).write_bytes(IMAGE(root).read_bytes()),
                ),
                warned("the t2 image is the t1 image once more", "the t1 image has 100", "the t2 image has 100"),
            ),
            ("a sheared affine", _all(affine=_sheared), warned("has a sheared affine: the axes x and y .* 7[89].")),
            ("no header, and slices of 5 mm", _all(_thick, _identity), warned("states cubes of 1 mm from the origin")),
            ("no header, and cubes of 1 mm", _all(affine=_identity), quiet("nothing says that it is wrong")),
            (
                "an inverted label map",
                saved(LABEL, lambda v: (v == 0).astype(np.uint8)),
                warned("the label map covers 100% of the image's border"),
            ),
            ("an image beside the case's", copied(IMAGE, lambda path: "old.nii"), warned("is not read: .*old.nii")),
            ("endings in capitals", _loud_names(all_files), quiet("the same")),
            ("axes of length 1 at the end", _all(lambda v: v[..., None, None]), quiet("the same")),
            (
                "labels that a slope puts beside whole numbers",
                saved(
                    LABEL, lambda v: v.astype(np.uint8), then=lambda image: image.header.set_slope_inter(1.0000001, 0)
                ),
                quiet("whole numbers"),
            ),
        ],
    ),
    *kinds(
        "contents",
        both("kits"),
        [
            (
                "CT without Hounsfield units",
                saved(_CT, lambda v: v + 1024),
                warned("the CT image has no air: its lowest"),
            ),
            ("CT without a header", _kidneys(_thick, _identity), warned("states cubes of 1 mm from the origin")),
            ("CT with endings in capitals", _loud_names(lambda root: [_CT(root), _KIDNEYS(root)]), quiet("the same")),
            ("CT of four axes", _kidneys(lambda v: v[..., None]), quiet("the same")),
        ],
    ),
    *kinds(
        "contents",
        both("msd"),
        [
            (
                "sequences with endings in capitals",
                _loud_names(lambda root: [*(root / "imagesTr").iterdir(), *(root / "labelsTr").iterdir()]),
                quiet("the same"),
            ),
            (
                "sequences with a fifth axis",
                saved(first("imagesTr/*.nii.gz"), lambda v: v[..., None]),
                read("the same"),
            ),
        ],
    ),
]
