"""Random fields from which skin and lesions get their texture."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""A map of one quantity over the image, shape (height, width)."""


def random_field(
    generator: np.random.Generator,
    shape: tuple[int, int],
    wavelength: float,
    falloff: float = 4.0,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> Field:
    """Draw a stationary, periodic random field with mean 0 and standard deviation 1.

    White noise is filtered with the amplitude spectrum ``(1 + (wavelength * f)^2)^(-falloff / 2)``: flat for structures
    larger than the wavelength, then falling as a power of the frequency.

    Args:
        generator: Where the noise comes from.
        shape: Height and width in pixels.
        wavelength: Size of the typical structure in pixels.
        falloff: How smooth the field is: 1.5 is rough, 5 is a landscape of round blobs.
        stretch: How much longer structures are along ``angle`` than across it.
        angle: Direction of the long axis, in radians from the horizontal.
    """
    down = scipy.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    across = scipy.fft.rfftfreq(shape[1]).astype(np.float32)[None, :]
    along_axis = (across * math.cos(angle) + down * math.sin(angle)) * stretch
    across_axis = down * math.cos(angle) - across * math.sin(angle)
    amplitude = (1 + wavelength**2 * (along_axis**2 + across_axis**2)) ** (-falloff / 2)
    amplitude[0, 0] = 0
    spectrum = scipy.fft.rfft2(generator.standard_normal(shape, dtype=np.float32)) * amplitude
    field = scipy.fft.irfft2(spectrum, s=shape)
    return np.asarray(field / max(float(field.std()), 1e-12), dtype=np.float32)


class NoiseTile:
    """A periodic random field that can be looked up anywhere.

    A lesion carries its texture in such tiles, in its own coordinates, so that a second photograph of it, closer or
    from another side, shows the same structures.
    """

    PIXELS = 128
    """Side length in pixels."""
    PERIOD = 4.0
    """Side length in lesion radii."""

    def __init__(self, generator: np.random.Generator, wavelength: float, falloff: float = 4.0) -> None:
        """Draw the tile; ``wavelength`` is in lesion radii, ``falloff`` as in :func:`random_field`."""
        pixels = (self.PIXELS, self.PIXELS)
        self._values = random_field(generator, pixels, wavelength * self.PIXELS / self.PERIOD, falloff)

    def at(self, u: Field, v: Field) -> Field:
        """Look the field up at lesion coordinates."""
        scale = self.PIXELS / self.PERIOD
        return scipy.ndimage.map_coordinates(
            self._values, np.stack((v * scale, u * scale)), order=1, mode="grid-wrap", output=np.float32
        )


class CellTile:
    """A periodic mosaic of irregular cells (Worley noise): the honeycomb of a pigment network, the dots of globules."""

    CELLS = 32

    def __init__(self, generator: np.random.Generator, cell: float) -> None:
        """Scatter one seed point per cell, whose size is in lesion radii."""
        self._cell = cell
        self._jitter = generator.uniform(0.1, 0.9, size=(2, self.CELLS, self.CELLS)).astype(np.float32)

    def distances(self, u: Field, v: Field) -> tuple[Field, Field]:
        """Find the distances to the nearest and to the second nearest seed point, in cells."""
        x, y = u / self._cell, v / self._cell
        column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        nearest = np.full(x.shape, np.inf, dtype=np.float32)
        second = nearest.copy()
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                index = ((row + down) % self.CELLS, (column + right) % self.CELLS)
                squared = (column + right + self._jitter[0][index] - x) ** 2
                squared += (row + down + self._jitter[1][index] - y) ** 2
                second = np.minimum(second, np.maximum(nearest, squared))
                nearest = np.minimum(nearest, squared)
        return np.sqrt(nearest).astype(np.float32), np.sqrt(second).astype(np.float32)


def soft_step(field: Field, threshold: float | Field, width: float) -> Field:
    """Rise smoothly from 0 to 1 around a threshold; ``width`` is the distance between 12 % and 88 %."""
    return np.asarray(0.5 + 0.5 * np.tanh((field - threshold) * (2 / max(width, 1e-6))), dtype=np.float32)
