"""Folders in the layouts of nnU-Net and of the Medical Segmentation Decathlon."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import list_files
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.dataset_json import DatasetJson, Kind, check_ending, endings_of
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few, folder_name_problem

_MOST_SHOWN = 3
_NUMBERED = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")

Listed = tuple[list[Case], list[Problem], bool]
"""Cases, problems, and whether all channels of a case are in one file."""


def list_folder(described: DatasetJson, description: DatasetDescription, kind: Kind) -> Listed:
    """List the cases of a folder; those of ``imagesTs`` that have a mask in ``labelsTs`` are test cases.

    Args:
        described: Its ``dataset.json``.
        description: What its files hold.
        kind: Whether they are pictures or volumes.

    Raises:
        DataError: Files end in what is not read, or there are no cases.
    """
    root = described.path.parent
    for name in ("imagesTr", "labelsTr"):
        if not (root / name).is_dir():
            raise DataError(
                f"{root} has no folder {name}; expected imagesTr/ and labelsTr/ beside {described.path.name}."
            )
    names = list_files(root / "imagesTr")
    ending = described.ending or _ending_of(described.path, names, kind)
    check_ending(str(described.path), ending, kind)
    numbered = any(_NUMBERED.fullmatch(name.removesuffix(ending)) for name in names if name.endswith(ending))
    if described.pairs and not described.ending and not numbered:
        return _listed_pairs(described, description)
    cases, problems, in_one_file = _Numbered(root, ending, description, kind).cases("Tr")
    if (root / "imagesTs").is_dir() and (root / "labelsTs").is_dir():
        tests, wrong, _ = _Numbered(root, ending, description, kind).cases("Ts")
        trained = {case.case_id for case in cases}
        wrong += [
            Problem(case.case_id, "is there twice, in imagesTr and in imagesTs", case.images[0])
            for case in tests
            if case.case_id in trained
        ]
        cases = [replace(case, split="train") for case in cases]
        cases += [replace(case, split="test") for case in tests if case.case_id not in trained]
        problems += wrong
    if not cases and not problems:
        raise DataError(f"{root / 'imagesTr'} holds no files; expected images called CASE_0000{ending}.")
    return cases, problems, in_one_file


def _ending_of(path: Path, names: Sequence[str], kind: Kind) -> str:
    """How files end, where ``dataset.json`` does not say, which version 1 and the Decathlon do not."""
    known = (*endings_of("volumes"), *endings_of("pictures"))
    found = {next((end for end in known if name.lower().endswith(end)), "") for name in names} - {""}
    if len(found) != 1:
        what = f"files that end in {' and '.join(sorted(found))}" if found else "no file that is read"
        raise DataError(
            f"{path} states no file_ending, and imagesTr holds {what}; state one of {', '.join(endings_of(kind))}."
        )
    return found.pop()


@dataclass(frozen=True)
class _Numbered:
    """Images with a file for each channel, as nnU-Net has them."""

    root: Path
    ending: str
    description: DatasetDescription
    kind: Kind

    def cases(self, part: str) -> Listed:
        images, masks = self.root / f"images{part}", self.root / f"labels{part}"
        found, problems = self._images(images)
        labels = {}
        for name in list_files(masks):
            if name.endswith(self.ending):
                labels[name.removesuffix(self.ending)] = masks / name
            else:
                problems.append(Problem("", f"does not end in {self.ending}, as dataset.json states", masks / name))
        channels = self.description.channels or []
        in_one_file = all(set(files) == {0} for files in found.values())
        # Red, green and blue are commonly in one picture.
        expected = 1 if in_one_file and self.kind == "pictures" and len(channels) == 3 else len(channels)
        cases = []
        for case_id, files in sorted(found.items()):
            wrong = list(self._faults(case_id, files, expected))
            if case_id not in labels:
                wrong.append(Problem(case_id, f"has no mask {case_id}{self.ending} in {masks.name}", images))
            problems += wrong
            if not wrong:
                patient, site = self.description.of_case(case_id)
                paths = tuple(files[number] for number in range(expected))
                cases.append(Case(case_id, patient, paths, labels[case_id], site))
        problems += [
            Problem(case_id, f"has no image {case_id}_0000{self.ending} in {images.name}", labels[case_id])
            for case_id in sorted(labels.keys() - found)
        ]
        return cases, problems, expected == 1

    def _images(self, folder: Path) -> tuple[dict[str, dict[int, Path]], list[Problem]]:
        found: dict[str, dict[int, Path]] = {}
        problems = []
        for name in list_files(folder):
            match = _NUMBERED.fullmatch(name.removesuffix(self.ending)) if name.endswith(self.ending) else None
            if match is None:
                problems.append(Problem("", f"is not called CASE_0000{self.ending}, so no case has it", folder / name))
            else:
                found.setdefault(match["case"], {})[int(match["channel"])] = folder / name
        return found, problems

    def _faults(self, case_id: str, files: dict[int, Path], expected: int) -> Iterator[Problem]:
        names = self.description.channels or []
        first = next(iter(files.values()))
        if problem := folder_name_problem(case_id):
            yield Problem(case_id, f"has a name that {problem}; rename it", first)
        missing = [number for number in range(expected) if number not in files]
        for number in missing:
            yield Problem(case_id, f"{case_id}_{number:04d}{self.ending} ({names[number]}) is missing", first.parent)
        if extra := [number for number in files if number >= expected]:
            yield Problem(
                case_id,
                f"has the channel {extra[0]:04d}, but dataset.json names {len(names)}: {a_few(names)}",
                files[extra[0]],
            )


def _listed_pairs(described: DatasetJson, description: DatasetDescription) -> Listed:
    """The cases that a ``dataset.json`` of the Decathlon lists, whose channels are in one file."""
    cases, problems = [], []
    seen: dict[str, str] = {}
    root = described.path.parent
    for image, mask in described.pairs:
        paths = [root / Path(name) for name in (image, mask)]
        case_id = paths[0].name
        for end in (*endings_of("volumes"), *endings_of("pictures")):
            case_id = case_id.removesuffix(end)
        if (other := seen.setdefault(case_id, image)) is not image or ".." in Path(image).parts:
            wrong = f"is listed twice, also as {other}" if other is not image else "lies outside of the folder"
            problems.append(Problem(case_id, wrong, paths[0]))
            continue
        absent = [path for path in paths if not path.is_file()]
        problems += [Problem(case_id, f"is listed in {described.path.name}, but not there", path) for path in absent]
        if not absent:
            patient, site = description.of_case(case_id)
            cases.append(Case(case_id, patient, (paths[0],), paths[1], site))
    return cases, problems, True
