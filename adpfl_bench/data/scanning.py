"""Scanning of dataset folders: listing files, pairing them, and saying what is wrong with a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few, is_text, listed


@dataclass(frozen=True)
class Layout:
    """Layout of a dataset's folder, as errors describe it.

    Attributes:
        dataset: Name for people, e.g. ``"HAM10000"``.
        tell_tales: By what its folders are called in errors, the names that give such a folder away when they stand in
            it, as shell patterns relative to the folder.
        expected: The files and folders that the root should hold.
        source: Where the data can be obtained.
    """

    dataset: str
    tell_tales: Mapping[str, tuple[str, ...]]
    expected: str
    source: str


def recognise_datasets(root: Path, layouts: Iterable[Layout]) -> dict[str, str]:
    """Recognise datasets by their tell-tale names.

    For each dataset that ``root`` looks like, this is the first name found that gives it away; nothing when ``root`` is
    not a readable folder or holds nothing known.
    """
    try:
        names = sorted(os.listdir(root))
        names += [f"{child}/{name}" for child in ("dataset", "data") for name in _names_below(root / child)]
    except OSError:
        return {}
    found = {}
    for dataset, patterns in (item for layout in layouts for item in layout.tell_tales.items()):
        evidence = next((name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)), None)
        if evidence is not None:
            found[dataset] = evidence
    return found


def check_root(root: Path, layout: Layout, others: Iterable[Layout] = ()) -> None:
    """Check that ``root`` is a folder that looks like the dataset; ``others`` are those that it may be instead.

    Raises:
        DataError: ``root`` is missing, a file, unreadable or empty, holds another dataset, or holds this one in
            its parent or in a subfolder; the sentence says which.
    """
    wanted = f"give the folder that holds {layout.expected} (from {layout.source})"
    if not root.exists():
        raise DataError(f"{layout.dataset}: the folder {root} does not exist; {wanted}.")
    if not root.is_dir():
        raise DataError(f"{layout.dataset}: {root} is a file; unpack it if it is an archive, and {wanted}.")
    try:
        names = sorted(os.listdir(root))
    except OSError as error:
        raise DataError(f"{layout.dataset}: the folder {root} cannot be listed: {error.strerror}.") from error
    if not names:
        raise DataError(f"{layout.dataset}: the folder {root} is empty; {wanted}.")
    if recognise_datasets(root, [layout]):
        return
    nearby = (root.resolve().parent, *(root / name for name in names[:50]))
    for folder in nearby:
        if recognise_datasets(folder, [layout]):
            there = listed([str(folder)], longest=5000)
            raise DataError(f"{layout.dataset}: {root} is not the dataset's folder, but {there} is; give that one.")
    if found := recognise_datasets(root, others):
        looks = " and ".join(f"{name} (it holds {listed([evidence])})" for name, evidence in found.items())
        raise DataError(f"{layout.dataset}: {root} looks like {looks}; choose the task of that dataset, or {wanted}.")
    raise DataError(
        f"{layout.dataset}: {root} holds {listed([a_few(names)])}, none of which is expected there; {wanted}."
    )


def index_files(folders: Iterable[Path], suffixes: Sequence[str], ending: str = "", skip: str = "") -> dict[str, Path]:
    """Index the files of folders by case id, without opening or descending into anything.

    Args:
        folders: Folders to list; names that begin with a dot are ignored.
        suffixes: File name extensions to take, in lower case, e.g. ``(".jpg", ".png")``.
        ending: What stands between the id and the extension, e.g. ``"_segmentation"``; others are ignored.
        skip: Pattern of stems that are not cases, e.g. ``"*_superpixels"``.

    Returns:
        File by case id, sorted by id.

    Raises:
        DataError: Two files have the same id, or a folder cannot be listed.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        for name in list_files(folder):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() not in suffixes or not stem.endswith(ending) or fnmatchcase(stem, skip):
                continue
            case_id = stem.removesuffix(ending)
            if case_id in files:
                raise DataError(
                    f"The case {case_id} is there twice, as {files[case_id]} and {folder / name}; remove one."
                )
            files[case_id] = folder / name
    return dict(sorted(files.items()))


def find_named(folder: Path, names: Sequence[str]) -> Path | None:
    """Find the first of some files in a folder, or else one that differs from it by the case of its extension.

    Raises:
        DataError: The folder cannot be listed.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    there = [name for name in _names_below(folder) if name not in names]
    for name in names:
        stem, _, extension = name.partition(".")
        for other in there:
            alike = other.startswith(f"{stem}.") and other[len(stem) + 1 :].lower() == extension
            if alike and (folder / other).is_file():
                return folder / other
    return None


def list_folders(folder: Path, pattern: str) -> list[Path]:
    """List the folders in a folder whose names match a shell pattern, sorted; none if there is no such folder.

    Raises:
        DataError: It cannot be listed, or one has a name that is no text.
    """
    if not folder.is_dir():
        return []
    names = _list(folder, os.DirEntry.is_dir)
    return [folder / name for name in names if fnmatchcase(name, pattern)]


def _names_below(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def list_files(folder: Path) -> list[str]:
    """List the names of a folder's files that do not begin with a dot, sorted.

    Raises:
        DataError: It cannot be listed, or one has a name that is no text.
    """
    return _list(folder, os.DirEntry.is_file)


def _list(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and wanted(entry))
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be listed: {error.strerror}.") from error
    for name in names:
        if not is_text(name):
            raise DataError(
                f"The folder {folder} holds {os.fsencode(name)!r}, whose name is not UTF-8, so that no table could"
                " state it; rename it."
            )
    return names
