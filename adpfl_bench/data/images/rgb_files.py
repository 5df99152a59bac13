"""Colour images with binary masks, read from files and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.exif_turn import hint_of_turn
from adpfl_bench.data.images.palette_masks import without_palette
from adpfl_bench.data.images.pillow_damage import PILLOW_DAMAGE
from adpfl_bench.data.problems import check_binary, unreadable
from adpfl_bench.errors import DataError

UInt8Array = npt.NDArray[np.uint8]


def read_image(path: Path, size: tuple[int, int] | None = None) -> UInt8Array:
    """Read a colour image.

    Grey images are repeated over the three channels and an alpha channel is dropped. An EXIF orientation is not
    applied, because masks are drawn on the pixels as they are stored.

    Args:
        path: A JPEG or PNG file with 8 bits per channel.
        size: (height, width) to resize to, bilinearly with antialiasing; ``None`` keeps the file's own. A JPEG that
            is at least four times as large is first decoded at a half, a quarter or an eighth of its size.

    Returns:
        Array [3, H, W] of 0 to 255.

    Raises:
        DataError: The file is missing, damaged, not an 8-bit RGB, RGBA or grey image, or holds several pictures.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "RGBA", "L"):
                raise DataError(f"{path} is an image of mode {image.mode}; convert it to 8-bit RGB.")
            _check_single(path, image)
            if any(";16" in str(part) for part in image.tile):  # Pillow would keep the upper 8 bits, and say nothing
                raise DataError(f"{path} has 16 bits a channel; convert it to 8-bit RGB, as its values mean it.")
            if size is not None:
                image.draft(None, (2 * size[1], 2 * size[0]))
            rgb = image.convert("RGB")
        if size is not None:
            rgb = rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels: UInt8Array = np.asarray(rgb, dtype=np.uint8)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))
    except PILLOW_DAMAGE as error:
        raise _unreadable(path, error) from error


def read_grey(path: Path, size: tuple[int, int] | None = None, values: bool = False) -> UInt8Array:
    """Read one channel of 8 bits.

    Args:
        path: A file of grey values, or of two, black and white; of labels also one with a palette.
        size: (height, width) to resize to; ``None`` keeps the file's own.
        values: Whether they are labels, which are resized to the nearest; else they are bilinearly, with antialiasing.

    Returns:
        Array [1, H, W] of 0 to 255.

    Raises:
        DataError: The file is missing or damaged, or has several pictures or channels, more bits, or a palette that is
            not of labels.
    """
    what = "a mask" if values else "an image"
    try:
        with Image.open(path) as image:
            if image.mode not in ("1", "L") and not (values and image.mode == "P"):
                raise DataError(
                    f"{path} is {what} of mode {image.mode}; expected one channel of 8 bits, so convert it."
                )
            _check_single(path, image)
            if size is not None and not values:
                image.draft(None, (2 * size[1], 2 * size[0]))
            grey = without_palette(path, image) if image.mode == "P" else image.convert("L")
        if size is not None:
            grey = grey.resize((size[1], size[0]), Image.Resampling.NEAREST if values else Image.Resampling.BILINEAR)
        pixels: UInt8Array = np.asarray(grey, dtype=np.uint8)
        return np.ascontiguousarray(pixels[np.newaxis])
    except PILLOW_DAMAGE as error:
        raise _unreadable(path, error) from error


def read_mask(path: Path, size: tuple[int, int] | None = None) -> UInt8Array:
    """Read a binary mask.

    Args:
        path: A file with one channel whose values are 0 and 255, or 0 and 1; or with a palette, which
            :func:`~adpfl_bench.data.images.palette_masks.without_palette` reads.
        size: (height, width) to resize to by nearest neighbour; ``None`` keeps the file's own.

    Returns:
        Array [1, H, W] of 0 and 1.

    Raises:
        DataError: The file is missing or damaged, has several pictures or channels, a palette of which nobody can say
            what is foreground, or other values; grey values are refused, because where to cut them is not this
            program's to choose.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("1", "L", "P"):
                raise DataError(f"{path} is a mask of mode {image.mode}; expected one 8-bit channel of 0 and 255.")
            _check_single(path, image)
            grey = without_palette(path, image) if image.mode == "P" else image.convert("L")
        values = [value for value, pixels in enumerate(grey.histogram()) if pixels]
        check_binary(path, values)
        if size is not None:
            grey = grey.resize((size[1], size[0]), Image.Resampling.NEAREST)
        foreground: UInt8Array = (np.asarray(grey)[np.newaxis] != 0).astype(np.uint8)
        return foreground
    except PILLOW_DAMAGE as error:
        raise _unreadable(path, error) from error


def read_native_mask(case: Case) -> UInt8Array:
    """Read a case's mask at the file's own size, for scoring in native space.

    Returns:
        Array [1, H, W] of 0 and 1, with H and W those of the case's image.

    Raises:
        DataError: As :func:`read_pair`.
    """
    _, label = _check_pair(case)
    return read_mask(label)


def read_pair(case: Case, size: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
    """Read a case's image and mask, resized.

    Args:
        case: A case with one colour image and a mask.
        size: (height, width) to resize to; the aspect ratio is not kept.

    Returns:
        Image [3, H, W] of 0 to 255 and mask [1, H, W] of 0 and 1.

    Raises:
        DataError: As :func:`read_image` and :func:`read_mask`; or the mask is missing or of another size than the
            image.
    """
    image, label = _check_pair(case)
    return read_image(image, size), read_mask(label, size)


def _check_pair(case: Case) -> tuple[Path, Path]:
    """Check, from the files' headers, that the case is an image with a mask of its size."""
    if len(case.images) != 1 or case.label is None:
        mask = "no mask" if case.label is None else "a mask"
        raise DataError(f"{case.case_id} has {len(case.images)} image file(s) and {mask}; expected one and its mask.")
    image_size, mask_size = _read_size(case.images[0]), _read_size(case.label)
    if image_size != mask_size:
        hint = hint_of_turn(case.images[0], image_size, mask_size)
        raise DataError(
            f"{case.label} is {mask_size[0]}x{mask_size[1]} pixels, but its image {case.images[0]} is "
            f"{image_size[0]}x{image_size[1]}{hint}; width and height must be equal."
        )
    return case.images[0], case.label


def picture_shape(path: Path) -> tuple[int, int]:
    """Read (height, width) from a picture's header.

    Raises:
        DataError: The file is missing, or no picture.
    """
    width, height = _read_size(path)
    return height, width


def _read_size(path: Path) -> tuple[int, int]:
    """Read (width, height) from a file's header."""
    try:
        with Image.open(path) as image:
            return image.size
    except PILLOW_DAMAGE as error:
        raise _unreadable(path, error) from error


def _check_single(path: Path, image: Image.Image) -> None:
    """Refuse animations and pages, of which only the first would be seen; a phone's MPO has its photograph there."""
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and image.format != "MPO":
        raise DataError(f"{path} has {pictures} pictures where one is expected; keep one of them.")


def _unreadable(path: Path, error: BaseException) -> DataError:
    # Pillow's own sentence about an unknown format repeats the path.
    unknown = isinstance(error, UnidentifiedImageError)
    return unreadable(path, "it is no image that can be identified" if unknown else str(error))
