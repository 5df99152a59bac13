"""Strategies of NIfTI files: sound ones of which some fields, bytes or the packing are something else."""

import gzip
from collections.abc import Mapping
from typing import Any

import nibabel as nib
import numpy as np
from hypothesis import strategies as st
from nibabel.nifti1 import data_type_codes

NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 300.0, 3e-4, 1e-30, 1e30, -1e30, 3e38, np.nan, np.inf, -np.inf]
SIDES = [0, 1, 2, 3, 4, 7, -1, 300, 30_000, 32_767, -32_768]
CODES = [0, 1, 2, 3, 4, 5, -1, 255, 32_767]
KINDS = sorted(int(code) for code in data_type_codes.value_set())
MAGIC = [b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0", b"\0\0\0\0", b"n+1 ", b"abcd"]
NUMBER = st.sampled_from(NUMBERS) | st.floats(width=32)
AFFINE_ROW = st.lists(NUMBER, min_size=4, max_size=4)

FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "sizeof_hdr": st.sampled_from([0, 347, 348, 540, -1]),
    "dim": st.lists(st.sampled_from(SIDES), min_size=8, max_size=8)
    | st.lists(st.integers(1, 4), min_size=7, max_size=7).map(lambda sides: [3, *sides]),
    "datatype": st.sampled_from(KINDS) | st.integers(-1, 3000),
    "bitpix": st.sampled_from([0, 1, 8, 16, 32, 64, -8]),
    "pixdim": st.lists(NUMBER, min_size=8, max_size=8),
    "vox_offset": st.sampled_from([0, 1, 100, 348, 352, 353, 368, 400, 100_000, 2**30, -352]),
    "scl_slope": NUMBER,
    "scl_inter": NUMBER,
    "xyzt_units": st.integers(0, 255),
    "qform_code": st.sampled_from(CODES),
    "sform_code": st.sampled_from(CODES),
    **{f"quatern_{axis}": NUMBER for axis in "bcd"},
    **{f"qoffset_{axis}": NUMBER for axis in "xyz"},
    **{f"srow_{axis}": AFFINE_ROW for axis in "xyz"},
    "slice_code": st.integers(0, 10),
    "dim_info": st.integers(0, 255),
    "intent_code": st.sampled_from([0, 2, 1002, 1007, -1]),
    "magic": st.sampled_from(MAGIC),
}
VECTORS = ("dim", "pixdim", "srow_x", "srow_y", "srow_z")
EXTENSION = st.sampled_from([b"", b"\0\0\0\0"]) | st.binary(min_size=4, max_size=4) | st.just(b"\1\0\0\0")


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A header with a few fields that are drawn, of both versions and both orders of bytes; an extension at times."""
    kind = draw(st.sampled_from([nib.Nifti1Header, nib.Nifti2Header]))
    header = kind(endianness=draw(st.sampled_from("<>")))
    header.set_data_shape((3, 3, 3))
    header.set_data_dtype(draw(st.sampled_from([np.uint8, np.int16, np.float32])))
    affine = np.diag([-1.0, 1.0, 2.0, 1.0])
    header.set_sform(affine, draw(st.sampled_from([0, 1])))
    header.set_qform(affine, draw(st.sampled_from([0, 1])))
    raw = header.structarr
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=4, unique=True)):
        value = draw(FIELDS[name])
        if name == "magic" and kind is nib.Nifti2Header:
            value = value + b"\r\n\032\n"
        if name in VECTORS and draw(st.booleans()):  # one element of it
            place = draw(st.integers(0, len(value) - 1))
            raw[name][place] = value[place]
        else:
            raw[name] = value
    return raw.tobytes()


@st.composite
def extensions(draw: st.DrawFn) -> bytes:
    """What stands between header and voxels: four bytes, of which the first says whether extensions follow."""
    flag = draw(EXTENSION)
    size = draw(st.sampled_from([0, 8, 16, 17, 32, -16, 2**31 - 1, -(2**31)]))
    code = draw(st.integers(-1, 50))
    body = draw(st.binary(max_size=24))
    return flag + (np.array([size, code], "<i4").tobytes() + body if draw(st.booleans()) else b"")


@st.composite
def nifti_files(draw: st.DrawFn) -> bytes:
    """A NIfTI file without packing: header, extensions, and voxels of small whole numbers, or of any bytes."""
    head = draw(headers())
    between = b"\0\0\0\0" if draw(st.booleans()) else draw(extensions())
    count = draw(st.sampled_from([27, 27, 27, 54, 108, 216, 0, 26]))
    voxels = bytes(index % 3 for index in range(count)) if draw(st.booleans()) else draw(st.binary(max_size=300))
    return head + between + voxels


@st.composite
def packed_files(draw: st.DrawFn) -> bytes:
    """A NIfTI file that is packed, whole, cut off, or with other bytes somewhere."""
    data = gzip.compress(draw(nifti_files()), 1, mtime=0)
    match draw(st.sampled_from(["whole", "whole", "cut", "altered", "behind"])):
        case "cut":
            return data[: draw(st.integers(0, len(data)))]
        case "altered":
            place = draw(st.integers(0, len(data) - 1))
            return data[:place] + bytes([data[place] ^ draw(st.integers(1, 255))]) + data[place + 1 :]
        case "behind":
            return data + draw(st.binary(min_size=1, max_size=20))
    return data
