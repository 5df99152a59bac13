"""What lies in the folder of any of the datasets, with all that can be seen to be wrong without opening an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.picture_checks import check_picture
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.volumes.checks import CheckedCase, check_case
from adpfl_bench.data.volumes.release import Survey
from adpfl_bench.datasets.brats import survey_brats
from adpfl_bench.datasets.ham10000 import list_ham10000
from adpfl_bench.datasets.isic import list_isic
from adpfl_bench.datasets.kits import survey_kits
from adpfl_bench.datasets.lgg import survey_lgg
from adpfl_bench.datasets.msd_brain import survey_msd_brain
from adpfl_bench.errors import ConfigError

VOLUMES: Mapping[str, Callable[[Path, str | None], Survey]] = {
    "kits": survey_kits,
    "brats": survey_brats,
    "msd": survey_msd_brain,
    "lgg": survey_lgg,
}
"""The surveys of datasets of volumes, by the names that the command line gives them."""


@dataclass(frozen=True)
class Inventory:
    """A dataset's folder.

    Attributes:
        name: What it was recognised as, e.g. ``"KiTS23"``.
        cases: What can be read: of volumes the complete cases, of pictures all files.
        problems: What is missing or there twice.
        check: Reads a case; it can be sent to another process.
    """

    name: str
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    check: Callable[[Case], CheckedCase]


def take_inventory(dataset: str, root: Path, release: str | None = None) -> Inventory:
    """Recognise what a folder holds and list it.

    Args:
        dataset: ``"kits"``, ``"brats"``, ``"msd"``, ``"lgg"``, ``"ham10000"`` or ``"isic"``.
        root: The folder.
        release: Name of the release, where the folder does not give it away.

    Raises:
        DataError: The folder is not the dataset.
        ConfigError: There is no such release.
    """
    if dataset in VOLUMES:
        survey = VOLUMES[dataset](root, release)
        check = partial(check_case, release=survey.release)
        return Inventory(survey.release.name, survey.cases, survey.problems, check)
    inventory = _ham10000(root) if dataset == "ham10000" else _isic(root)
    if release not in (None, inventory.name):
        raise ConfigError(f"{root} holds {inventory.name}, and not {release}; leave --release out.")
    return inventory


def _isic(root: Path) -> Inventory:
    release, images, masks = list_isic(root)
    return _pictures(release.name, images, masks, {}, [])


def _ham10000(root: Path) -> Inventory:
    files = list_ham10000(root)
    problems = [
        Problem(case_id, f"has no row in {files.metadata_file.name}", path)
        for case_id, path in files.images.items()
        if case_id not in files.rows
    ]
    lesions = {case_id: row.values["lesion_id"] for case_id, row in files.rows.items()}
    return _pictures("HAM10000", files.images, files.masks, lesions, problems)


def _pictures(
    name: str,
    images: Mapping[str, Path],
    masks: Mapping[str, Path],
    patients: Mapping[str, str],
    problems: list[Problem],
) -> Inventory:
    """List pictures and masks, paired or not, so that all of them are read."""
    cases = []
    for case_id in sorted(images.keys() | masks.keys()):
        image, mask = images.get(case_id), masks.get(case_id)
        cases.append(Case(case_id, patients.get(case_id, case_id), (image,) if image else (), mask))
        if image is None and mask is not None:
            problems.append(Problem(case_id, "the mask has no image", mask))
        elif image is not None and mask is None:
            problems.append(Problem(case_id, "the image has no mask", image))
    return Inventory(name, tuple(cases), tuple(problems), check_picture)
