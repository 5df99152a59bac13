"""Checks of a picture and its mask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.exif_turn import check_turn, hint_of_turn
from adpfl_bench.data.images.rgb_files import UInt8Array, read_image, read_mask
from adpfl_bench.data.inventory import CheckedCase, Inventory
from adpfl_bench.data.mask_checks import check_coverage
from adpfl_bench.data.problems import Findings, Problem


def list_pictures(name: str, images: Mapping[str, Path], masks: Mapping[str, Path]) -> Inventory:
    """List pictures and masks by case id, paired or not, so that all of them are read; each is a patient of its own."""
    cases, problems = [], []
    for case_id in sorted(images.keys() | masks.keys()):
        image, mask = images.get(case_id), masks.get(case_id)
        cases.append(Case(case_id, case_id, (image,) if image else (), mask))
        if image is None and mask is not None:
            problems.append(Problem(case_id, "the mask has no image", mask))
        elif image is not None and mask is None:
            problems.append(Problem(case_id, "the image has no mask", image))
    return Inventory(name, tuple(cases), tuple(problems), check_picture)


def check_picture(case: Case) -> CheckedCase:
    """Read a case's picture and mask and find all that is wrong with them; faults of the data are never raised.

    Found are files that cannot be read, have other channels or other values than they should, and masks of another
    size than their picture; pictures of one colour; and masks without a lesion. Warnings are of pictures that are to
    be shown turned, and of masks that are probably inverted. What a case lacks is not read.
    """
    found = Findings(case.case_id)
    image, digest = None, ""
    for path in case.images:
        image = found.attempt(path, partial(read_image, path))
        if image is not None:
            digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()
            if (image == image[:, :1, :1]).all():
                found.add(path, "the image is constant")
    if case.label is not None:
        mask = found.attempt(case.label, partial(read_mask, case.label))
        if mask is not None:
            _check_mask(mask, case.label, image, case.images[0] if case.images else None, found)
    return CheckedCase(tuple(found.problems), digest, tuple(found.warnings))


def _check_mask(mask: UInt8Array, path: Path, image: UInt8Array | None, picture: Path | None, found: Findings) -> None:
    if not np.any(mask):
        found.add(path, "the mask is empty")
    check_coverage(mask[0] != 0, path, "mask", found)
    if image is None or picture is None:
        return
    if image.shape[1:] != mask.shape[1:]:
        (height, width), (rows, columns) = mask.shape[1:], image.shape[1:]
        hint = hint_of_turn(picture, image.shape[1:], mask.shape[1:])
        found.add(path, f"is {width}x{height} pixels, but {picture.name} is {columns}x{rows}{hint}")
    else:
        check_turn(picture, path, found)


def pair_warnings(case: Case, mask: UInt8Array) -> list[Problem]:
    """Return the warnings of a picture and its mask [1, H, W], which may have been resized; no file is decoded.

    Classes may share the whole of a picture among them, so that only a mask of a single one can be inverted.
    """
    found = Findings(case.case_id)
    if case.label is not None:
        if mask.size and mask.max() <= 1:
            check_coverage(mask[0] != 0, case.label, "mask", found)
        check_turn(case.images[0], case.label, found)
    return found.warnings
