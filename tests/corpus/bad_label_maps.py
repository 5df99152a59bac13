"""Bad label maps in NIfTI, in BraTS."""

from pathlib import Path

import numpy as np

from tests.corpus.asks import both
from tests.corpus.bad_headers import IMAGE, LABEL, case_folder, read, refused
from tests.corpus.bad_voxels import TYPE
from tests.corpus.damages import Damage, Place, copied, linked
from tests.corpus.kind import Refused, kinds
from tests.corpus.nifti_damages import cell, colours, one_voxel, saved, scaled, wide


def _another_case(place: Place) -> Damage:
    def damage(root: Path) -> None:
        other = sorted(path for path in root.iterdir() if path.is_dir())[1]
        path = place(root)
        path.write_bytes((other / path.name.replace(case_folder(root).name, other.name)).read_bytes())

    return damage


LABEL_MAPS = kinds(
    "label maps",
    both("brats"),
    [
        (
            "an unknown value",
            saved(LABEL, one_voxel(7, np.uint8)),
            refused(r"the label map has 7 \(1 voxel\), expected 1 NETC", "seg"),
        ),
        (
            "a negative value",
            saved(LABEL, one_voxel(-1, np.int16)),
            refused(r"the label map has -1 \(1 voxel\), expected", "seg"),
        ),
        (
            "a value of 256",
            saved(LABEL, one_voxel(256, np.int16)),
            refused(r"the label map has 256 \(1 voxel\), expected", "seg"),
        ),
        (
            "a value of 1e9",
            saved(LABEL, one_voxel(1e9, np.int32)),
            refused(r"the label map has 1e\+09 \(1 voxel\)", "seg"),
        ),
        (
            "a half",
            saved(LABEL, one_voxel(0.5)),
            refused("0.5 .1 voxel.*labels are whole numbers, so it was resampled", "seg"),
        ),
        ("NaN", saved(LABEL, one_voxel(np.nan)), refused(r"the label map has nan \(1 voxel\)", "seg")),
        ("infinity", saved(LABEL, one_voxel(np.inf)), refused(r"the label map has inf \(1 voxel\)", "seg")),
        (
            "another year's values",
            saved(LABEL, lambda v: np.where(v == 4, 3, v)),
            refused("looks like the labels of BraTS 2023", "seg"),
        ),
        (
            "probabilities",
            saved(LABEL, lambda v: (v / 7).astype(np.float32)),
            refused("labels are whole numbers", "seg"),
        ),
        ("an image", copied(IMAGE, lambda p: LABEL(p.parents[1])), refused("the label map has", "seg")),
        (
            "complex numbers",
            saved(LABEL, lambda v: v.astype(np.complex64)),
            refused(TYPE.format("complex64"), "seg"),
        ),
        ("colours", saved(LABEL, colours), refused(TYPE.format("colours"), "seg")),
        ("floats", saved(LABEL, lambda v: v.astype(np.float32)), read("whole numbers all the same")),
        ("64-bit floats", saved(LABEL, lambda v: v.astype(np.float64)), read("whole numbers all the same")),
        ("64-bit integers", saved(LABEL, kind=wide), read("the same")),
        (
            "rounding of a resampler",
            saved(LABEL, one_voxel(1.0000001, np.float64)),
            read("the whole number beside it"),
        ),
        (
            "a slope of 1/255",
            saved(LABEL, lambda v: v.astype(np.uint8), then=lambda i: i.header.set_slope_inter(1 / 255, 0)),
            refused("labels are whole numbers", "seg"),
        ),
        (
            "one channel more",
            saved(LABEL, lambda v: np.stack([v, v], -1)),
            refused("is 4-D with the shape 20x20x16x2, expected 3-D", "seg"),
        ),
        (
            "another grid",
            saved(LABEL, lambda v: v[::2, ::2, ::2], scaled(2, 2, 2)),
            refused("has the shape 10x10x8, but .*_t1.nii.gz", "seg"),
        ),
        ("mirrored", saved(LABEL, affine=scaled(-1, 1, 1)), refused("has another affine", "seg")),
        ("a millimetre away", saved(LABEL, affine=cell(2, 3, 99)), refused("has another affine", "seg")),
        ("that of another case", _another_case(LABEL), read("nobody can tell")),
        ("missing", lambda root: LABEL(root).unlink(), Refused("_seg.nii.gz is missing")),
        ("a link to nothing", linked(LABEL, lambda _: "nowhere"), Refused("_seg.nii.gz is missing")),
        ("all empty", saved(LABEL, np.zeros_like), refused("the label map is empty", "seg")),
        ("one class alone", saved(LABEL, lambda v: (v > 0).astype(np.uint8)), read("a class may be absent")),
        ("lesion everywhere", saved(LABEL, np.ones_like), read("as it says")),
    ],
)
