"""Fingerprint of the data that a run was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from adpfl_bench.data.case import Case
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.marker import MARKER_FILE


def dataset_fingerprint(root: Path, cases: Sequence[Case]) -> str:
    """Hash the relative paths and sizes of all image and label files of a dataset.

    Contents are not read, so 10,000 cases take well under a second; a file that was replaced by another one of
    exactly the same size is not noticed. The result depends neither on where ``root`` lies nor on the order of
    ``cases``.

    Args:
        root: Folder of the dataset.
        cases: Its cases; all files lie below ``root``.

    Returns:
        A SHA-256 in hexadecimal.

    Raises:
        DataError: A file is missing or does not lie below ``root``.
    """
    entries = set()
    for case in cases:
        for path in case.files:
            try:
                # What a folder's size is says something of the disk it lies on, and nothing of the data.
                size = 0 if path.is_dir() else path.stat().st_size
                entries.add((path.relative_to(root).as_posix(), size))
            except ValueError:
                raise DataError(
                    f"The case {case.case_id} has the file {path}, which is not below the dataset's folder {root}; "
                    "fingerprint the folder that was scanned."
                ) from None
            except OSError as error:
                raise DataError(
                    f"The case {case.case_id} has the file {path}, which cannot be read: {error.strerror}; "
                    "restore it or scan the folder again."
                ) from error
    return hashlib.sha256(json.dumps(sorted(entries), ensure_ascii=True).encode()).hexdigest()


def dataset_kind(root: Path) -> Literal["real", "phantom"]:
    """Say whether a dataset is real or synthetic: it is a phantom if ``PHANTOM.json`` lies in its folder."""
    return "phantom" if (Path(root) / MARKER_FILE).is_file() else "real"
