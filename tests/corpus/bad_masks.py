"""Bad masks of photographs."""

import io

import numpy as np
from PIL import Image

from tests.corpus.asks import both, load, verify
from tests.corpus.bad_pictures import PICTURE
from tests.corpus.damages import (
    WEB_PAGE,
    both_of,
    copied,
    cut,
    first,
    flipped,
    linked,
    patched,
    redrawn,
    removed,
    renamed,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Answer, Refused, kinds

MASK = first("ISIC-2017_Training_Part1_GroundTruth/*.png")
OTHER_MASK = first("ISIC-2017_Training_Part1_GroundTruth/*.png", 1)

_UNREADABLE = Refused(r"_segmentation\.png.* cannot be read \(.+\); take it again from the publisher's archive")
_MODE = r"_segmentation\.png is a mask of mode {}; expected one 8-bit channel of 0 and 255"
_VALUES = r"_segmentation\.png is a mask with the values {}; expected 0 and 255, or 0 and 1, only"


def _mask(answer: Answer) -> np.ndarray:
    """The first case's truth, on the grid of its file."""
    return answer.value[sorted(answer.value)[0]].label.numpy()


def _whole(meaning: str) -> Accepted:
    """The mask is the lesion of the good input: neither empty nor full, and of the picture's size."""
    return Accepted(meaning, lambda answer: _mask(answer).shape == (1, 32, 40) and 0 < _mask(answer).mean() < 1)


def _mapped(table: dict[int, int]) -> object:
    """Draw a mask with other values."""
    values = [table.get(value, value) for value in range(256)]
    return redrawn(MASK, lambda image: image.convert("L").point(values))


def _filled(value: int) -> object:
    return redrawn(MASK, lambda image: Image.new("L", image.size, value))


def _animated() -> bytes:
    frames = [Image.fromarray(np.full((32, 40), value, np.uint8)) for value in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, format="PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


MASKS = [
    *kinds(
        "masks",
        both("isic"),
        [
            ("an empty file", written(MASK, b""), Refused(r"_segmentation\.png is empty; take it again")),
            ("zero bytes", zeros(MASK), _UNREADABLE),
            ("its first half", cut(MASK, 0.5), _UNREADABLE),
            ("a web page", written(MASK, WEB_PAGE), _UNREADABLE),
            ("wrong magic", patched(MASK, 0, b"\x89PNX"), _UNREADABLE),
            ("a flipped byte in its pixels", flipped(MASK, 0.6), _UNREADABLE),
            ("a flipped byte in its header", patched(MASK, 18, b"\xff"), _UNREADABLE),
            ("RGB", redrawn(MASK, lambda i: i.convert("RGB")), Refused(_MODE.format("RGB"))),
            ("RGBA", redrawn(MASK, lambda i: i.convert("RGBA")), Refused(_MODE.format("RGBA"))),
            ("grey with alpha", redrawn(MASK, lambda i: i.convert("LA")), Refused(_MODE.format("LA"))),
            ("a palette", redrawn(MASK, lambda i: i.convert("P")), _whole("its black and white")),
            ("16 bits", redrawn(MASK, lambda i: i.convert("I;16")), Refused(_MODE.format("I;16"))),
            ("32-bit floats", redrawn(MASK, lambda i: i.convert("F"), "TIFF"), Refused(_MODE.format("F"))),
            ("CMYK", redrawn(MASK, lambda i: i.convert("CMYK"), "TIFF"), Refused(_MODE.format("CMYK"))),
            ("one bit", redrawn(MASK, lambda i: i.convert("1")), _whole("the same mask")),
            ("values 0 and 1", _mapped({255: 1}), _whole("1 is the lesion")),
            ("values 0 and 254", _mapped({255: 254}), Refused(_VALUES.format("0, 254"))),
            ("values 1 and 2", _mapped({0: 1, 255: 2}), Refused(_VALUES.format("1, 2"))),
            ("values 0, 1 and 255", redrawn(MASK, lambda i: _pixel(i, 1)), Refused(_VALUES.format("0, 1, 255"))),
            ("one grey pixel", redrawn(MASK, lambda i: _pixel(i, 128)), Refused(_VALUES.format("0, 128, 255"))),
            (
                "soft edges",
                redrawn(MASK, lambda i: i.resize((20, 16)).resize(i.size, Image.Resampling.BILINEAR)),
                Refused(r"_segmentation\.png is a mask with the values 0, .*\.\.\.; expected 0 and 255"),
            ),
            ("saved as JPEG", redrawn(MASK, lambda i: i, "JPEG", quality=40), Refused(_VALUES.format("0, 1.*"))),
            ("a BMP under its name", redrawn(MASK, lambda i: i, "BMP"), _whole("read by content, not by name")),
            ("a TIFF under its name", redrawn(MASK, lambda i: i, "TIFF"), _whole("read by content")),
            ("an animated PNG", written(MASK, _animated()), Refused(r"_segmentation\.png has 2 pictures")),
            ("a transparent value", redrawn(MASK, lambda i: i, transparency=0), _whole("transparency is not read")),
            (
                "half its picture's size",
                redrawn(MASK, lambda i: i.resize((20, 16), 0)),
                Refused("is 20x16 pixels, but"),
            ),
            ("turned", redrawn(MASK, lambda i: i.rotate(90, expand=True)), Refused("is 32x40 pixels, but")),
            ("one row more", redrawn(MASK, lambda i: i.crop((0, 0, 40, 33))), Refused("is 40x33 pixels, but")),
            ("missing", removed(MASK), Refused("the image has no mask")),
            ("a link to nothing", linked(MASK, lambda _: "nowhere.png"), Refused("the image has no mask")),
            (
                "a link to another mask",
                linked(MASK, lambda path: OTHER_MASK(path.parents[1]).name),
                _whole("that mask"),
            ),
            ("called as its picture", renamed(MASK, lambda p: p.name.replace("_segmentation", "")), Refused("no mask")),
            ("called as in 2016", renamed(MASK, lambda p: p.name.replace("_seg", "_Seg")), Refused("no mask")),
            (
                "of a picture that is not there",
                copied(MASK, lambda p: "X_segmentation.png"),
                Refused("X: the mask has no"),
            ),
            (
                "of a name that is not UTF-8",
                renamed(MASK, lambda p: b"ISIC_\xe9_segmentation.png"),
                Refused("UTF-8, so that no table could state it; rename it"),
            ),
            (
                "both of another size, alike",
                both_of(
                    redrawn(MASK, lambda i: i.resize((20, 16), 0)),
                    redrawn(PICTURE, lambda i: i.resize((20, 16)), "JPEG"),
                ),
                Accepted("each case has a size of its own", lambda answer: _mask(answer).shape == (1, 16, 20)),
            ),
        ],
    ),
    *kinds("masks", verify("isic"), [("all empty", _filled(0), Refused("the mask is empty"))]),
    *kinds(
        "masks",
        load("isic"),
        [
            ("all empty, in training", _filled(0), Accepted("no lesion", lambda answer: _mask(answer).max() == 0)),
            ("all lesion", _filled(255), Accepted("lesion everywhere", lambda answer: _mask(answer).min() == 1)),
            ("all ones", _filled(1), Accepted("lesion everywhere", lambda answer: _mask(answer).min() == 1)),
        ],
    ),
]


def _pixel(image: Image.Image, value: int) -> Image.Image:
    image.putpixel((1, 1), value)
    return image
