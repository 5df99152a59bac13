"""Anatomy in millimetres: a grid of voxels, smooth random fields on it, and organs as deformed ellipsoids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Volume = NDArray[np.float32]
"""One quantity at every voxel, [X, Y, Z] in RAS+ order: x to the right, y to the front, z to the head."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Space:
    """A grid of voxels around the origin, in RAS+ order.

    Attributes:
        shape: Number of voxels along x, y and z.
        spacing: Voxel edge lengths in mm.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def axes(self) -> tuple[Volume, Volume, Volume]:
        """Coordinates of the voxel centres in mm, as three arrays that broadcast to the shape; 0 is the middle."""
        x, y, z = (
            (np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(edge)
            for n, edge in zip(self.shape, self.spacing, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel indices to mm, RAS+."""
        matrix = np.diag([*self.spacing, 1.0])
        matrix[:3, 3] = [-(n - 1) / 2 * edge for n, edge in zip(self.shape, self.spacing, strict=True)]
        return matrix


def smooth_field(generator: np.random.Generator, space: Space, wavelength: float) -> Volume:
    """Draw a smooth random field with mean 0 and standard deviation 1.

    White noise on a coarse grid of half the wavelength, which is the size in mm of the typical structure, is
    interpolated by cubic splines.
    """
    extent = [n * edge for n, edge in zip(space.shape, space.spacing, strict=True)]
    nodes = [max(4, round(2 * length / wavelength) + 3) for length in extent]
    field = generator.standard_normal(nodes, dtype=np.float32)
    for axis, (n, m) in enumerate(zip(space.shape, nodes, strict=True)):
        # Splines of a product grid are products of splines: one axis at a time is many times faster than all at once.
        weights = scipy.ndimage.zoom(np.eye(m, dtype=np.float32), (n / m, 1), order=3, mode="nearest", grid_mode=True)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), dtype=np.float32)


def depth_in_ellipsoid(
    space: Space,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    rotation: NDArray[np.float64] | None = None,
) -> Volume:
    """Measure how deep each voxel lies in an ellipsoid: 1 at its centre, 0 on its surface, negative outside.

    Centre and half axes are in mm, the latter along x, y and z before the rotation. Add a multiple of a
    :func:`smooth_field` before cutting at 0, and the surface is bumpy.
    """
    offsets = [axis - np.float32(middle) for axis, middle in zip(space.axes, centre, strict=True)]
    turn = np.eye(3) if rotation is None else rotation
    squared = np.zeros(space.shape, dtype=np.float32)
    for column, radius in zip(turn.T, radii, strict=True):
        along = sum(np.float32(weight) * offset for weight, offset in zip(column, offsets, strict=True))
        squared += np.square(along / np.float32(radius))
    return np.asarray(1 - np.sqrt(squared), dtype=np.float32)


def blur(volume: Volume, space: Space, width: tuple[float, float, float]) -> Volume:
    """Blur by a Gaussian of standard deviations in mm along each axis, as a scanner's point spread does."""
    sigma = [w / edge for w, edge in zip(width, space.spacing, strict=True)]
    return np.asarray(scipy.ndimage.gaussian_filter(volume, sigma), dtype=np.float32)


def save_nifti(array: NDArray[np.generic], affine: NDArray[np.float64], path: Path) -> None:
    """Write a ``.nii.gz`` file with the voxels in their own type; equal arrays give equal bytes on every run."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
