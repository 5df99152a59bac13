"""Two kidneys with a tumour and cysts: where they lie, and how they look in CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.canvas import Canvas, Point
from adpfl_bench.phantoms.volumes.contrast import FAT, Phase
from adpfl_bench.phantoms.volumes.space import Mask, Volume

KIDNEY, TUMOUR, CYST = 1, 2, 3
"""Values of the label map."""


@dataclass(frozen=True)
class KidneyMap:
    """Map of kidneys, tumours and cysts.

    Attributes:
        label: Label map, uint8 [X, Y, Z].
        shares: Share of each voxel that is kidney, tumour and cyst, [3, X, Y, Z]; edges are soft.
    """

    label: NDArray[np.uint8]
    shares: NDArray[np.float32]


@dataclass(frozen=True)
class _Kidney:
    """One kidney: its centre in mm, its axes (to the hilum, across, to the upper pole) and half their lengths."""

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    radii: Point

    def at(self, along: NDArray[np.float64]) -> Point:
        """Place a point that is given in units of the half axes."""
        x, y, z = self.centre + self.axes @ (along * self.radii)
        return float(x), float(y), float(z)


def draw_kidneys(generator: np.random.Generator, canvas: Canvas, room: Volume) -> KidneyMap:
    """Draw two kidneys, one tumour, and in half of the patients one to three cysts.

    ``room`` is a distance in mm, positive where kidneys may lie. Every label map has kidney and tumour, if need be in a
    single voxel, however coarse the grid is.
    """
    kidneys = [_draw_kidney(generator, side) for side in (-1, 1)]
    kidney = np.full(canvas.space.shape, -1e3, dtype=np.float32)
    for one in kidneys:
        box = canvas.box_around(one.at(np.zeros(3)), (max(one.radii) + 15,) * 3)
        bean = canvas.distance(box, one.at(np.zeros(3)), one.radii, one.axes, bumps=1.2)
        sinus = canvas.distance(box, one.at(np.array([0.85, 0, 0])), (21, 9, 27), one.axes, bumps=1.0)
        kidney[box] = np.maximum(kidney[box], np.minimum(bean, -sinus))
    kidney = np.minimum(kidney, room)

    tumour = _draw_tumour(generator, canvas, kidneys[int(generator.integers(2))], room)
    cysts = np.full(canvas.space.shape, -1e3, dtype=np.float32)
    if generator.random() < 0.5:
        for _ in range(int(generator.integers(1, 4))):
            radius = float(np.clip(generator.lognormal(np.log(11), 0.35), 6, 22))
            cyst = _draw_mass(generator, canvas, kidneys[int(generator.integers(2))], (radius,) * 3, 0.0)
            kept = np.minimum(np.minimum(cyst, room), -tumour - 2)
            if np.count_nonzero(kept > 0) > 0.7 * np.count_nonzero(cyst > 0):  # no slivers beside a tumour
                cysts = np.maximum(cysts, kept)

    solid = _at_least_one_voxel(tumour)
    label = np.where(kidney > 0, KIDNEY, 0).astype(np.uint8)
    label[cysts > 0] = CYST
    label[solid] = TUMOUR
    shares = np.stack([canvas.opacity(kidney), np.maximum(canvas.opacity(tumour), solid), canvas.opacity(cysts)])
    shares[2] *= 1 - shares[1]
    shares[0] *= 1 - shares[1] - shares[2]
    return KidneyMap(label, shares)


def _draw_kidney(generator: np.random.Generator, side: int) -> _Kidney:
    """Draw the kidney on the left (-1) or the right (1) of the patient."""
    lean, tip, turn = np.radians(generator.normal((13, 10, 30), (4, 4, 8)))
    pole = np.array([-side * np.sin(lean), -np.sin(tip), np.cos(lean)])
    pole /= np.linalg.norm(pole)
    hilum = np.array([-side * np.cos(turn), np.sin(turn), 0.0])
    hilum -= pole * (hilum @ pole)
    hilum /= np.linalg.norm(hilum)
    size = float(generator.normal(1, 0.08))
    return _Kidney(
        # The liver pushes the right kidney down.
        centre=np.array([side * 64.0, -38.0, -6.0 * side]) + generator.normal(0, (5, 5, 9)),
        axes=np.stack([hilum, np.cross(pole, hilum), pole], axis=1),
        radii=(29 * size, 24 * size, 54 * size * float(generator.normal(1, 0.05))),
    )


def _draw_tumour(generator: np.random.Generator, canvas: Canvas, kidney: _Kidney, room: Volume) -> Volume:
    diameter = float(np.clip(generator.lognormal(np.log(42), 0.42), 20, 80))
    x, y, z = diameter / 2 * generator.uniform(0.9, 1.1, 3)
    tumour = _draw_mass(generator, canvas, kidney, (x, y, z), bumps=0.05 * diameter)
    return np.minimum(tumour, room)


def _draw_mass(generator: np.random.Generator, canvas: Canvas, kidney: _Kidney, radii: Point, bumps: float) -> Volume:
    """Place a mass somewhere on the surface of a kidney, away from its hilum and from the muscles behind it."""
    direction = generator.normal(size=3)
    direction[0] = -abs(direction[0])
    if generator.random() < 0.75:  # the second axis points to the back on one side and to the front on the other
        direction[1] = np.copysign(direction[1], kidney.axes[1, 1])
    direction /= np.linalg.norm(direction)
    # From mostly inside the kidney to mostly outside of it.
    outwards = generator.uniform(-0.45, 0.45) * min(radii) / np.linalg.norm(direction * kidney.radii)
    centre = kidney.at(direction * (0.9 + outwards))
    box = canvas.box_around(centre, (max(radii) + 3 * bumps + 10,) * 3)
    distance = np.full(canvas.space.shape, -1e3, dtype=np.float32)
    distance[box] = canvas.distance(box, centre, radii, bumps=bumps)
    return distance


def _at_least_one_voxel(distance: Volume) -> Mask:
    mask = distance > 0
    if not mask.any():
        mask.flat[int(distance.argmax())] = True
    return np.asarray(mask)


def paint_kidneys(
    generator: np.random.Generator, canvas: Canvas, kidneys: KidneyMap, phase: Phase, room: Volume
) -> None:
    """Paint kidneys and masses over everything else, in a capsule of fat that also fills the sinus.

    ``room`` is a distance in mm, positive where the capsule may lie.
    """
    found = scipy.ndimage.find_objects((kidneys.label > 0).astype(np.int8))
    if not found:
        return
    margin = [int(np.ceil(22 / edge)) for edge in canvas.space.spacing]
    x, y, z = (
        slice(max(0, part.start - m), min(n, part.stop + m))
        for part, m, n in zip(found[0], margin, canvas.space.shape, strict=True)
    )
    box = (x, y, z)
    label, spacing, fine = kidneys.label[box], canvas.space.spacing, canvas.fine[box]

    def depth(mask: Mask) -> Volume:
        """Distance in mm to the outside of a mask."""
        if mask.all():  # there is no outside to measure to
            return np.full(mask.shape, 1e3, dtype=np.float32)
        return np.asarray(scipy.ndimage.distance_transform_edt(mask, sampling=spacing), dtype=np.float32)

    # Growing by 13 mm and shrinking by 8 closes the sinus, which the label map leaves open.
    capsule = np.minimum(depth(depth(label == 0) < 13) - 8, room[box])
    canvas.paint(capsule, FAT + 8 * fine, box)

    cortex = depth(label > 0)
    pyramids = np.clip((cortex - 7 + 3 * fine) / 3 + 0.5, 0, 1)
    kidney = phase.cortex + (phase.medulla - phase.cortex) * pyramids
    solid = float(generator.uniform(*phase.tumour))
    tumour = solid + 0.16 * solid * fine + generator.normal(0, 0.05 * solid) * canvas.broad[box]
    inside = depth(label == TUMOUR)
    if generator.random() < 0.65:  # a core without blood supply, in large tumours
        core = np.clip((inside - max(7.0, 0.45 * float(inside.max())) + 4 * fine) / 4 + 0.5, 0, 1)
        tumour += (float(generator.uniform(15, 35)) - tumour) * core
    cyst = np.full(label.shape, generator.uniform(2, 16), dtype=np.float32)
    shares = kidneys.shares[(slice(None), *box)]
    part = canvas.values[box]
    part *= 1 - shares.sum(axis=0)
    part += (shares * np.stack([kidney, tumour, cyst])).sum(axis=0)
