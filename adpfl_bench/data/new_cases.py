"""New cases: images without masks, of patients whom a trained model has not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
"""Endings of files that are taken for pictures, in either case."""

VOLUMES = (".nii.gz", ".nii")
"""Endings of files that are taken for volumes, in either case."""


@dataclass(frozen=True)
class NewCases:
    """What was found in files and folders that were given.

    Attributes:
        cases: Complete cases, sorted by id.
        problems: What is incomplete or there twice; such a case is not among ``cases``.
        ignored: Files that are no images by their endings.
    """

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[Path, ...]


def find_pictures(paths: Sequence[Path]) -> NewCases:
    """Find pictures, each a case that is called as its file is without the ending.

    Args:
        paths: Files, and folders that are searched with all below them.

    Raises:
        DataError: A path does not exist, or there is no picture.
    """
    files, ignored = _files(paths, PICTURES)
    by_id: dict[str, list[Path]] = {}
    for file, stem in files:
        by_id.setdefault(stem, []).append(file)
    cases = (Case(name, name, (found[0],), None) for name, found in by_id.items())
    return _sorted(cases, by_id, ignored)


def find_volumes(paths: Sequence[Path], channels: Sequence[str], endings: Sequence[Sequence[str]] = ()) -> NewCases:
    """Find NIfTI files: of one channel, each a case; of several, those together that are called alike.

    The files of a case have the same name but for the channel's: its number (``_0000``, ``_0001``, as nnU-Net has it,
    in the order of ``channels``), its name (``_flair``, ``-flair``), or the release's own.

    Args:
        paths: Files, and folders that are searched with all below them.
        channels: Names of the channels, in order.
        endings: Further ways to name them, each with one ending for every channel.

    Raises:
        DataError: A path does not exist, or there is no volume.
    """
    files, ignored = _files(paths, VOLUMES)
    if len(channels) == 1:
        whole: dict[str, list[Path]] = {}
        for file, stem in files:
            whole.setdefault(stem.removesuffix("_0000"), []).append(file)
        return _sorted((Case(name, name, (found[0],), None) for name, found in whole.items()), whole, ignored)
    numbered = [f"_{number:04d}" for number in range(len(channels))]
    ways = [*endings, numbered, [f"_{name}" for name in channels], [f"-{name}" for name in channels]]
    places = {ending: number for way in ways for number, ending in enumerate(way)}
    found: dict[str, dict[int, list[Path]]] = {}
    strange = []
    for file, stem in files:
        fitting = [ending for ending in places if stem.lower().endswith(ending.lower())]
        if not fitting:
            strange.append(file)
            continue
        ending = max(fitting, key=len)
        found.setdefault(stem[: -len(ending)], {}).setdefault(places[ending], []).append(file)
    if not found:
        known = " or ".join(", ".join(way) for way in (numbered, *(endings or [ways[-2]])))
        raise DataError(
            f"{strange[0]} does not say which of the channels {', '.join(channels)} it is; end the files' names in"
            f" {known}."
        )
    problems, cases = [], []
    for name, own in found.items():
        missing = [channel for number, channel in enumerate(channels) if number not in own]
        if missing:
            first = next(iter(own.values()))[0]
            problems.append(
                Problem(name, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing", first)
            )
        else:
            cases.append(Case(name, name, tuple(own[number][0] for number in range(len(channels))), None))
    twice = {f"{name}": files for name, own in found.items() for files in own.values() if len(files) > 1}
    made = _sorted(cases, twice, [*ignored, *strange])
    return NewCases(made.cases, tuple([*problems, *made.problems]), made.ignored)


def _sorted(cases: Iterable[Case], files: Mapping[str, Sequence[Path]], ignored: Sequence[Path]) -> NewCases:
    """Leave out what is there twice."""
    twice = {name: found for name, found in files.items() if len(found) > 1}
    problems = [Problem(name, f"is there twice, also as {found[1]}", found[0]) for name, found in twice.items()]
    kept = sorted((case for case in cases if case.case_id not in twice), key=lambda case: case.case_id)
    return NewCases(tuple(kept), tuple(problems), tuple(ignored))


def _files(paths: Sequence[Path], endings: Sequence[str]) -> tuple[list[tuple[Path, str]], list[Path]]:
    """Files of these endings with their names without them, and other files; hidden ones are passed over."""
    taken: list[tuple[Path, str]] = []
    ignored: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"There is no file or folder {path}.")
        below = path.rglob("*") if path.is_dir() else [path]
        for file in sorted(below):
            if not file.is_file() or any(part.startswith(".") for part in file.relative_to(path).parts):
                continue
            ending = next((end for end in endings if file.name.lower().endswith(end)), None)
            if ending is None:
                ignored.append(file)
            else:
                taken.append((file, file.name[: -len(ending)]))
    if not taken:
        where = a_few([str(path) for path in paths])
        raise DataError(f"There is no image in {where}; expected files that end in {', '.join(endings)}.")
    return taken, ignored
