"""A picture of a dermoscopy phantom: a row of images per site, with the outlines of their masks."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import scipy.ndimage
from PIL import Image, ImageDraw

from adpfl_bench.errors import DataError

_GAP = 4
_OUTLINE = (0, 255, 120)


def contact_sheet(
    root: Path, output: Path, columns: int = 6, rows: int = 4, tile: tuple[int, int] = (150, 200), colours: int = 255
) -> None:
    """Draw a contact sheet of a dermoscopy cohort and save it as PNG.

    The one in the documentation is made from the default phantom::

        adpfl-bench phantom ham10000
        python -c "from pathlib import Path; from docs.sheets.contact_sheet import contact_sheet;
        contact_sheet(Path('phantoms/ham10000'), Path('docs/images/dermoscopy_phantoms.png'))"

    Args:
        root: Folder of the cohort, in the layout of HAM10000 or ISIC 2017.
        output: PNG file to write.
        columns: Images per row.
        rows: Number of rows if the cohort does not state sites; otherwise there is one per site, with its name.
        tile: Height and width of each image on the sheet.
        colours: Size of the palette; fewer make a smaller file.

    Raises:
        DataError: There are no images with masks under ``root``.
    """
    images = {path.stem: path for path in sorted(root.glob("*/*.jpg"))}
    masks = {path.stem.removesuffix("_segmentation"): path for path in sorted(root.glob("*/*_segmentation.png"))}
    names = [name for name in images if name in masks]
    if not names:
        raise DataError(f"Expected folders of .jpg images and _segmentation.png masks under {root}, but found none.")
    groups = _by_site(root, names) or {"": names}
    lines = [(site, members[:columns]) for site, members in groups.items()]
    if "" in groups:
        lines = [("", names[start : start + columns]) for start in range(0, min(len(names), rows * columns), columns)]

    height, width = tile
    sheet = Image.new("RGB", (columns * (width + _GAP) - _GAP, len(lines) * (height + _GAP) - _GAP), "white")
    for row, (site, members) in enumerate(lines):
        for column, name in enumerate(members):
            corner = (column * (width + _GAP), row * (height + _GAP))
            sheet.paste(_outlined(images[name], masks[name], tile), corner)
        pen = ImageDraw.Draw(sheet)
        pen.text((6, row * (height + _GAP) + 4), site, fill="white", stroke_width=2, stroke_fill="black")
    output.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(colours, dither=Image.Dither.NONE).save(output, optimize=True)


def _by_site(root: Path, names: list[str]) -> dict[str, list[str]]:
    """Group images by the ``dataset`` column of the metadata, if there is one; in the order of their number."""
    table = root / "HAM10000_metadata.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        sites = {row["image_id"]: row["dataset"] for row in csv.DictReader(file)}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(sites[name], []).append(name)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def _outlined(image: Path, mask: Path, tile: tuple[int, int]) -> Image.Image:
    """Load an image at the size of a tile and draw the outline of its mask."""
    height, width = tile
    pixels = np.array(Image.open(image).convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    inside = np.asarray(Image.open(mask).resize((width, height), Image.Resampling.NEAREST)) > 0
    pixels[inside & ~scipy.ndimage.binary_erosion(inside, border_value=1)] = _OUTLINE
    return Image.fromarray(pixels)
