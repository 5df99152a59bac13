"""Bad voxels of NIfTI files, and bad places that their headers put them in, in BraTS."""

from typing import Any

import numpy as np

from tests.corpus.asks import both
from tests.corpus.bad_headers import IMAGE, all_files, of_all, read, refused
from tests.corpus.damages import Damage
from tests.corpus.kind import Refused, kinds
from tests.corpus.nifti_damages import Change, cell, colours, every, header, one_voxel, saved, scaled, wide


def _codes(**forms: np.ndarray) -> Damage:
    """State sform and qform, both in use."""

    def then(image: Any) -> None:
        image.set_sform(forms.get("sform", image.affine), 1)
        image.set_qform(forms.get("qform", image.affine), 1)

    return every(all_files, lambda place: saved(place, then=then))


def _placed(change: Change) -> Damage:
    """Place all files of a case anew, alike."""
    return every(all_files, lambda place: saved(place, affine=change))


def _sform(value: float) -> Damage:
    return of_all(sform_code=1, qform_code=0, srow_x=value)


def _turned(matrix: np.ndarray) -> np.ndarray:
    c, s = np.cos(0.3), np.sin(0.3)
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ matrix


TYPE = "has voxels of the type {}; expected one real number each"
_APART = refused(r"is in two places: its sform and its qform put a corner of the volume .* mm apart; find out", "flair")
_NO_SIZE = refused("has an affine that gives its voxels no size")
_EDGES = refused("has voxels of .* mm; expected edges of 0.001 to 1000 mm, so mend its header")
_AWAY = refused(r"has another affine \(position, orientation or spacing\) than .*_t1", "t2|t1ce|flair")

VOXELS = [
    *kinds(
        "voxels",
        both("brats"),
        [
            ("complex numbers", saved(IMAGE, lambda v: v.astype(np.complex64)), refused(TYPE.format("complex64"))),
            (
                "double complex numbers",
                saved(IMAGE, lambda v: v.astype(np.complex128)),
                refused(TYPE.format("complex128")),
            ),
            ("colours", saved(IMAGE, colours), refused(TYPE.format("colours"))),
            ("one NaN", saved(IMAGE, one_voxel(np.nan)), refused("1 voxel that is NaN or infinite")),
            ("one infinity", saved(IMAGE, one_voxel(np.inf)), refused("1 voxel that is NaN or infinite")),
            ("nothing but NaN", saved(IMAGE, lambda v: np.full(v.shape, np.nan)), refused("6,400 voxels that are NaN")),
            (
                "a number beyond 32 bits",
                saved(IMAGE, one_voxel(1e300, np.float64)),
                refused("1 voxel that is NaN or inf"),
            ),
            (
                "one value",
                saved(IMAGE, lambda v: np.full_like(v, 5)),
                refused("the t1 image is constant .5 everywhere"),
            ),
            ("zeros", saved(IMAGE, np.zeros_like), refused("the t1 image is constant .0 everywhere")),
            ("64-bit integers", saved(IMAGE, kind=wide), read("the same")),
            ("unsigned bytes", saved(IMAGE, lambda v: (v / v.max() * 255).astype(np.uint8)), read("the same, coarser")),
            ("64-bit floats", saved(IMAGE, lambda v: v.astype(np.float64)), read("the same")),
            (
                "denormal numbers",
                saved(IMAGE, lambda v: (v * np.float32(1e-42)).astype(np.float32)),
                read("they are scaled"),
            ),
            (
                "negative numbers",
                saved(IMAGE, lambda v: -v.astype(np.float32)),
                read("they are scaled by each sequence"),
            ),
            (
                "one voxel along each axis",
                every(all_files, lambda p: saved(p, lambda v: v[9:10, 9:10, 9:10])),
                Refused("constant"),
            ),
            (
                "a slice less",
                saved(IMAGE, lambda v: v[:, :, 1:]),
                refused(r"has the shape 20x20x16, but .*_t1.nii.gz has 20x20x15", "t2"),
            ),
        ],
    ),
    *kinds(
        "places",
        both("brats"),
        [
            ("a singular affine", of_all(sform_code=1, qform_code=0, srow_z=0), _NO_SIZE),
            ("an affine of zeros", of_all(sform_code=1, srow_x=0, srow_y=0, srow_z=0), _NO_SIZE),
            (
                "two axes that are one",
                of_all(sform_code=1, qform_code=0, srow_y=[[1, 0, 0, 0]], srow_x=[[1, 0, 0, 0]]),
                _NO_SIZE,
            ),
            ("NaN in the affine", _sform(np.nan), _NO_SIZE),
            ("infinity in the affine", _sform(np.inf), _NO_SIZE),
            ("voxels of 1e-30 mm", _placed(scaled(1e-30, 1e-30, 1e-30)), _EDGES),
            (
                "voxels of 1e30 mm",
                _placed(scaled(1e30, 1e30, 1e30)),
                _EDGES,
            ),
            (
                "a spacing of 0 without affine",
                of_all(sform_code=0, qform_code=0, pixdim=[[1, 0, 0, 0, 0, 0, 0, 0]]),
                refused("states voxels of 0 x 0 x 0 mm; expected positive edges"),
            ),
            (
                "a negative spacing without affine",
                of_all(sform_code=0, qform_code=0, pixdim=[[1, -2, -2, -3, 0, 0, 0, 0]]),
                refused("states voxels of -2 x -2 x -3 mm; expected positive edges"),
            ),
            (
                "a spacing of NaN without affine",
                of_all(sform_code=0, qform_code=0, pixdim=[[1, np.nan, 1, 1, 0, 0, 0, 0]]),
                refused("states voxels of nan x 1 x 1 mm; expected positive edges"),
            ),
            (
                "a spacing of 0 in a qform",
                of_all(sform_code=0, qform_code=1, pixdim=[[1, 0, 1, 1, 0, 0, 0, 0]]),
                refused("states voxels of 0 x 1 x 1 mm; expected positive edges"),
            ),
            (
                "quaternions longer than 1",
                of_all(sform_code=0, qform_code=1, quatern_b=2, quatern_c=2, quatern_d=2),
                refused("cannot be read"),
            ),
            (
                "quaternions of NaN",
                of_all(sform_code=0, qform_code=1, quatern_b=np.nan),
                refused("cannot be read|no size"),
            ),
            (
                "a qfac of 7",
                of_all(sform_code=0, qform_code=1, pixdim=[[7, 1, 1, 1, 0, 0, 0, 0]]),
                read("nibabel takes 1, and says so"),
            ),
            ("sform and qform apart", _codes(qform=np.diag([1.0, 1, 1, 1])), _APART),
            (
                "sform and qform of other spacings",
                _codes(sform=np.diag([1.0, 1, 1, 1]), qform=np.diag([2.0, 2, 3, 1])),
                _APART,
            ),
            ("sform and qform mirrored", _codes(sform=np.diag([1.0, 1, 1, 1]), qform=np.diag([-1.0, 1, 1, 1])), _APART),
            (
                "sform and qform 20 mm apart",
                _codes(sform=np.diag([1.0, 1, 1, 1]), qform=cell(0, 3, 20)(np.eye(4))),
                _APART,
            ),
            (
                "sform and qform a rounding apart",
                _codes(sform=np.eye(4), qform=cell(0, 3, 1e-4)(np.eye(4))),
                read("the sform", (1, 1, 1)),
            ),
            ("metres", of_all(xyzt_units=1), refused("states its lengths in meter; expected mm", "flair")),
            ("micrometres", of_all(xyzt_units=3), refused("states its lengths in micron; expected mm", "flair")),
            (
                "a unit that nobody knows",
                of_all(xyzt_units=7),
                refused("states its lengths in the unknown code 7", "flair"),
            ),
            ("no unit", of_all(xyzt_units=0), read("millimetres")),
            ("a mirrored axis", _placed(scaled(-1, 1, 1)), read("turned as it says")),
            ("an oblique cut", _placed(_turned), read("the nearest axes")),
            ("a shear", _placed(cell(0, 1, 0.4)), read("lengths of the edges, the nearest axes")),
            ("one file mirrored", saved(IMAGE, affine=scaled(-1, 1, 1)), _AWAY),
            ("one file shifted by 5 mm", saved(IMAGE, affine=cell(0, 3, 5)), _AWAY),
            ("one file of another spacing", saved(IMAGE, affine=scaled(2, 2, 2)), _AWAY),
            ("one file without a place", header(IMAGE, sform_code=0, qform_code=0), _AWAY),
        ],
    ),
]
