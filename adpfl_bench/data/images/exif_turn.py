"""EXIF orientation: how a picture says that it is to be shown turned, beside a mask that is drawn on stored pixels."""

from __future__ import annotations

from pathlib import Path

from PIL import ExifTags, Image

from adpfl_bench.data.images.pillow_damage import PILLOW_DAMAGE
from adpfl_bench.data.problems import Findings

_TURNS = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored upside down",
    5: "mirrored and turned",
    6: "turned by 90 degrees",
    7: "mirrored and turned",
    8: "turned by 90 degrees",
}
_ADVICE = "save the picture as its mask was drawn, upright or not, without the tag"


def exif_turn(path: Path) -> str:
    """Say how a picture's EXIF orientation wants it shown; empty if as it is stored, or if it cannot be read."""
    try:
        with Image.open(path) as image:
            number = image.getexif().get(ExifTags.Base.Orientation, 1)
    except PILLOW_DAMAGE:  # which whatever reads its pixels tells
        return ""
    return f"EXIF orientation {number} ({_TURNS[number]})" if number in _TURNS else ""


def check_turn(picture: Path, mask: Path, found: Findings) -> None:
    """Warn of a picture that is to be shown turned, unless its mask says the same of itself."""
    turn = exif_turn(picture)
    if turn and turn != exif_turn(mask):
        found.warn(
            "exif orientation",
            picture,
            f"the image has the {turn}, which is not applied: masks are taken to be drawn on the pixels as stored",
            _ADVICE,
        )


def hint_of_turn(picture: Path, shape: tuple[int, ...], other: tuple[int, ...]) -> str:
    """What a refusal of two sizes adds where they are swapped, and the picture is to be shown turned."""
    turn = exif_turn(picture) if shape == other[::-1] else ""
    return f", and has the {turn}, which is not applied; {_ADVICE}" if turn else ""
