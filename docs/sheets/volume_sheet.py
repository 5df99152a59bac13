"""A picture of a cohort of volumes: axial and coronal slices with the outlines of their labels, a line per site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from adpfl_bench.errors import DataError

Colour = tuple[int, int, int]
Window = tuple[float, float]

KIDNEY_COLOURS: Mapping[int, tuple[str, Colour]] = {
    1: ("kidney", (80, 190, 255)),
    2: ("tumour", (255, 80, 60)),
    3: ("cyst", (90, 255, 110)),
}
BRAIN_COLOURS: Mapping[int, tuple[str, Colour]] = {
    2: ("SNFH", (90, 255, 110)),
    3: ("ET", (255, 220, 60)),
    1: ("NETC", (255, 80, 60)),
    4: ("RC", (80, 190, 255)),
}
SOFT_TISSUE: Window = (-160.0, 240.0)
"""Lowest and highest HU of the usual display of an abdomen."""
_CROSS = scipy.ndimage.generate_binary_structure(2, 1)
_GAP = 3
_TEXT = 15


@dataclass(frozen=True)
class SheetRow:
    """One case on the sheet.

    Attributes:
        title: What its line is called, usually the site; neighbours of equal title share a line.
        channels: Volumes [X, Y, Z] in RAS+ order, each drawn as a tile of its own.
        label: Integer label map [X, Y, Z].
        spacing: Voxel edge lengths in mm along x, y and z.
    """

    title: str
    channels: Sequence[NDArray[Any]]
    label: NDArray[Any]
    spacing: tuple[float, float, float]


def draw_volume_sheet(
    rows: Sequence[SheetRow],
    colours: Mapping[int, tuple[str, Colour]],
    output: Path,
    window: Window | None = None,
    focus: Sequence[int] = (),
    tile: int = 200,
    greys: int = 48,
) -> None:
    """Draw slices of volumes and save them as PNG.

    Each case shows an axial slice of every channel and a coronal one of the last channel, seen as radiologists do:
    the patient's right is on the left. All tiles have the same scale, equal along both axes.

    Args:
        rows: The cases.
        colours: Name and colour of each value of the label maps; those that occur make the legend. Where two labels
            touch, the line between them has the colour of the later one.
        output: PNG file to write.
        window: Lowest and highest value shown, as for CT; ``None`` takes the 1st and 99.5th percentile of the
            non-zero voxels of each channel, as for MRI.
        focus: Label values whose largest cross-section chooses the slices; by default all.
        tile: Height or width, whichever is longer, of the largest axial tile in pixels.
        greys: Number of grey levels; fewer make a smaller file.

    Raises:
        DataError: There are no rows.
    """
    if not rows:
        raise DataError(f"There is no case to draw, so {output} was not written; give at least one.")
    extents = [[n * edge for n, edge in zip(row.label.shape, row.spacing, strict=True)] for row in rows]
    scale = tile / max(max(x, y) for x, y, _ in extents)
    lines = [
        (title, [picture for row in members for picture in _draw_case(row, colours, window, focus, scale)])
        for title, members in groupby(rows, key=lambda row: row.title)
    ]
    seen = set().union(*(np.unique(row.label).tolist() for row in rows))
    sheet = _assemble(lines, {value: entry for value, entry in colours.items() if value in seen})
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(palette=_palette(colours, greys), dither=Image.Dither.NONE).save(output, optimize=True)


def _draw_case(
    row: SheetRow,
    colours: Mapping[int, tuple[str, Colour]],
    window: Window | None,
    focus: Sequence[int],
    scale: float,
) -> list[Image.Image]:
    shown = np.isin(row.label, focus) if focus else row.label > 0
    shown = shown if shown.any() else row.label > 0
    slice_y, slice_z = (int(shown.sum(axis=others).argmax()) for others in ((0, 2), (0, 1)))
    dx, dy, dz = row.spacing
    pictures = []
    for channel in row.channels:
        axial = (channel[:, :, slice_z], row.label[:, :, slice_z])
        pictures.append(_draw_slice(*axial, colours, window or _percentiles(channel), (dx * scale, dy * scale)))
    coronal = (row.channels[-1][:, slice_y], row.label[:, slice_y])
    window = window or _percentiles(row.channels[-1])
    return [*pictures, _draw_slice(*coronal, colours, window, (dx * scale, dz * scale))]


def _percentiles(channel: NDArray[Any]) -> Window:
    inside = channel[channel != 0]
    low, high = np.percentile(inside, (1, 99.5)) if inside.size else (0, 1)
    return float(low), float(high)


def _draw_slice(
    values: NDArray[Any],
    label: NDArray[Any],
    colours: Mapping[int, tuple[str, Colour]],
    window: Window,
    pixels: tuple[float, float],
) -> Image.Image:
    """Draw a slice [across, up] without the black above and below; ``pixels`` per voxel along both axes."""
    size = (max(1, round(values.shape[0] * pixels[0])), max(1, round(values.shape[1] * pixels[1])))
    low, high = window
    grey = np.clip((values.astype(np.float32) - low) / max(high - low, 1e-6), 0, 1)
    picture = np.repeat((_resize(grey, size) * 255).astype(np.uint8)[..., None], 3, axis=-1)
    # Interpolated before they are compared, the labels of a coarse map have outlines as smooth as the picture.
    shares = [_resize((label == value).astype(np.float32), size) for value in colours]
    rank = np.argmax([1 - np.sum(shares, axis=0), *shares], axis=0)
    edge = rank > scipy.ndimage.minimum_filter(rank, footprint=_CROSS)
    for place, (_, colour) in enumerate(colours.values(), start=1):
        picture[edge & (rank == place)] = colour
    filled = np.flatnonzero(picture.any(axis=(1, 2)))
    return Image.fromarray(picture[filled[0] : filled[-1] + 1] if filled.size else picture)


def _resize(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Turn a slice [across, up] into rows and columns of a picture, the patient's right on the left."""
    picture = Image.fromarray(np.ascontiguousarray(values[::-1, ::-1].T))
    return np.clip(np.asarray(picture.resize(size, Image.Resampling.BILINEAR), dtype=np.float32), 0, 1)


def _assemble(
    lines: Sequence[tuple[str, Sequence[Image.Image]]], legend: Mapping[int, tuple[str, Colour]]
) -> Image.Image:
    columns = max(len(pictures) for _, pictures in lines)
    widths = [max([p[column].width for _, p in lines if column < len(p)]) for column in range(columns)]
    heights = [max(picture.height for picture in pictures) for _, pictures in lines]
    bottom = sum(heights) + len(heights) * _GAP
    sheet = Image.new("RGB", (sum(widths) + (columns - 1) * _GAP, bottom + _TEXT + 6), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    top = 0
    for (title, pictures), height in zip(lines, heights, strict=True):
        left = 0
        pen.rectangle((0, top, sheet.width, top + height - 1), fill="black")
        for picture, width in zip(pictures, widths, strict=False):
            sheet.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))
            left += width + _GAP
        pen.text((5, top + 2), title, fill="white", stroke_width=1, stroke_fill="black", font=font)
        top += height + _GAP
    left = 5
    for name, colour in legend.values():
        pen.rectangle((left, bottom + 4, left + 12, bottom + 16), fill=colour, outline="black")
        pen.text((left + 18, bottom + 1), name, fill="black", font=font)
        left += 34 + round(pen.textlength(name, font=font))
    return sheet


def _palette(colours: Mapping[int, tuple[str, Colour]], greys: int) -> Image.Image:
    levels = [round(level * 255 / (greys - 1)) for level in range(greys)]
    entries = [(level, level, level) for level in levels] + [colour for _, colour in colours.values()]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for entry in entries for part in entry])
    return palette
