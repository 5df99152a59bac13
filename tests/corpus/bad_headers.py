"""Bad headers and containers of NIfTI files, in BraTS."""

import bz2
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.corpus.asks import both
from tests.corpus.damages import (
    LFS_POINTER,
    WEB_PAGE,
    content,
    cut,
    cut_end,
    flipped,
    linked,
    made_folder,
    patched,
    removed,
    renamed,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Answer, Refused, kinds
from tests.corpus.nifti_damages import dimensions, every, header, saved, unpacked


def case_folder(root: Path) -> Path:
    return sorted(path for path in root.iterdir() if path.is_dir())[0]


def _file(ending: str) -> Any:
    return lambda root: case_folder(root) / f"{case_folder(root).name}_{ending}.nii.gz"


IMAGE, SECOND, LABEL = _file("t1"), _file("t2"), _file("seg")


def all_files(root: Path) -> list[Path]:
    """All files of the first case: a damage of all of them is none that the comparison with the others shows."""
    return sorted(case_folder(root).glob("*.nii.gz"))


def of_all(**fields: Any) -> Any:
    return every(all_files, lambda place: header(place, **fields))


def _unpacked_file(root: Path) -> None:
    path = IMAGE(root)
    (path.parent / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t1.nii", data)
    return file.getvalue()


def _members(data: bytes) -> bytes:
    return gzip.compress(data[:1000]) + gzip.compress(data[1000:])


def _swapped(voxels: np.ndarray, affine: np.ndarray) -> Any:
    head = nib.Nifti1Header(endianness=">")
    head.set_data_dtype(voxels.dtype)
    return nib.Nifti1Image(voxels, affine, head)


def grid(answer: Answer) -> Any:
    return answer.value[sorted(answer.value)[0]].grid


def read(meaning: str, spacing: tuple[float, float, float] | None = None) -> Accepted:
    """All cases are read; with ``spacing`` also at these edges."""

    def shows(answer: Answer) -> bool:
        return len(answer.value) == 3 and (spacing is None or np.allclose(grid(answer).spacing, spacing, atol=1e-4))

    return Accepted(meaning, shows)


def refused(words: str, ending: str = "t1") -> Refused:
    """The sentence, with the file in question behind it."""
    return Refused(rf"{words}.*_{ending}\.nii\.gz")


_UNREADABLE = refused(r"cannot be read \(.+\); take it again from the publisher's archive")
_NO_SIZE = refused("has an affine that gives its voxels no size")

HEADERS = kinds(
    "headers",
    both("brats"),
    [
        ("an empty file", written(IMAGE, b""), refused("is empty; take it again")),
        ("zero bytes", zeros(IMAGE), _UNREADABLE),
        ("its first tenth", cut(IMAGE, 0.1), _UNREADABLE),
        ("its first 20 bytes", cut(IMAGE, 0.002), _UNREADABLE),
        ("all but its last 4 bytes", cut_end(IMAGE, 4), _UNREADABLE),
        ("a flipped byte", flipped(IMAGE, 0.5), _UNREADABLE),
        ("a wrong checksum", content(IMAGE, lambda d: d[:-8] + bytes(4) + d[-4:]), _UNREADABLE),
        ("a wrong length", content(IMAGE, lambda d: d[:-4] + bytes(4)), _UNREADABLE),
        ("bytes behind its end", content(IMAGE, lambda d: d + b"rest"), _UNREADABLE),
        ("zeros behind its end", content(IMAGE, lambda d: d + bytes(512)), read("gzip allows padding")),
        ("not packed", content(IMAGE, gzip.decompress), _UNREADABLE),
        ("packed twice", content(IMAGE, gzip.compress), _UNREADABLE),
        ("packed in two members", content(IMAGE, lambda d: _members(gzip.decompress(d))), read("the same")),
        ("packed by bzip2", content(IMAGE, lambda d: bz2.compress(gzip.decompress(d))), _UNREADABLE),
        ("a zip archive", content(IMAGE, lambda d: _zip(gzip.decompress(d))), _UNREADABLE),
        ("nothing inside", written(IMAGE, gzip.compress(b"")), _UNREADABLE),
        ("text inside", written(IMAGE, gzip.compress(b"no image\n" * 100)), _UNREADABLE),
        ("a web page", written(IMAGE, WEB_PAGE), _UNREADABLE),
        ("a pointer of Git LFS", written(IMAGE, LFS_POINTER), _UNREADABLE),
        ("without packing, as .nii", _unpacked_file, read("the same")),
        (
            "packed, as .nii",
            renamed(IMAGE, lambda p: p.name.removesuffix(".gz")),
            Refused(r"cannot be read .*_t1\.nii\)"),
        ),
        ("only the header", content(IMAGE, unpacked(lambda d: d[:352])), _UNREADABLE),
        ("half of the header", content(IMAGE, unpacked(lambda d: d[:200])), _UNREADABLE),
        ("half of the voxels", content(IMAGE, unpacked(lambda d: d[: len(d) // 2])), _UNREADABLE),
        ("bytes behind the voxels", content(IMAGE, unpacked(lambda d: d + bytes(1000))), read("they are passed over")),
        ("wrong magic", header(IMAGE, magic=b"abcd"), _UNREADABLE),
        ("the magic of a pair", header(IMAGE, magic=b"ni1\0"), read("one file all the same")),
        ("a header size of 0", header(IMAGE, sizeof_hdr=0), read("nibabel mends it, and says so")),
        ("the other byte order", saved(IMAGE, kind=_swapped), read("the same")),
        ("NIfTI-2", saved(IMAGE, kind=nib.Nifti2Image), read("the same")),
        ("MGH under its name", saved(IMAGE, lambda v: v.astype(np.float32), kind=nib.MGHImage), _UNREADABLE),
        ("no dimensions", dimensions(IMAGE), refused("has no voxels, for its header states 0")),
        ("one dimension", dimensions(IMAGE, 6400), refused("is 1-D with the shape 6400, expected 3-D")),
        ("two dimensions", dimensions(IMAGE, 20, 320), refused("is 2-D with the shape 20x320, expected 3-D")),
        (
            "a fourth dimension of 1",
            dimensions(IMAGE, 20, 20, 16, 1),
            read("it is left away"),
        ),
        (
            "five dimensions",
            dimensions(IMAGE, 20, 20, 4, 2, 2),
            refused("is 5-D with the shape 20x20x4x2x2, expected 3-D"),
        ),
        ("eight dimensions", header(IMAGE, dim=[[8, 20, 20, 16, 1, 1, 1, 1]]), refused("cannot be read|is 8-D")),
        (
            "a side of 0",
            dimensions(IMAGE, 0, 20, 16),
            Refused("has no voxels, for its header states 0x20x16"),
        ),
        ("a negative side", dimensions(IMAGE, -20, 20, 16), refused("shape|cannot be read")),
        ("all sides negative", dimensions(IMAGE, -20, -20, -16), refused("shape|cannot be read")),
        (
            "a claim of 30,000 cubed",
            dimensions(IMAGE, 30000, 30000, 30000),
            refused(r"claims 30000x30000x30000 voxels \(.*\), but"),
        ),
        (
            "all claim 30,000 cubed",
            every(all_files, lambda place: dimensions(place, 30000, 30000, 30000)),
            Refused("_flair.nii.gz claims|claims 30000x30000x30000 voxels .*_flair.nii.gz"),
        ),
        (
            "a label that claims 30,000 cubed",
            dimensions(LABEL, 30000, 30000, 30000),
            refused("claims 30000x30000x30000 voxels", "seg"),
        ),
        (
            "one voxel more along an axis",
            dimensions(IMAGE, 20, 20, 17),
            Refused("cannot be read .Expected 13600 bytes"),
        ),
        (
            "one voxel less along an axis",
            dimensions(IMAGE, 20, 20, 15),
            refused("has the shape 20x20x16, but .* has 20x20x15", "t1ce"),
        ),
        ("no data type", header(IMAGE, datatype=0), _UNREADABLE),
        ("an unknown data type", header(IMAGE, datatype=9999), _UNREADABLE),
        ("128-bit floats", header(IMAGE, datatype=1536, bitpix=128), _UNREADABLE),
        ("one bit a voxel", header(IMAGE, datatype=1, bitpix=1), _UNREADABLE),
        ("bits that are not the type's", header(IMAGE, bitpix=8), read("the type alone counts")),
        ("voxels that begin far behind its end", header(IMAGE, vox_offset=1e9), _UNREADABLE),
        ("voxels that begin at infinity", header(IMAGE, vox_offset=np.inf), _UNREADABLE),
        ("voxels that begin before it", header(IMAGE, vox_offset=-100), _UNREADABLE),
        ("voxels that begin within the header", header(IMAGE, vox_offset=16), _UNREADABLE),
        (
            "an extension that is longer than the file",
            content(IMAGE, unpacked(lambda d: d[:348] + b"\1\0\0\0\xf0\xff\xff\x7f\6\0\0\0" + d[360:])),
            read("extensions are not read"),
        ),
        ("a slope of 0", header(IMAGE, scl_slope=0, scl_inter=7), read("no scaling, as NIfTI says")),
        ("a slope that is NaN", header(IMAGE, scl_slope=np.nan), read("no scaling, as nibabel says")),
        ("an infinite slope", header(IMAGE, scl_slope=np.inf), read("no scaling, as nibabel has it")),
        ("an intercept that is NaN", header(IMAGE, scl_slope=1, scl_inter=np.nan), _UNREADABLE),
        ("a slope of 1e38", header(IMAGE, scl_slope=1e38), refused("NaN or infinite")),
        ("missing", removed(IMAGE), Refused(r"_t1\.nii\.gz is missing")),
        ("a folder in its place", made_folder(IMAGE), Refused(r"_t1\.nii\.gz is missing")),
        ("a link to nothing", linked(IMAGE, lambda _: "nowhere"), Refused(r"_t1\.nii\.gz is missing")),
        ("a link to itself", linked(IMAGE, lambda p: p.name), Refused(r"_t1\.nii\.gz is missing")),
        ("another sequence's file", linked(IMAGE, lambda p: SECOND(p.parents[1]).name), read("nobody can tell")),
        ("garbage in the description", patched(IMAGE, 4, b"\0\0\0\0"), read("gzip's time, which is not read")),
    ],
)
