"""KiTS: kidney tumours in CT, the challenges of 2019, 2021 and 2023."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import check_root, find_named, list_folders
from adpfl_bench.data.volumes.release import Survey, VolumeRelease, choose_release
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.datasets.catalogue import DATASETS
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.volumes.kits_writer import KitsWriter
from adpfl_bench.text import a_few

_log = logging.getLogger(__name__)

KITS = LabelScheme(
    name="kits",
    classes=("kidney", "tumour", "cyst"),
    regions={
        "kidney_and_masses": ("kidney", "tumour", "cyst"),
        "masses": ("tumour", "cyst"),
        "tumour": ("tumour",),
    },
    painting=(("kidney_and_masses", "kidney"), ("masses", "cyst"), ("tumour", "tumour")),
    tolerances={
        "kidney_and_masses": 1.0330772532390826,
        "masses": 1.1328796488598762,
        "tumour": 1.1498198361434828,
    },
    source="KiTS21 and KiTS23, github.com/neheller/kits23, kits23/configuration/labels.py",
)

KITS19 = LabelScheme(
    name="kits19",
    classes=("kidney", "tumour"),
    regions={"kidney_and_masses": ("kidney", "tumour"), "tumour": ("tumour",)},
    painting=(("kidney_and_masses", "kidney"), ("tumour", "tumour")),
    tolerances={"kidney_and_masses": 1.0330772532390826, "tumour": 1.1498198361434828},
    source="KiTS19 (no cyst label), kits19.grand-challenge.org; tolerances of KiTS21 and KiTS23",
)

_KITS19_LABELS = {1: "kidney", 2: "tumour"}
_LABELS = {**_KITS19_LABELS, 3: "cyst"}
_KNOWN_VALUES = {frozenset(_KITS19_LABELS): "KiTS19", frozenset(_LABELS): "KiTS21 or KiTS23"}


def _release(name: str, labels: Mapping[int, str], scheme: LabelScheme, **more: Any) -> VolumeRelease:
    return VolumeRelease(name, "CT", ("CT",), labels, (scheme,), organs=("kidney",), known_values=_KNOWN_VALUES, **more)


#: Releases by name.
RELEASES: Mapping[str, VolumeRelease] = MappingProxyType(
    {
        "KiTS19": _release("KiTS19", _KITS19_LABELS, KITS19, prediction_name="prediction_{number}.nii.gz"),
        "KiTS21": _release("KiTS21", _LABELS, KITS),
        "KiTS23": _release("KiTS23", _LABELS, KITS),
    }
)

LAYOUT = DATASETS["kits"]

_FIRST_ID_OF_2023 = 400  # 2019 and 2021 number their cases 0 to 299, and 2023 adds those from 400 on
_VOTED = "aggregated_MAJ_seg.nii.gz"  # of KiTS21, which has several annotations of each case
_SEGMENTATION = "segmentation.nii.gz"


class KiTSDataModule(VolumeDataModule):
    """KiTS 2019, 2021 or 2023, whichever is in the folder.

    The challenge names no hospitals in its folder; a site file gives natural clients (KiTS19's is published with
    FLamby).

    Args:
        root: Folder with the ``case_*`` folders, or with ``dataset/`` or ``data/`` that holds them, or ``phantom``.
        partition: Who holds which patients; by default four clients of equal size.
        spacing: Voxel edge lengths of the network's grid in mm.
        patch_size: Shape of a training patch in voxels.
        **volumes: Further arguments of VolumeDataModule.
    """

    phantom = KitsWriter
    patient_id_is = "patient"
    left_out = (
        "*/instances/*",
        "*/segmentations/*",
        "*/raw/*",
        "*_seg.nii.gz",
        "*case_*/*imaging.nii.gz",
        "*/prediction*",
    )
    releases = RELEASES

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        spacing: tuple[float, float, float] | None = (1.6, 1.6, 3.0),
        patch_size: tuple[int, int, int] = (128, 128, 64),
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition, spacing, patch_size, **volumes)

    def survey(self, root: Path) -> Survey:
        """Recognise the year and list the cases."""
        return survey_kits(root, self.release_name)


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
    check_root(root, LAYOUT, DATASETS.values())
    holders = [folder for folder in (root, root / "dataset", root / "data") if list_folders(folder, "case_[0-9]*")]
    if len(holders) > 1:
        raise DataError(
            f"KiTS: {root} holds cases in {a_few([str(holder) for holder in holders])}; keep each release in a"
            " folder of its own and give one."
        )
    if not holders:
        raise DataError(f"KiTS: {root} holds no folders of cases; give the folder that holds {LAYOUT.expected}.")
    holder = holders[0]
    folders = list_folders(holder, "case_[0-9]*")
    chosen = choose_release(release or _recognise(root, holder, folders), RELEASES, "KiTS")
    cases, problems, unlabelled = [], [], []
    for folder in folders:
        names = "imaging.nii.gz", _VOTED if chosen.name == "KiTS21" else _SEGMENTATION
        image, label = (find_named(folder, [name]) or folder / name for name in names)
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
