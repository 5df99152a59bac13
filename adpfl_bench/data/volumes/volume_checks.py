"""Checks of the files of a case."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.inventory import CheckedCase
from adpfl_bench.data.mask_checks import check_coverage
from adpfl_bench.data.problems import Findings
from adpfl_bench.data.volumes.content_checks import check_channel, check_filled_in, check_identical, signature
from adpfl_bench.data.volumes.header_checks import check_headers
from adpfl_bench.data.volumes.release import VolumeRelease

_SHOWN = 5  # strange label values in one sentence


def check_case(case: Case, release: VolumeRelease, hashed: bool = True) -> CheckedCase:
    """Read every file of a case and find all that is wrong with it; faults of the data are never raised.

    Found are files that cannot be read; images that are not 3-D (or 4-D with another number of channels); shapes and
    affines that disagree; voxels that are not finite; constant images; label values that are not the release's; and
    empty label maps. Warnings are of what :mod:`~adpfl_bench.data.volumes.content_checks` looks at, but for what is
    usual in the release, and of label maps that are probably inverted.

    Args:
        case: The case.
        release: What its files should hold.
        hashed: Whether to hash the first image, which tells cases apart; a case by itself needs none.
    """
    found = Findings(case.case_id)
    reader = release.reader
    for path, problem in reader.damaged_files(case):
        found.add(path, problem)
    if found.problems:
        return CheckedCase(tuple(found.problems), "")
    headers = check_headers(case, release, found)
    seen: list[tuple[str, bytes, Path]] = []
    digest = ""
    for channel, name in enumerate(release.channels):
        path = reader.file_of(case, channel)
        image = found.attempt(path, partial(reader.read_channel, case, channel)) if path in headers else None
        if image is None:
            continue
        digest = _digest(image) if hashed and not channel else digest
        seen.append((name, signature(image), path))
        if _check_image(image, f"{name} image", path, found):
            check_channel(image, f"{name} image", path, release, found)
            if len(seen) == 1 and reader.has_spacing:
                check_filled_in(image, path, headers[path], found)
    check_identical(seen, found)
    if case.label is not None and case.label in headers:
        label = found.attempt(case.label, partial(reader.read_label, case))
        if label is not None:
            _check_label(label, case.label, release, found)
            check_coverage(label != 0, case.label, "label map", found)
    warnings = tuple(warning for warning in found.warnings if warning.check not in release.usual)
    return CheckedCase(tuple(found.problems), digest, warnings)


def _check_image(values: NDArray[np.float32], name: str, path: Path, found: Findings) -> bool:
    """Check that voxels are numbers and not all the same, and return whether there is more to see in them."""
    if not values.size:
        return False
    low, high = values.min(), values.max()  # NaN if a voxel is
    if not (np.isfinite(low) and np.isfinite(high)):
        broken = values.size - int(np.isfinite(values).sum())
        found.add(path, f"the {name} has {_voxels(broken)} that {'is' if broken == 1 else 'are'} NaN or infinite")
    elif low == high:
        found.add(path, f"the {name} is constant ({low:g} everywhere)")
    else:
        return True
    return False


def _check_label(label: NDArray[Any], path: Path, release: VolumeRelease, found: Findings) -> None:
    values, counts = np.unique(label, return_counts=True)
    present = {float(value): int(number) for value, number in zip(values, counts, strict=True) if value != 0}
    if not present and not release.may_be_empty:
        found.add(path, "the label map is empty")
    strange = {value: number for value, number in present.items() if value not in release.labels}
    if not strange:
        return
    listed = ", ".join(f"{value:g} ({_voxels(number)})" for value, number in list(strange.items())[:_SHOWN])
    more = f" and {len(strange) - _SHOWN:,} more values" if len(strange) > _SHOWN else ""
    whole = all(value.is_integer() for value in strange)
    fitting = [name for known, name in release.known_values.items() if set(present) <= known]
    hint = f"; it looks like the labels of {' or '.join(fitting)}" if fitting else ""
    hint = hint if whole else "; labels are whole numbers, so it was resampled or is no label map"
    found.add(path, f"the label map has {listed}{more}, expected {release.describe_labels()} of {release.name}{hint}")


def _digest(values: NDArray[np.float32]) -> str:
    content = hashlib.blake2b(repr(values.shape).encode(), digest_size=16)
    content.update(np.ascontiguousarray(values).data)
    return content.hexdigest()


def _voxels(number: int) -> str:
    return f"{number:,} voxel{'' if number == 1 else 's'}"
