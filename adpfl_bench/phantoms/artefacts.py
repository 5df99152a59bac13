"""Artefacts between the lesion and the camera: hair, rulers, ink, air bubbles and glare.

Each function draws one kind of artefact as an opacity per pixel in [0, 1]. Lengths are in image heights, so that
artefacts keep their proportion at every image size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from adpfl_bench.phantoms.random_fields import Field, random_field, soft_step

_FINER = 3
"""Strokes are drawn this many times finer and averaged down."""

Points = NDArray[np.float64]
"""A polyline, shape (points, 2), as x and y in image heights."""


def _strokes(size: tuple[int, int], lines: Iterable[tuple[Points, float]]) -> Field:
    """Rasterise polylines with their widths, antialiased."""
    height, width = size
    canvas = Image.new("L", (width * _FINER, height * _FINER))
    pen = ImageDraw.Draw(canvas)
    scale = height * _FINER
    for points, thickness in lines:
        pen.line([tuple(point) for point in points * scale], fill=255, width=max(1, round(thickness * scale)))
    return np.asarray(canvas.reduce(_FINER), dtype=np.float32) / np.float32(255)


def _bezier(corners: Points, count: int = 24) -> Points:
    """Sample a cubic Bezier curve given by four corners."""
    t = np.linspace(0, 1, count)[:, None]
    a, b, c, d = corners
    return np.asarray((1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d)


def hairs(generator: np.random.Generator, size: tuple[int, int], count: int, shaved: bool = False) -> Field:
    """Draw hairs: long curved ones that share a direction, or the short stubs of shaved skin."""
    aspect = size[1] / size[0]
    growth = generator.uniform(0, math.pi)
    lines = []
    for _ in range(count):
        middle = generator.uniform((0, 0), (aspect, 1))
        direction = growth + generator.normal(0, 0.15 if shaved else 0.4)
        length = generator.uniform(0.03, 0.08) if shaved else generator.uniform(0.3, 1.3)
        along = np.array((math.cos(direction), math.sin(direction)))
        across = np.array((-along[1], along[0]))
        bow = generator.normal(0, 0.18, size=2) * length
        corners = np.stack(
            [
                middle - along * length / 2,
                middle - along * length / 6 + across * bow[0],
                middle + along * length / 6 + across * bow[1],
                middle + along * length / 2,
            ]
        )
        lines.append((_bezier(corners), generator.uniform(0.0025, 0.007)))
    return _strokes(size, lines)


def printed_scale(generator: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw the thin millimetre scale that is printed on a contact plate, with its label."""
    aspect = size[1] / size[0]
    length = min(generator.uniform(0.35, 0.5), 0.7 * aspect)
    tilt = 0.0 if generator.random() < 0.6 else generator.uniform(-math.pi / 4, math.pi / 4)
    start = np.array((generator.uniform(0.1, 0.9) * (aspect - length), generator.uniform(0.78, 0.9)))
    along = np.array((math.cos(tilt), math.sin(tilt)))
    up = np.array((along[1], -along[0]))
    lines = [(np.stack([start, start + along * length]), 0.006)]
    for tick in range(16):
        foot = start + along * length * tick / 15
        lines.append((np.stack([foot, foot + up * (0.035 if tick % 5 == 0 else 0.02)]), 0.005))
    for letter in range(2):
        corner = start + along * 0.04 * letter - up * 0.05
        shape = [(0.0, 0.0), (0.0, 0.03), (0.014, 0.012), (0.028, 0.03), (0.028, 0.0)]
        lines.append((np.stack([corner + along * right + up * rise for right, rise in shape]), 0.005))
    return _strokes(size, lines)


def ruler(generator: np.random.Generator, size: tuple[int, int]) -> tuple[Field, Field]:
    """Draw a paper ruler along the left or right edge: the opacity of the paper and of its black ticks."""
    aspect = size[1] / size[0]
    x, y = image_grid(size)
    tilt = generator.uniform(-0.15, 0.15)
    breadth = np.float32(generator.uniform(0.1, 0.2))
    left = x + np.float32(tilt) * y + np.float32(aspect / 2)
    inward = left if generator.random() < 0.5 else np.float32(aspect) - left
    paper = soft_step(breadth - inward, 0.0, 0.01)
    spacing = generator.uniform(0.06, 0.1)
    phase = np.asarray((y / spacing + generator.uniform(0, 1)) % 1, dtype=np.float32)
    ticks = (
        paper
        * soft_step(0.14 - np.abs(phase - 0.5), 0.0, 0.06)
        * soft_step(np.float32(0.8) * breadth - inward, 0.0, 0.01)
    )
    return paper, ticks.astype(np.float32)


def ink(generator: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw the worn marks of a surgical pen beside the lesion."""
    aspect = size[1] / size[0]
    side = generator.choice((-1, 1), size=2)
    start = np.array((aspect / 2, 0.5)) + side * generator.uniform((0.3 * aspect, 0.1), (0.48 * aspect, 0.45))
    turn = generator.uniform(0, math.pi)
    reach = generator.uniform(0.15, 0.35)
    end = start + reach * np.array((math.cos(turn), math.sin(turn)))
    stroke = _strokes(size, [(np.stack([start, end]), generator.uniform(0.02, 0.05))])
    worn = random_field(generator, size, max(0.02 * size[0], 1.5), 2.0)
    return np.asarray(0.75 * stroke * soft_step(worn, 0.5, 1.0), dtype=np.float32)


def bubbles(generator: np.random.Generator, size: tuple[int, int], count: int) -> tuple[Field, Field]:
    """Draw air bubbles in the immersion fluid: the opacity of their bright rims and of their dark ones."""
    x, y = image_grid(size)
    aspect = size[1] / size[0]
    bright, dark = np.zeros(size, np.float32), np.zeros(size, np.float32)
    cluster = generator.uniform((-aspect / 2, -0.5), (aspect / 2, 0.5))
    for _ in range(count):
        centre = cluster + generator.normal(0, 0.2, size=2)
        radius = float(np.clip(generator.gamma(2.0, 0.006), 0.005, 0.045))
        rim = 0.2 * radius + 0.003
        across, down = x - centre[0], y - centre[1]
        distance = np.hypot(across, down)
        ring = np.exp(-(((distance - radius) / rim) ** 2))
        bright = np.maximum(bright, 0.55 * ring * (0.6 - 0.4 * (across + down) / (distance + radius)))
        dark = np.maximum(dark, 0.35 * np.exp(-(((distance - radius - 1.5 * rim) / rim) ** 2)))
    return bright.astype(np.float32), dark.astype(np.float32)


def glare(generator: np.random.Generator, size: tuple[int, int]) -> Field:
    """Draw reflections on gel and on wet skin: fine white streaks in a few places."""
    places = random_field(generator, size, 0.22 * size[0], 4.0)
    turn = generator.uniform(0, math.pi)
    streaks = random_field(generator, size, max(0.025 * size[0], 1.5), 2.5, stretch=2.5, angle=turn)
    return np.asarray(0.5 * soft_step(places, 1.2, 0.8) * soft_step(streaks, 1.5, 1.2), dtype=np.float32)


def image_grid(size: tuple[int, int]) -> tuple[Field, Field]:
    """Coordinates x and y of the pixel centres in image heights, with the origin in the middle of the image."""
    height, width = size
    y = (np.arange(height, dtype=np.float32) + 0.5) / height - 0.5
    x = ((np.arange(width, dtype=np.float32) + 0.5) - width / 2) / height
    grid = np.meshgrid(x, y)
    return grid[0].astype(np.float32), grid[1].astype(np.float32)
