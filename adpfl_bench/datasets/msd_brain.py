"""Task01_BrainTumour of the Medical Segmentation Decathlon: 4-D images, described by ``dataset.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.new_cases import NewCases
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import check_root, list_files
from adpfl_bench.data.volumes.reader import NiftiReader
from adpfl_bench.data.volumes.release import Survey, VolumeRelease, choose_release
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.datasets.brats import BRATS, CHANNELS, KNOWN_VALUES
from adpfl_bench.datasets.brats import RELEASES as BRATS_RELEASES
from adpfl_bench.datasets.catalogue import DATASETS
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.volumes.msd_brain_writer import MsdBrainWriter
from adpfl_bench.records.strict_json import read_strict
from adpfl_bench.text import listed

NAME = "MSD Task01"
_LARGEST_LABEL = 255  # as label maps are kept

LAYOUT = DATASETS["msd"]

#: The suite's names of what dataset.json calls sequences and labels, in lower case.
_CHANNELS: Mapping[str, str] = {"t1w": "t1", "t1gd": "t1ce", "t2w": "t2", "flair": "flair"}
_CLASSES: Mapping[str, str] = {
    "edema": "SNFH",
    "non-enhancing tumor": "NETC",
    "non-enhancing tumour": "NETC",
    "enhancing tumor": "ET",
    "enhancing tumour": "ET",
}


RELEASE = VolumeRelease(
    NAME,
    "MRI",
    CHANNELS,
    {1: "SNFH", 2: "NETC", 3: "ET"},
    (BRATS,),
    known_values=KNOWN_VALUES,
    endings=next(iter(BRATS_RELEASES.values())).endings,
    masked=True,
)
"""What files are with one for each sequence, and the values that are published."""


class MSDBrainDataModule(VolumeDataModule):
    """Task01_BrainTumour of the Medical Segmentation Decathlon, which states neither patients nor hospitals."""

    phantom = MsdBrainWriter
    patient_id_is = "image"
    left_out = ("imagesTs/*",)
    releases: Mapping[str, VolumeRelease] = MappingProxyType({NAME: RELEASE})

    def survey(self, root: Path) -> Survey:
        """Read ``dataset.json`` and list the cases."""
        return survey_msd_brain(root, self.release_name)

    def find_new(self, paths: Sequence[Path], release: str | None) -> NewCases:
        """Find a file for each sequence, or 4-D files where the ``dataset.json`` beside or above them names theirs."""
        folders = [folder for path in paths for folder in (path, *list(path.absolute().parents)[:2])]
        described = next((file for folder in folders if (file := folder / "dataset.json").is_file()), None)
        if described is not None:
            self.order_in_one_file, labels = _read_description(described)
            self.releases = {NAME: replace(RELEASE, labels=labels)}
        return super().find_new(paths, release)


def survey_msd_brain(root: Path, release: str | None = None) -> Survey:
    """List the training cases of Task01; its test set has no labels.

    Sequences and labels are taken by the names that ``dataset.json`` gives them, not by their order.

    Args:
        root: Folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``.
        release: ``MSD Task01``, the only one.

    Raises:
        DataError: The folder is something else, or ``dataset.json`` is damaged or describes another task.
    """
    root = Path(root)
    check_root(root, LAYOUT, DATASETS.values())
    order, labels = _read_description(root / "dataset.json")
    found = replace(RELEASE, labels=labels, reader=NiftiReader(order))
    chosen = choose_release(release or NAME, {NAME: found}, "the Medical Segmentation Decathlon's brain tumours")
    images, masks = (
        {
            re.sub(r"\.nii(\.gz)?$", "", name, flags=re.IGNORECASE): root / folder / name
            for name in list_files(root / folder)
            if name.lower().endswith((".nii.gz", ".nii"))
        }
        for folder in ("imagesTr", "labelsTr")
    )
    problems = [Problem(name, "has no label map in labelsTr", images[name]) for name in sorted(images.keys() - masks)]
    problems += [Problem(name, "has no image in imagesTr", masks[name]) for name in sorted(masks.keys() - images)]
    cases = tuple(Case(name, name, (images[name],), masks[name]) for name in sorted(images.keys() & masks))
    return Survey(chosen, cases, tuple(problems))


def _number(key: str) -> int:
    """The number that a key states, in the one way in which no other key states it too."""
    if not re.fullmatch("0|-?[1-9][0-9]{0,8}", key):
        raise ValueError(f"{key[:40]!r} is no number")
    return int(key)


def _read_description(path: Path) -> tuple[tuple[int, ...], dict[int, str]]:
    """Where each of the suite's sequences is in the 4-D image, and the class of each label value."""
    try:
        content: dict[str, Any] = read_strict(path.read_text(encoding="utf-8-sig").encode())
        modality = {_number(index): str(name) for index, name in content["modality"].items()}
        values = {_number(value): str(name) for value, name in content["labels"].items()}
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; unpack Task01_BrainTumour again (from {LAYOUT.source}).") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = repr(error)[:200]
        raise DataError(f"{path} cannot be read ({said}); expected modality and labels by number.") from error
    if sorted(modality) != list(range(len(modality))):
        raise DataError(
            f"{path} numbers the sequences {listed(map(str, sorted(modality)))}; expected 0 to {len(modality) - 1},"
            " as they lie in the image."
        )
    if wrong := [value for value in values if not 0 <= value <= _LARGEST_LABEL]:
        raise DataError(f"{path} gives a class the value {wrong[0]}; expected 1 to {_LARGEST_LABEL}.")
    places = {_CHANNELS.get(name.lower()): index for index, name in modality.items()}
    classes = {value: _CLASSES.get(name.lower()) for value, name in values.items() if value != 0}
    once = len(places) == len(modality)
    if not once or set(places) != set(CHANNELS) or sorted(map(str, classes.values())) != ["ET", "NETC", "SNFH"]:
        raise DataError(
            f"{path} describes the sequences {listed(modality.values())} and the labels"
            f" {listed(values.values())}; expected {', '.join(_CHANNELS)} and background, edema, non-enhancing and"
            " enhancing tumour, of Task01_BrainTumour."
        )
    return tuple(places[name] for name in CHANNELS), {value: str(name) for value, name in classes.items()}
