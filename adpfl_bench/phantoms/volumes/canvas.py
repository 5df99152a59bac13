"""Painting tissues into a volume, later ones over earlier ones, with edges as soft as the voxels are coarse."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.space import Space, Volume, depth_in_ellipsoid, smooth_field

Point = tuple[float, float, float]
Box = tuple[slice, slice, slice]


class Canvas:
    """A volume of intensities on which organs are painted.

    Args:
        space: The grid.
        generator: Where the irregularities come from.
        background: What there is before anything is painted.
        origin: Where the anatomy's zero lies in the grid, in mm; all centres are relative to it.
    """

    def __init__(
        self, space: Space, generator: np.random.Generator, background: float, origin: Point = (0.0, 0.0, 0.0)
    ) -> None:
        self.space = space
        self.origin = origin
        self.values = np.full(space.shape, background, dtype=np.float32)
        self.broad = smooth_field(generator, space, wavelength=130)
        self.fine = smooth_field(generator, space, wavelength=28)
        self.edge = float(np.prod(space.spacing) ** (1 / 3))

    @property
    def axes(self) -> tuple[Volume, Volume, Volume]:
        """Coordinates in mm relative to the origin, as three arrays that broadcast to the shape."""
        x, y, z = (axis - np.float32(zero) for axis, zero in zip(self.space.axes, self.origin, strict=True))
        return x, y, z

    def opacity(self, distance: Volume) -> Volume:
        """Share of each voxel that lies inside a surface, by the distance to it in mm, positive inside."""
        return np.asarray(np.clip(distance / self.edge + 0.5, 0, 1), dtype=np.float32)

    def paint(self, distance: Volume, value: float | Volume, box: Box | None = None) -> None:
        """Paint the inside of a surface.

        Args:
            distance: Distance to the surface in mm, positive inside; it broadcasts to the box.
            value: Intensity, one for all or one for each voxel.
            box: The part of the volume that ``distance`` is about; everything by default.
        """
        part = self.values[box] if box else self.values
        part += self.opacity(distance) * (value - part)

    def distance(
        self, box: Box, centre: Point, radii: Point, rotation: NDArray[np.float64] | None = None, bumps: float = 0.0
    ) -> Volume:
        """Measure how far the voxels of a box lie inside an ellipsoid, in mm and only about right.

        Its centre (from the origin) and half axes are in mm, and so is the standard deviation of the surface's
        ``bumps``.
        """
        shape = [part.stop - part.start for part in box]
        middle = [
            (part.start + part.stop - n) / 2 * edge
            for part, n, edge in zip(box, self.space.shape, self.space.spacing, strict=True)
        ]
        x, y, z = (c + zero - m for c, zero, m in zip(centre, self.origin, middle, strict=True))
        depth = depth_in_ellipsoid(
            Space((shape[0], shape[1], shape[2]), self.space.spacing), (x, y, z), radii, rotation
        )
        shortest, second, _ = sorted(radii)
        # The two bumpy fields differ from organ to organ because the organs lie in different places.
        rough = 0.7 * bumps * (self.broad[box] + self.fine[box]) if bumps else 0
        return np.asarray(depth * (shortest + second) / 2 + rough, dtype=np.float32)

    def box_around(self, centre: Point, reach: Point) -> Box:
        """Choose the voxels within a reach in mm, along every axis, of a point in mm from the origin."""
        sides = []
        for n, edge, zero, c, r in zip(self.space.shape, self.space.spacing, self.origin, centre, reach, strict=True):
            place = (c + zero) / edge + (n - 1) / 2
            start = int(np.clip(np.floor(place - r / edge), 0, n - 1))
            sides.append(slice(start, int(np.clip(np.ceil(place + r / edge) + 1, start + 1, n))))
        return sides[0], sides[1], sides[2]

    def ellipsoid(
        self,
        centre: Point,
        radii: Point,
        value: float,
        rotation: NDArray[np.float64] | None = None,
        bumps: float = 0.0,
        texture: float = 0.0,
    ) -> None:
        """Paint an ellipsoid, see :meth:`distance`; ``texture`` is the standard deviation of the intensity inside."""
        margin = 3 * bumps + 2 * max(self.space.spacing)
        reach = radii if rotation is None else (max(radii),) * 3
        box = self.box_around(centre, (reach[0] + margin, reach[1] + margin, reach[2] + margin))
        filling = value + texture * self.fine[box] if texture else value
        self.paint(self.distance(box, centre, radii, rotation, bumps), filling, box)
