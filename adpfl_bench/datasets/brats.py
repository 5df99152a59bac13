"""BraTS and FeTS: adult glioma in MRI of four sequences, the challenges of 2018 to 2024."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from adpfl_bench.data.case import Case
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import check_root, find_named, list_folders
from adpfl_bench.data.volumes.release import Survey, VolumeRelease, choose_release
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.datasets.catalogue import DATASETS, find_writer
from adpfl_bench.errors import DataError

CHANNELS = ("t1", "t1ce", "t2", "flair")
"""The suite's order of sequences, under the names of 2018 to 2021."""

_WT, _TC, _ET = ("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",)

BRATS = LabelScheme(
    name="brats",
    classes=("NETC", "SNFH", "ET"),
    regions={"WT": _WT, "TC": _TC, "ET": _ET},
    painting=(("WT", "SNFH"), ("TC", "NETC"), ("ET", "ET")),
    tolerances={"WT": 1.0, "TC": 1.0, "ET": 1.0},
    source="BraTS 2018 to 2023, arXiv 2107.02314; the tolerance of 1 mm is that of BraTS 2024",
)

BRATS_2024 = LabelScheme(
    name="brats2024",
    classes=("NETC", "SNFH", "ET", "RC"),
    regions={"WT": _WT, "TC": _TC, "ET": _ET, "NETC": ("NETC",), "SNFH": ("SNFH",), "RC": ("RC",)},
    # NETC is predicted itself: painted as what TC has over ET, every case without it gets slivers along the edge of ET.
    painting=(("WT", "SNFH"), ("NETC", "NETC"), ("ET", "ET"), ("RC", "RC")),
    tolerances=dict.fromkeys(("WT", "TC", "ET", "NETC", "SNFH", "RC"), 1.0),
    source="BraTS 2024 adult glioma after treatment, arXiv 2405.18368",
)

_OLD_ENDINGS = ("_t1", "_t1ce", "_t2", "_flair", "_seg")
_NEW_ENDINGS = ("-t1n", "-t1c", "-t2w", "-t2f", "-seg")

_OLD_LABELS = {1: "NETC", 2: "SNFH", 4: "ET"}
_NEW_LABELS = {1: "NETC", 2: "SNFH", 3: "ET"}
_AFTER_TREATMENT = "BraTS 2024 GLI"

KNOWN_VALUES = {
    frozenset({1, 2, 3}): "BraTS 2023 or MSD Task01",
    frozenset({1, 2, 4}): "BraTS 2018 to 2021 or FeTS",
    frozenset({1, 2, 3, 4}): "BraTS 2024",
}
"""Which releases of brain tumours use which label values."""


def _release(name: str, labels: Mapping[int, str], *schemes: LabelScheme) -> VolumeRelease:
    endings = (_OLD_ENDINGS[:-1], _NEW_ENDINGS[:-1])
    return VolumeRelease(
        name, "MRI", CHANNELS, labels, schemes or (BRATS,), known_values=KNOWN_VALUES, endings=endings, masked=True
    )


#: Releases by name.
RELEASES: Mapping[str, VolumeRelease] = MappingProxyType(
    {
        **{
            name: _release(name, _OLD_LABELS)
            for name in ("BraTS 2018", "BraTS 2019", "BraTS 2020", "BraTS 2021", "FeTS 2021", "FeTS 2022")
        },
        "BraTS 2023 GLI": _release("BraTS 2023 GLI", _NEW_LABELS),
        _AFTER_TREATMENT: _release(_AFTER_TREATMENT, {**_NEW_LABELS, 4: "RC"}, BRATS_2024, BRATS),
    }
)

LAYOUT = DATASETS["brats"]

#: Release by the pattern of its case folders; the group ``site``, where there is one, is who acquired the case.
_CASES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Brats18_(?P<site>[A-Za-z0-9]+)_.+"), "BraTS 2018"),
    (re.compile(r"BraTS19_(?P<site>[A-Za-z0-9]+)_.+"), "BraTS 2019"),
    (re.compile(r"BraTS20_Training_\d+"), "BraTS 2020"),
    (re.compile(r"BraTS2021_\d+"), "BraTS 2021"),
    (re.compile(r"FeTS21_Training_\d+"), "FeTS 2021"),
    (re.compile(r"FeTS2022_\d+"), "FeTS 2022"),
    (re.compile(r"(?P<patient>BraTS-GLI-\d+)-0\d\d"), "BraTS 2023 GLI"),
    (re.compile(r"(?P<patient>BraTS-GLI-\d+)-[1-9]\d\d"), _AFTER_TREATMENT),
)

_GRADES = ("HGG", "LGG")
"""Folders of high- and low-grade glioma, in BraTS 2018 and 2019."""


class BraTSDataModule(VolumeDataModule):
    """BraTS 2018 to 2024 (adult glioma) or FeTS, whichever is in the folder; time points of a patient stay together.

    BraTS 2018 and 2019 name the source of a case; FeTS publishes its institutions in a partition file, which
    ``site_file`` takes.

    Args:
        root: Folder that holds the case folders, at most two folders below, or ``phantom``.
        partition: Who holds which patients; by default four clients of equal size.
        phantom_layout: Whose layout the phantom cohort has.
        **volumes: Further arguments of VolumeDataModule.
    """

    patient_id_is = "patient"
    releases = RELEASES

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        phantom_layout: Literal["brats2021", "brats2023", "brats2024"] = "brats2021",
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition, **volumes)
        self.phantom = find_writer(phantom_layout)

    def survey(self, root: Path) -> Survey:
        """Recognise the release and list the cases."""
        return survey_brats(root, self.release_name)


def survey_brats(root: Path, release: str | None = None) -> Survey:
    """List the cases of a BraTS or FeTS folder.

    The release is recognised by how its case folders are called; in BraTS-GLI the last field is a time point, which
    is 100 or more after treatment (2024). The time points of a patient have one ``patient_id``. Cases in folders
    ``HGG/`` and ``LGG/`` have that as ``grade`` in their metadata. Of a folder with several releases, ``release``
    chooses one; of a folder with one, it says what to take that for.

    Args:
        root: Folder that holds the case folders, at most two folders below (``HGG/``, ``LGG/``).
        release: Name of the release, to override what the folder says.

    Raises:
        DataError: The folder is no such release, or holds several.
    """
    root = Path(root)
    found: dict[str, list[tuple[Path, re.Match[str]]]] = {}
    for folder in _case_folders(root):
        for pattern, name in _CASES:
            if match := pattern.fullmatch(folder.name):
                found.setdefault(name, []).append((folder, match))
    if not found:
        check_root(root, LAYOUT, DATASETS.values())
        raise DataError(f"BraTS: {root} holds no case folders; give the folder that holds {LAYOUT.expected}.")
    if len(found) > 1 and release is None:
        kinds = ", ".join(f"{name} (for example {cases[0][0]})" for name, cases in found.items())
        raise DataError(
            f"BraTS: {root} holds several releases: {kinds}; give a folder with one of them, or choose one as release."
        )
    chosen = choose_release(release or next(iter(found)), RELEASES, "BraTS")
    if len(found) > 1 and chosen.name not in found:
        raise DataError(f"BraTS: {root} holds {', '.join(found)}, but not {chosen.name}; choose one of those.")
    folders = sorted(found.get(chosen.name) or next(iter(found.values())), key=lambda pair: pair[0].name)
    cases, problems = [], []
    for position, (folder, match) in enumerate(folders):
        if position and folders[position - 1][0].name == folder.name:
            problems.append(Problem(folder.name, f"is there twice, also as {folders[position - 1][0]}", folder))
            continue
        files, missing = _files(folder)
        problems += [Problem(folder.name, f"{name} is missing", folder) for name in missing]
        if not missing:
            groups = match.groupdict()
            patient, site = groups.get("patient") or folder.name, groups.get("site")
            grade = {"grade": folder.parent.name} if folder.parent.name in _GRADES else {}
            cases.append(Case(folder.name, patient, tuple(files[:-1]), files[-1], site, grade))
    return Survey(chosen, tuple(cases), tuple(problems))


def _case_folders(root: Path) -> Iterator[Path]:
    """Folders that are called like cases, without looking into them."""
    level = [root]
    for _ in range(3):
        below = [child for folder in level for child in list_folders(folder, "*")]
        yield from (folder for folder in below if any(pattern.fullmatch(folder.name) for pattern, _ in _CASES))
        level = [folder for folder in below if not any(pattern.fullmatch(folder.name) for pattern, _ in _CASES)]


def _files(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files of a case, sequences first, and the names of those that are missing."""
    endings = _NEW_ENDINGS if folder.name.startswith("BraTS-GLI") else _OLD_ENDINGS
    files, missing = [], []
    for ending in endings:
        names = [f"{folder.name}{ending}{suffix}" for suffix in (".nii.gz", ".nii")]
        file = find_named(folder, names)
        if file is None:
            missing.append(names[0])
        else:
            files.append(file)
    return files, missing
