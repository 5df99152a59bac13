"""KiTS: kidney tumours in CT, the challenges of 2019, 2021 and 2023."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import Layout, check_root, list_folders
from adpfl_bench.data.volumes.release import Survey, VolumeRelease, choose_release
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few

_log = logging.getLogger(__name__)

_KITS19_LABELS = {1: "kidney", 2: "tumour"}
_LABELS = {**_KITS19_LABELS, 3: "cyst"}

#: Releases by name.
RELEASES: Mapping[str, VolumeRelease] = MappingProxyType(
    {
        "KiTS19": VolumeRelease(
            "KiTS19", "CT", ("CT",), _KITS19_LABELS, ("kits19",), prediction_name="prediction_{number}.nii.gz"
        ),
        "KiTS21": VolumeRelease("KiTS21", "CT", ("CT",), _LABELS, ("kits",)),
        "KiTS23": VolumeRelease("KiTS23", "CT", ("CT",), _LABELS, ("kits",)),
    }
)

LAYOUT = Layout(
    dataset="KiTS",
    names=("KiTS",),
    expected="case_00000/ and so on, each with imaging.nii.gz and segmentation.nii.gz, or dataset/ or data/ with them",
    source="https://github.com/neheller/kits23",
)

_FIRST_ID_OF_2023 = 400  # 2019 and 2021 number their cases 0 to 299, and 2023 adds those from 400 on
_VOTED = "aggregated_MAJ_seg.nii.gz"  # of KiTS21, which has several annotations of each case
_SEGMENTATION = "segmentation.nii.gz"


def survey_kits(root: Path, release: str | None = None) -> Survey:
    """List the cases of a KiTS folder.

    The year is KiTS23 if there is ``kits23.json``, a case has a folder ``instances/``, a case number is 400 or more, or
    the cases lie in a folder ``dataset/``; KiTS21 if a case has aggregated segmentations; otherwise KiTS19. Cases
    without a segmentation are the test set in KiTS19, and left out; later years have none.

    Args:
        root: Folder with the ``case_*`` folders, or with ``dataset/`` or ``data/`` that holds them.
        release: Name of the year, to override what the folder says.

    Raises:
        DataError: The folder is no KiTS release, or the year is unknown.
    """
    root = Path(root)
    check_root(root, LAYOUT)
    holders = [folder for folder in (root, root / "dataset", root / "data") if list_folders(folder, "case_[0-9]*")]
    if len(holders) > 1:
        raise DataError(
            f"KiTS: {root} holds cases in {a_few([str(holder) for holder in holders])}; keep each release in a"
            " folder of its own and give one."
        )
    holder = holders[0]
    folders = list_folders(holder, "case_[0-9]*")
    chosen = choose_release(release or _recognise(root, holder, folders), RELEASES, "KiTS")
    cases, problems, unlabelled = [], [], []
    for folder in folders:
        image = folder / "imaging.nii.gz"
        label = folder / (_VOTED if chosen.name == "KiTS21" else _SEGMENTATION)
        missing = [path for path in (image, label) if not path.is_file()]
        if chosen.name == "KiTS19" and missing == [label]:
            unlabelled.append(folder.name)
            continue
        problems += [Problem(folder.name, f"{path.name} is missing", folder) for path in missing]
        if not missing:
            cases.append(Case(folder.name, folder.name, (image,), label))
    if unlabelled:
        _log.info("%d cases without a segmentation are left out: %s.", len(unlabelled), a_few(unlabelled))
    return Survey(chosen, tuple(cases), tuple(problems))


def _recognise(root: Path, holder: Path, folders: list[Path]) -> str:
    numbers = [int(found[1]) for folder in folders if (found := re.fullmatch(r"case_(\d+)", folder.name))]
    if (
        any((place / "kits23.json").is_file() for place in (root, holder))
        or holder.name == "dataset"
        or max(numbers, default=0) >= _FIRST_ID_OF_2023
        or any((folder / "instances").is_dir() for folder in folders)
    ):
        return "KiTS23"
    return "KiTS21" if any((folder / _VOTED).is_file() for folder in folders) else "KiTS19"
