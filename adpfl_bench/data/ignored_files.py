"""Ignored files: what looks like an image in a dataset's folder, and is none of its cases' files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem
from adpfl_bench.text import a_few, count, listed

_ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".heic"),
    *(".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".mgz", ".hdr", ".dcm"),
)
"""Endings of files that look like images, in either case; of two that fit, the longer one counts."""

_ADVICE = "convert and name them as the layout has it, or move them out of the folder"


def ignored_images(
    root: Path,
    cases: Iterable[Case],
    problems: Iterable[Problem] = (),
    left_out: Sequence[str] = (),
    beside: bool = False,
) -> list[Problem]:
    """Find what looks like an image by its name and is not read: a warning for each ending of such names.

    Args:
        root: Folder of the dataset; what begins with a dot is passed over.
        cases: What is read.
        problems: What is told already, with all that is in the folders that it tells of.
        left_out: Patterns of paths below the root that the layout leaves out on purpose.
        beside: Look only into the folders that files of cases lie in, and not into all below the root.
    """
    taken = {os.fspath(path) for case in cases for path in _files(case)}
    told = {os.fspath(problem.path) for problem in problems} - {os.fspath(root)}
    places = _beside(root, taken) if beside else os.walk(root)
    by_ending: dict[str, list[str]] = {}
    for folder, folders, names in places:
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.join(folder, name) not in told
        )
        if folder in told:
            continue
        for name in sorted(names):
            ending = max((end for end in _ENDINGS if name.lower().endswith(end)), key=len, default="")
            path = os.path.join(folder, name)
            if not ending or name.startswith(".") or path in taken or path in told:
                continue
            below = os.path.relpath(path, root)
            if not any(fnmatchcase(below, pattern) for pattern in left_out):
                by_ending.setdefault(ending, []).append(below)
    return [_warning(root, ending, names) for ending, names in sorted(by_ending.items())]


def _files(case: Case) -> Iterator[Path]:
    """Files of a case; of a stack of slices all in its folder that end as they do."""
    yield from case.images
    if case.label is not None and case.label.is_dir():
        endings = {path.suffix for path in case.images}
        yield from (path for path in case.label.iterdir() if path.suffix in endings)
    elif case.label is not None:
        yield case.label


def _beside(root: Path, taken: Iterable[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk the folders of files, without what is below them."""
    for folder in sorted({os.path.dirname(path) for path in taken}):
        with os.scandir(folder) as entries:
            yield folder, [], [entry.name for entry in entries if entry.is_file()]


def _warning(root: Path, ending: str, names: Sequence[str]) -> Problem:
    which = listed([a_few(names)], longest=400)
    if len(names) == 1:
        what = f"a file that ends in {ending} and looks like an image is not read: {which}"
    else:
        what = f"{count(names, 'file')} that end in {ending} and look like images are not read: {which}"
    return Problem("", what, root, _ADVICE, "left out")
