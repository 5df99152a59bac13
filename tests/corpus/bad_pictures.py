"""Bad photographs: of ISIC, as HAM10000 and slices of LGG are read by the same code."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.corpus.asks import both, load, verify
from tests.corpus.damages import (
    LFS_POINTER,
    WEB_PAGE,
    content,
    copied,
    cut,
    cut_end,
    first,
    flipped,
    linked,
    made_folder,
    patched,
    redrawn,
    removed,
    renamed,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Answer, Refused, kinds

PICTURE = first("ISIC-2017_Training_Data/*.jpg")
OTHER_PICTURE = first("ISIC-2017_Training_Data/*.jpg", 1)

_UNREADABLE = Refused(r"\.jpg.* cannot be read \(.+\); take it again from the publisher's archive")
_MODE = r"\.jpg is an image of mode {}; convert it to 8-bit RGB"


def _noise(height: int = 32, width: int = 40) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _pixels(answer: Answer) -> np.ndarray:
    """The first case's image as the network gets it, back as 0 to 255."""
    case = answer.value[sorted(answer.value)[0]]
    return np.rint((case.image.numpy() + 2) * 63.75)


def _seen(meaning: str) -> Accepted:
    """All three cases are there, at the network's size."""
    return Accepted(meaning, lambda answer: len(answer.value) == 3 and _pixels(answer).shape == (3, 16, 16))


def _png(width: int, height: int, bits: int = 8, colour: int = 2, data: bytes = b"", more: bytes = b"") -> bytes:
    """A PNG of the stated size, whatever its data are."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + more + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _sixteen_bits(height: int = 32, width: int = 40) -> bytes:
    """A PNG with three channels of 16 bits."""
    rows = b"".join(b"\0" + bytes(6 * width) for _ in range(height))
    return _png(width, height, 16, 2, rows)


def _several(form: str, count: int = 3, **how: object) -> bytes:
    frames = [Image.fromarray(np.roll(_noise(), 5 * index, 0)) for index in range(count)]
    file = io.BytesIO()
    frames[0].save(file, format=form, save_all=True, append_images=frames[1:], **how)
    return file.getvalue()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


PICTURES = [
    *kinds(
        "pictures",
        both("isic"),
        [
            ("an empty file", written(PICTURE, b""), Refused(r"\.jpg.* is empty; take it again")),
            ("zero bytes", zeros(PICTURE), _UNREADABLE),
            ("its header alone", content(PICTURE, lambda data: data[:20]), _UNREADABLE),
            ("its first half", cut(PICTURE, 0.5), _UNREADABLE),
            ("all but its last 100 bytes", cut_end(PICTURE, 100), _UNREADABLE),
            ("wrong magic", patched(PICTURE, 0, b"XXXX"), _UNREADABLE),
            ("text", written(PICTURE, "not an image\n"), _UNREADABLE),
            ("a web page", written(PICTURE, WEB_PAGE), _UNREADABLE),
            ("a pointer of Git LFS", written(PICTURE, LFS_POINTER), _UNREADABLE),
            ("a PDF", written(PICTURE, b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), _UNREADABLE),
            ("a damaged quantisation table", patched(PICTURE, 20, b"\xff\xdb\xff\xff"), _UNREADABLE),
            (
                "bytes behind its end",
                content(PICTURE, lambda data: data + b"rest" * 100),
                _seen("they are passed over"),
            ),
            ("a PNG under its name", redrawn(PICTURE, lambda i: i), _seen("read by content, not by name")),
            ("a BMP under its name", redrawn(PICTURE, lambda i: i, "BMP"), _seen("read by content")),
            ("a WebP under its name", redrawn(PICTURE, lambda i: i, "WEBP"), _seen("read by content")),
            ("a TIFF under its name", redrawn(PICTURE, lambda i: i, "TIFF"), _seen("read by content")),
            ("a progressive JPEG", redrawn(PICTURE, lambda i: i, "JPEG", progressive=True), _seen("as any other")),
            ("a GIF", redrawn(PICTURE, lambda i: i, "GIF"), Refused(_MODE.format("P"))),
            ("grey", redrawn(PICTURE, lambda i: i.convert("L"), "JPEG"), _seen("grey is put into all channels")),
            ("an alpha channel", redrawn(PICTURE, lambda i: i.convert("RGBA")), _seen("alpha is dropped")),
            ("grey with alpha", redrawn(PICTURE, lambda i: i.convert("LA")), Refused(_MODE.format("LA"))),
            ("a palette", redrawn(PICTURE, lambda i: i.convert("P")), Refused(_MODE.format("P"))),
            ("a palette and alpha", redrawn(PICTURE, lambda i: i.convert("PA"), "TIFF"), Refused(_MODE.format("PA"))),
            ("black and white", redrawn(PICTURE, lambda i: i.convert("1")), Refused(_MODE.format("1"))),
            ("CMYK", redrawn(PICTURE, lambda i: i.convert("CMYK"), "JPEG"), Refused(_MODE.format("CMYK"))),
            ("LAB", redrawn(PICTURE, lambda i: Image.new("LAB", i.size), "TIFF"), Refused(_MODE.format("LAB"))),
            ("YCbCr in a TIFF", redrawn(PICTURE, lambda i: i.convert("YCbCr"), "TIFF"), Refused(_MODE.format("YCbCr"))),
            ("32-bit floats", redrawn(PICTURE, lambda i: i.convert("F"), "TIFF"), Refused(_MODE.format("F"))),
            ("32-bit integers", redrawn(PICTURE, lambda i: i.convert("I"), "TIFF"), Refused(_MODE.format("I"))),
            ("16-bit grey", redrawn(PICTURE, lambda i: i.convert("I;16")), Refused(_MODE.format("I;16"))),
            ("16 bits a colour", written(PICTURE, _sixteen_bits()), Refused(r"\.jpg has 16 bits .* 8-bit")),
            (
                "an EXIF orientation",
                redrawn(PICTURE, lambda i: i, "JPEG", exif=_exif(6)),
                _seen("pixels as stored, as its mask is drawn on them"),
            ),
            ("a damaged EXIF block", redrawn(PICTURE, lambda i: i, "JPEG", exif=b"Exif\0\0garbage"), _seen("not read")),
            (
                "a colour profile that is none",
                redrawn(PICTURE, lambda i: i, "PNG", icc_profile=b"x"),
                _seen("not read"),
            ),
            ("60,000 x 60,000 claimed", written(PICTURE, _png(60000, 60000)), _UNREADABLE),
            ("12,000 x 12,000 claimed", written(PICTURE, _png(12000, 12000)), Refused(r"pixels, but|cannot be read")),
            ("a width of zero", written(PICTURE, _png(0, 32)), _UNREADABLE),
            ("the largest size that can be claimed", written(PICTURE, _png(2**31 - 1, 2**31 - 1)), _UNREADABLE),
            ("no pixels in a PNG", written(PICTURE, _png(40, 32)), _UNREADABLE),
            (
                "a text chunk that unpacks to 200 MB",
                written(PICTURE, _png(40, 32, more=_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000))))),
                _UNREADABLE,
            ),
            ("an animated GIF", written(PICTURE, _several("GIF")), Refused(r"\.jpg")),
            ("an animated PNG", written(PICTURE, _several("PNG")), Refused(r"\.jpg has 3 pictures")),
            ("an animated WebP", written(PICTURE, _several("WEBP")), Refused(r"\.jpg has 3 pictures")),
            ("a TIFF of several pages", written(PICTURE, _several("TIFF")), Refused(r"\.jpg has 3 pictures")),
            (
                "a phone's JPEG of two pictures",
                written(PICTURE, _several("MPO", 2)),
                _seen("the first is the photograph"),
            ),
            ("a damaged PNG", written(PICTURE, _png(40, 32, data=b"x" * 500)[:-30]), _UNREADABLE),
            ("one pixel", redrawn(PICTURE, lambda i: i.resize((1, 1)), "JPEG"), Refused("1x1")),
            (
                "width and height swapped",
                redrawn(PICTURE, lambda i: i.rotate(90, expand=True), "JPEG"),
                Refused("32x40"),
            ),
            ("another size than its mask", redrawn(PICTURE, lambda i: i.resize((80, 64)), "JPEG"), Refused("80x64")),
            ("missing", removed(PICTURE), Refused("the mask has no image")),
            ("a folder in its place", made_folder(PICTURE), Refused("the mask has no image")),
            ("a link to nothing", linked(PICTURE, lambda _: "nowhere.jpg"), Refused("the mask has no image")),
            ("a link to itself", linked(PICTURE, lambda path: path.name), Refused("symbolic links")),
            ("its name in capitals", renamed(PICTURE, lambda path: path.name[:-4] + ".JPG"), _seen("the same")),
            ("there as PNG too", copied(PICTURE, lambda path: path.stem + ".png"), Refused("is there twice")),
            ("another ending", renamed(PICTURE, lambda path: path.stem + ".jp2"), Refused("the mask has no image")),
            (
                "a resource fork of macOS beside it",
                copied(PICTURE, lambda path: f"._{path.name}"),
                _seen("passed over"),
            ),
            (
                "a superpixel image beside it",
                copied(PICTURE, lambda path: f"{path.stem}_superpixels.png"),
                _seen("passed over"),
            ),
            ("a name that is not UTF-8", renamed(PICTURE, lambda path: b"ISIC_\xff\xfe.jpg"), Refused("UTF-8")),
        ],
    ),
    *kinds(
        "pictures",
        verify("isic"),
        [
            ("one colour", redrawn(PICTURE, lambda i: Image.new("RGB", i.size, "red"), "JPEG"), Refused("is constant")),
            (
                "the picture of another case",
                copied(PICTURE, lambda path: OTHER_PICTURE(path.parents[1])),
                Refused("same image"),
            ),
        ],
    ),
    *kinds(
        "pictures",
        load("isic"),
        [
            (
                "one colour, in training",
                redrawn(PICTURE, lambda i: Image.new("RGB", i.size, "white"), "PNG"),
                Accepted("a picture as any other", lambda answer: float(_pixels(answer).min()) == 255),
            ),
            ("a flipped byte in its pixels", flipped(PICTURE, 0.9), _seen("other pixels, which JPEG cannot tell")),
        ],
    ),
]
