"""Abdomen around the kidneys: body wall, skeleton, vessels, and the organs in front of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.canvas import Canvas
from adpfl_bench.phantoms.volumes.contrast import AIR, FAT, MUSCLE, Phase
from adpfl_bench.phantoms.volumes.space import Volume

_WALL = 13.0
_SPINE_Y = -46.0
_ENDLESS = 1e4


@dataclass(frozen=True)
class Body:
    """Size of a patient's cross-section in mm. Zero lies between the kidneys' hila, 38 mm in front of the kidneys.

    Attributes:
        half_width: From the midline to the skin at the side.
        half_depth: From the middle to the skin in front, and nearly to that at the back.
        side_fat: Thickness of the fat under the skin at the side.
        front_fat: The same in front.
        back_fat: The same at the back.
    """

    half_width: float
    half_depth: float
    side_fat: float
    front_fat: float
    back_fat: float

    @property
    def cavity(self) -> tuple[float, float, float]:
        """Half width, half depth and the middle's y of the space that the abdominal wall encloses."""
        front, back = self.half_depth - self.front_fat - _WALL, -self.half_depth + self.back_fat + 18
        return self.half_width - self.side_fat - _WALL, (front - back) / 2, (front + back) / 2

    def wrapped_around(self, points: NDArray[np.floating]) -> Body:
        """Enlarge the body until all points, x and y in mm [N, 2], lie well inside the cavity."""
        body = self
        while body.half_width < 400:
            width, depth, middle = body.cavity
            if np.hypot(points[:, 0] / width, (points[:, 1] - middle) / depth).max() < 0.96:
                break
            body = replace(body, half_width=body.half_width * 1.03, half_depth=body.half_depth * 1.03)
        return body


def draw_body(generator: np.random.Generator) -> Body:
    """Draw the size of a patient."""
    width = float(np.clip(generator.normal(170, 11), 148, 192))
    fat = float(np.clip(generator.lognormal(np.log(15), 0.4), 7, 32))
    return Body(
        half_width=width,
        half_depth=width * float(generator.uniform(0.68, 0.76)),
        side_fat=fat,
        front_fat=fat * float(generator.uniform(0.8, 1.3)),
        back_fat=fat * float(generator.uniform(0.7, 1.1)),
    )


def paint_abdomen(generator: np.random.Generator, canvas: Canvas, body: Body, phase: Phase) -> Volume:
    """Paint everything but the kidneys on a canvas of fat.

    Returns:
        Distance in mm to the nearest of abdominal wall, spine and great vessels, positive where kidneys may lie.
    """
    _paint_bowel(generator, canvas, body, phase)
    _paint_organs(generator, canvas, body, phase)
    cavity = _paint_wall(canvas, body)
    spine = _paint_spine(generator, canvas, body)
    everywhere = canvas.box_around((0, 0, 0), (_ENDLESS,) * 3)
    vessels = []
    for x, radius, value in ((-11, generator.uniform(8, 11), phase.aorta), (15, generator.uniform(9, 12), phase.vein)):
        centre, radii = (x, _SPINE_Y + 30, 0.0), (radius, radius, _ENDLESS)
        vessels.append(canvas.distance(everywhere, centre, radii))
        canvas.paint(vessels[-1], value)
    return np.minimum(cavity, -np.maximum(spine, np.maximum(*vessels)))


def _paint_organs(generator: np.random.Generator, canvas: Canvas, body: Body, phase: Phase) -> None:
    width, depth, middle = body.cavity

    def paint(
        x: float,
        y: float,
        z: float,
        size: tuple[float, float, float],
        value: float,
        bumps: float = 0.0,
        texture: float = 0.0,
    ) -> None:
        """Paint an organ; x, y and the first two sizes in parts of the cavity, the rest in mm."""
        wobble = generator.normal(0, 0.035, 3)
        centre = ((x + wobble[0]) * width, middle + (y + wobble[1]) * depth, z + 150 * wobble[2])
        grow = generator.uniform(0.92, 1.08)
        radii = (size[0] * width * grow, size[1] * depth * grow, size[2] * grow)
        canvas.ellipsoid(centre, radii, value, bumps=bumps, texture=texture)

    for side in (-1, 1):  # recesses of the lungs behind liver and spleen
        paint(0.60 * side, -0.30, 258, (0.44, 0.62, 165), -860, bumps=2, texture=15)
    paint(-0.05, 0.40, 215, (0.45, 0.5, 75), 0.8 * phase.vein + 20)  # heart
    paint(0.02, 0.45, 88, (0.62, 0.42, 46), phase.liver, bumps=3, texture=4)
    paint(0.52, 0.05, 72, (0.52, 0.88, 84), phase.liver, bumps=5, texture=5)
    paint(0.40, 0.38, 22, (0.12, 0.20, 25), 12)  # gallbladder: a fluid that is no cyst
    paint(-0.74, -0.28, 68, (0.25, 0.44, 48), phase.spleen, bumps=2, texture=4)
    paint(-0.42, 0.38, 66, (0.36, 0.42, 48), phase.bowel, bumps=4)
    paint(-0.42, 0.38, 66, (0.31, 0.36, 43), 28, bumps=4, texture=8)
    paint(-0.42, 0.60, 70, (0.20, 0.15, 32), -900)
    paint(-0.10, 0.12, 20, (0.42, 0.13, 13), 0.5 * (phase.liver + phase.spleen), bumps=3)  # pancreas


def _paint_bowel(generator: np.random.Generator, canvas: Canvas, body: Body, phase: Phase) -> None:
    width, depth, middle = body.cavity
    loops = [(generator.uniform(-0.7, 0.7), generator.uniform(0.05, 0.72), z) for z in _heights(canvas, 6)]
    colon = [
        (side * generator.uniform(0.72, 0.82), generator.uniform(-0.2, 0.15), z)
        for side in (-1, 1)
        for z in _heights(canvas, 34)
    ]
    for x, y, z in (*loops, *colon):
        radius = float(generator.uniform(11, 19))
        stretch = generator.uniform(0.8, 1.7, 3)
        centre = (x * width, middle + y * depth, z)
        radii = (radius * stretch[0], radius * stretch[1], radius * stretch[2])
        inner = (radii[0] - 3, radii[1] - 3, radii[2] - 3)
        canvas.ellipsoid(centre, radii, phase.bowel, bumps=2)
        canvas.ellipsoid(centre, inner, float(generator.uniform(5, 50)), bumps=2, texture=8)
        if generator.random() < 0.35:  # gas rises to the front
            top = (centre[0], centre[1] + 0.45 * inner[1], z)
            canvas.ellipsoid(top, (0.7 * inner[0], 0.45 * inner[1], 0.7 * inner[2]), -880)


def _heights(canvas: Canvas, step: float) -> list[float]:
    """Heights of bowel loops, from the lower end of the image to above the kidneys' lower poles."""
    lowest = float(canvas.axes[2].min())
    return [float(z) for z in np.arange(min(lowest, -20), 28, step)]


def _paint_wall(canvas: Canvas, body: Body) -> Volume:
    """Paint muscles, ribs, fat, skin, the air outside and the table; return the distance to the cavity's border."""
    width, depth, middle = body.cavity
    x, y, z = canvas.axes
    everywhere = canvas.box_around((0, 0, 0), (_ENDLESS,) * 3)
    cavity = canvas.distance(everywhere, (0, middle, 0), (width, depth, _ENDLESS), bumps=1.5)
    canvas.paint(-cavity, MUSCLE + 8 * canvas.fine)
    canvas.paint(-cavity - _WALL - 3, FAT + 6 * canvas.fine)
    skin = canvas.distance(everywhere, (0, 0, 0), (body.half_width, body.half_depth, _ENDLESS), bumps=1.5)
    skin = np.minimum(skin, y + np.float32(0.9 * body.half_depth))  # lying on the back flattens it
    slope = z + 0.55 * y  # ribs fall towards the front
    ribs = np.minimum(4.5 - np.abs(cavity + 7), 5.5 - np.abs((slope % 27) - 13.5))
    canvas.paint(np.minimum(ribs, slope - 15), 330)
    canvas.paint(2 - np.abs(skin - 1), 20)
    canvas.paint(-skin, AIR)
    table = -0.9 * body.half_depth - 9 + np.square(x) / 1100
    canvas.paint(np.minimum(2.5 - np.abs(y - table), 230 - np.abs(x)), -250)
    return cavity


def _paint_spine(generator: np.random.Generator, canvas: Canvas, body: Body) -> Volume:
    """Paint vertebrae with the muscles beside them; return the distance to the vertebrae."""
    back = -0.9 * body.half_depth + body.back_fat
    _, _, z = canvas.axes
    everywhere = canvas.box_around((0, 0, 0), (_ENDLESS,) * 3)
    for side in (-1, 1):
        canvas.ellipsoid((37 * side, _SPINE_Y, -105), (17, 19, 125), MUSCLE, bumps=1, texture=6)
        canvas.ellipsoid((31 * side, back + 20, 0), (30, 21, _ENDLESS), MUSCLE, bumps=2, texture=12)
    offset = float(generator.uniform(0, 36))
    vertebrae = canvas.distance(everywhere, (0, _SPINE_Y, 0), (22, 17, _ENDLESS), bumps=0.5)
    along = 14 - np.abs(((z - offset) % 36) - 18)  # distance to the discs between the vertebrae
    canvas.paint(vertebrae, 85)
    canvas.paint(np.minimum(vertebrae, along), 480)
    canvas.paint(np.minimum(vertebrae - 3, along - 2.5), 190 + 35 * canvas.fine)
    arch_y = (_SPINE_Y - 23 + back) / 2
    arch = canvas.distance(everywhere, (0, arch_y, 0), (6, abs(arch_y - back) + 3, _ENDLESS))
    canvas.paint(np.minimum(arch, along + 3), 420)
    lamina = canvas.distance(everywhere, (0, _SPINE_Y - 24, 0), (15, 12, _ENDLESS))
    canvas.paint(np.minimum(lamina, along + 4), 430)
    canvas.ellipsoid((0, _SPINE_Y - 24, 0), (9.5, 8, _ENDLESS), 35)
    return vertebrae
