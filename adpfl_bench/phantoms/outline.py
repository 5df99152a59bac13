"""The border of a lesion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.random_fields import Field, NoiseTile

_HARMONICS = np.arange(1, 9, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Outline:
    """An irregular closed curve around the origin.

    Attributes:
        elongation: Ratio of the long to the short axis.
        amplitudes: Cosine coefficients of the log radius over the angle, harmonics 1 to 8.
        phases: Their phases in radians.
        warp: Two tiles that shift the border by a little, for notches and fringes.
        fringe: How far, in lesion radii.
    """

    elongation: float
    amplitudes: NDArray[np.float32]
    phases: NDArray[np.float32]
    warp: tuple[NoiseTile, NoiseTile]
    fringe: float

    def depth(self, u: Field, v: Field) -> Field:
        """How deep inside a point lies: 1 at the centre, 0 on the border, negative outside, about in radii."""
        squeeze = math.sqrt(self.elongation)
        u, v = u + self.fringe * self.warp[0].at(u, v), v + self.fringe * self.warp[1].at(u, v)
        u, v = u / squeeze, v * squeeze
        return np.asarray(1 - np.hypot(u, v) / self.radius(np.arctan2(v, u)), dtype=np.float32)

    def radius(self, angle: Field) -> Field:
        """Radius of the curve before it is stretched and warped, at angles in radians."""
        logarithm = np.zeros_like(angle)
        for harmonic, amplitude, phase in zip(_HARMONICS, self.amplitudes, self.phases, strict=True):
            logarithm += amplitude * np.cos(harmonic * angle + phase)
        return np.asarray(np.exp(logarithm), dtype=np.float32)

    @property
    def area(self) -> float:
        """Enclosed area in squared radii."""
        angle = np.linspace(-math.pi, math.pi, 256, endpoint=False, dtype=np.float32)
        return float(math.pi * np.mean(self.radius(angle) ** 2))

    @property
    def reach(self) -> float:
        """Largest distance of the border from the origin, in radii."""
        angle = np.linspace(-math.pi, math.pi, 256, endpoint=False, dtype=np.float32)
        return float(self.radius(angle).max()) * math.sqrt(self.elongation)


def draw_outline(generator: np.random.Generator, irregularity: float, elongation: float) -> Outline:
    """Draw an outline.

    Args:
        generator: Where every choice comes from.
        irregularity: Relative amplitude of its bumps; finer ones are smaller.
        elongation: Ratio of the long to the short axis.
    """
    return Outline(
        elongation=elongation,
        amplitudes=(irregularity * generator.standard_normal(8) / _HARMONICS**1.35).astype(np.float32),
        phases=generator.uniform(-math.pi, math.pi, 8).astype(np.float32),
        warp=(NoiseTile(generator, 0.45, 3.0), NoiseTile(generator, 0.45, 3.0)),
        fringe=irregularity * generator.uniform(0.25, 0.6),
    )
