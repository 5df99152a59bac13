"""Stacks of TIFF slices of new patients: folders of them, or files whose pages they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.new_cases import NewCases, no_image, search_files, without_twins
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.volumes.tiff_stack import count_pages

ENDINGS = (".tif", ".tiff")
"""Endings of files that are taken for slices, in either case."""


def find_stacks(paths: Sequence[Path]) -> NewCases:
    """Find volumes in TIFF: a file of several pages is one, and so are files of one page that are called alike.

    These are ``<name>_<number>.tif`` in one folder, in the order of their numbers; files that end in ``_mask`` are
    passed over.

    Args:
        paths: Files, and folders that are searched with all below them.

    Raises:
        DataError: A path does not exist, or there is no slice.
    """
    files, ignored = search_files(paths, ENDINGS)
    cases, problems = [], []
    stacks: dict[tuple[Path, str], dict[int, list[Path]]] = {}
    by_id: dict[str, list[Path]] = {}
    for file, stem in files:
        numbered = re.fullmatch(r"(?P<name>.+)_(?P<number>\d{1,6})", stem)
        if stem.lower().endswith("_mask"):
            ignored.append(file)
        elif count_pages(file) > 1 or numbered is None:
            cases.append(Case(stem, stem, (file,), None))
            by_id.setdefault(stem, []).append(file)
        else:
            stack = stacks.setdefault((file.parent, numbered["name"]), {})
            stack.setdefault(int(numbered["number"]), []).append(file)
    for (folder, name), slices in stacks.items():
        first, last = min(slices), max(slices)
        by_id.setdefault(name, []).append(folder)
        if twice := [number for number, own in slices.items() if len(own) > 1]:
            problems.append(Problem(name, f"has the slice {twice[0]} twice", folder))
        elif missing := [number for number in range(first, last + 1) if number not in slices]:
            problems.append(Problem(name, f"has the slices {first} to {last}, but not {missing[0]}", folder))
        else:
            cases.append(Case(name, name, tuple(slices[number][0] for number in sorted(slices)), None))
    if not cases and not problems:
        raise no_image(paths, ENDINGS)
    made = without_twins(cases, by_id, ignored)
    return NewCases(made.cases, (*problems, *made.problems), made.ignored)
