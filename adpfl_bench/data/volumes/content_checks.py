"""Checks of what an image's voxels and axes say, beyond whether they can be read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case_grid import Affine
from adpfl_bench.data.mask_checks import border_faces
from adpfl_bench.data.problems import Findings
from adpfl_bench.data.volumes.reader import Float32Array, VolumeHeader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.text import times

_AIR = -500.0  # HU; air has -1000, lung some -800, fat -100
_LEAST_AIR = 1e-4  # of the voxels
_STANDS_OUT = 0.5  # of the outer faces
_SKEW = 0.5  # degrees that two axes may be off a right angle
_FLAT_SLAB = 1 / 3  # of the longest side: a body is nowhere so thin that a volume of 1 mm would be so flat
_LONG_ENOUGH = 16  # voxels of a side, to compare how neighbours differ
_EVERY = 3  # a sample of lines along the two other axes
_COARSE = 1.75  # times that voxels differ more along one axis than along both others

_SCALE = "store Hounsfield units (RescaleIntercept is often -1024 and was not applied)"
_MASK = "set what lies outside of the organ to 0: 0 is what intensities are normalised without"
_HEADER = "find out the voxels' edges, and write them into the header of all files of the case"
_SHEAR = "resample it onto axes at right angles: lengths and resampling take them for such"


def check_channel(values: Float32Array, name: str, path: Path, release: VolumeRelease, found: Findings) -> None:
    """Warn of a CT without air, or of an MRI whose background is not 0.

    CT is taken for one without Hounsfield units if fewer than one in 10,000 voxels is below -500. The background of MRI
    is taken not to be 0 if another single value fills half of the volume's outer faces or, in a release that states
    that what lies outside is masked away, if less than half of them is 0.
    """
    if release.modality == "CT":
        air = np.count_nonzero(values < _AIR) / values.size
        if air < _LEAST_AIR:
            what = f"the {name} has no air: its lowest value is {values.min():g} and its middle {np.median(values):g}"
            found.warn("hounsfield units", path, f"{what}, but air has -1000 HU", _SCALE)
        return
    border = np.concatenate([face.ravel() for face in border_faces(values)])
    empty = float(np.mean(border == 0))
    if empty >= _STANDS_OUT:
        return
    known, counts = np.unique(border, return_counts=True)
    most = counts.argmax()
    if counts[most] >= _STANDS_OUT * border.size:
        share = counts[most] / border.size
        found.warn(
            "background", path, f"the {name} has {known[most]:g} in {share:.0%} of its outer voxels, not 0", _MASK
        )
    elif release.masked:
        found.warn("background", path, f"the {name} has 0 in only {empty:.0%} of its outer voxels", _MASK)


def signature(values: Float32Array) -> bytes:
    """Return what tells channels of a case apart: their sum, and a hash of every 13th voxel, which costs little."""
    sample = hashlib.blake2b(np.ascontiguousarray(values.ravel(order="K")[::13]).data, digest_size=16)
    sample.update(np.float64(values.sum(dtype=np.float64)).tobytes())
    return sample.digest()


def check_identical(channels: Sequence[tuple[str, bytes, Path]], found: Findings) -> None:
    """Warn of channels that have the same voxels.

    Args:
        channels: Name, :func:`signature` and file of each channel that could be read.
        found: Takes the warnings.
    """
    first: dict[bytes, str] = {}
    for name, seen, path in channels:
        other = first.setdefault(seen, name)
        if other != name:
            advice = f"find the {name} image, or leave the case out"
            found.warn("identical sequences", path, f"the {name} image is the {other} image once more", advice)


def check_axes(path: Path, header: VolumeHeader, found: Findings) -> None:
    """Warn of axes that do not meet at right angles."""
    axes = header.affine[:3, :3] / np.linalg.norm(header.affine[:3, :3], axis=0)
    angles = {(i, j): _angle(axes[:, i], axes[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))}
    (i, j), angle = max(angles.items(), key=lambda item: abs(item[1] - 90))
    if abs(angle - 90) > _SKEW:
        where = f"the axes {'xyz'[i]} and {'xyz'[j]} of the array meet at {angle:.1f} degrees"
        found.warn("sheared", path, f"has a sheared affine: {where}", _SHEAR)


def check_filled_in(values: Float32Array, path: Path, header: VolumeHeader, found: Findings) -> None:
    """Warn of an affine that nobody filled in, where voxels are plainly no cubes of 1 mm.

    That is one of unit axes, up to their signs, with the origin in the first voxel, as programs write that know no
    better. Voxels are no cubes if the shortest side of the volume has less than a third of the longest's voxels, or if
    neighbours differ along one axis 1.75 times as much as along each of the two others (of sides of 16 voxels or more).
    """
    if not _is_identity(header.affine):
        return
    sides = header.shape[:3]
    flat = min(sides) < _FLAT_SLAB * max(sides)
    steps = _steps(values)
    coarsest = int(np.argmax(steps))
    others = max(step for axis, step in enumerate(steps) if axis != coarsest)
    coarse = min(sides) >= _LONG_ENOUGH and steps[coarsest] > _COARSE * others
    if flat or coarse:
        why = f"the volume has {times(sides)} voxels"
        if coarse:
            ratio = steps[coarsest] / max(others, 1e-12)
            why += f", and neighbours along {'xyz'[coarsest]} differ {ratio:.1f} times as much as along the others"
        found.warn(
            "no header", path, f"states cubes of 1 mm from the origin, as files without a header do, but {why}", _HEADER
        )


def _is_identity(affine: Affine) -> bool:
    return bool(np.allclose(np.abs(affine[:3, :3]), np.eye(3), atol=1e-4) and np.allclose(affine[:3, 3], 0, atol=1e-4))


def _steps(values: Float32Array) -> list[float]:
    """Mean absolute difference of neighbours along each axis, of a sample of lines; 0 of a single voxel."""
    found = []
    for axis in range(3):
        lines = values[tuple(slice(None) if other == axis else slice(None, None, _EVERY) for other in range(3))]
        found.append(float(np.abs(np.diff(lines, axis=axis)).mean()) if lines.shape[axis] > 1 else 0.0)
    return found


def _angle(first: NDArray[Any], second: NDArray[Any]) -> float:
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))
