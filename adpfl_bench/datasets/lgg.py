"""TCGA-LGG of Buda et al.: MRI slices of lower-grade glioma by patient and institution."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_source import CaseSource
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.new_cases import NewCases
from adpfl_bench.data.partitioning.partition import NaturalPartition, Partition
from adpfl_bench.data.problems import Problem, refuse
from adpfl_bench.data.scanning import check_root, list_files, list_folders
from adpfl_bench.data.volumes.new_stacks import find_stacks
from adpfl_bench.data.volumes.release import Survey, VolumeRelease, choose_release
from adpfl_bench.data.volumes.tiff_stack import TiffPagesReader, TiffStackReader
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.datasets.brats import KNOWN_VALUES
from adpfl_bench.datasets.catalogue import DATASETS
from adpfl_bench.phantoms.volumes.lgg_writer import LggWriter
from adpfl_bench.records.protected import Identity

NAME = "TCGA-LGG"
LGG = LabelScheme(
    name="lgg",
    classes=("abnormality",),
    regions={"abnormality": ("abnormality",)},
    painting=(("abnormality", "abnormality"),),
    tolerances={"abnormality": 0.5},  # percent of the diagonal: the files state no size of a voxel
    source="FLAIR abnormality, Buda et al. 2019, arXiv 1906.03720",
)
RELEASE = VolumeRelease(
    NAME,
    "MRI",
    ("pre", "flair", "post"),
    {1: "abnormality"},
    (LGG,),
    reader=TiffStackReader(),
    known_values=KNOWN_VALUES,
    # 8-bit pictures of heads with their noise; where a sequence is missing, the publisher repeats FLAIR in its place.
    usual=frozenset({"background", "identical sequences"}),
)

LAYOUT = DATASETS["lgg"]

_PATIENT = re.compile(r"(?P<patient>TCGA_(?P<site>[A-Z0-9]{2})_[A-Za-z0-9]+)_\d+")
_ADVICE = "Unpack the archive again, or remove the patients."


class LGGDataModule(VolumeDataModule):
    """TCGA-LGG of Buda et al., the slices of a patient stacked to a volume; the institutions are the clients.

    The files state no voxel size, so distances are in voxels.

    Args:
        root: Folder with ``kaggle_3m`` or with the patients' folders, or ``phantom``.
        partition: Who holds which patients; by default the institutions.
        patch_size: Shape of a training patch in voxels.
        **volumes: Further arguments of VolumeDataModule.
    """

    phantom = LggWriter
    patient_id_is = "patient"
    left_out = ("lgg-mri-segmentation/*",)  # the archive holds everything twice
    usual_partition = NaturalPartition()
    releases = MappingProxyType({NAME: RELEASE})

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        patch_size: tuple[int, int, int] = (192, 192, 16),
        **volumes: Any,
    ) -> None:
        super().__init__(root, partition, None, patch_size, **volumes)

    @classmethod
    def cohort_settings(cls, trained: CaseSource, root: Path, release: str | None) -> Mapping[str, Any]:
        """As of other volumes, without the spacing that these have not: slices stay as they are."""
        settings = dict(super().cohort_settings(trained, root, release))
        if settings.get("spacing", 0) is None:
            del settings["spacing"]
        return settings

    def survey(self, root: Path) -> Survey:
        """List the patients."""
        return survey_lgg(root, self.release_name)

    def find_new(self, paths: Sequence[Path], release: str | None) -> NewCases:
        """Find folders of slices, and TIFF files whose pages are slices."""
        self.new_release(release)
        return find_stacks(paths)

    def new_reader(self, case: Case) -> VolumeRelease:
        """Read the only file of a case as pages."""
        return replace(self.release, reader=TiffPagesReader()) if len(case.images) == 1 else self.release


class LGGSlicesDataModule(ImageDataModule):
    """TCGA-LGG as pictures: each slice is a case with its mask; the slices of a patient stay together.

    Most slices hold no abnormality. One that is found empty as well has Dice 1, so means over slices are higher than
    those over volumes, and the two do not compare.

    Args:
        root: Folder with ``kaggle_3m`` or with the patients' folders, or ``phantom``.
        partition: Who holds which patients; by default the institutions.
        phantom_size: Slices, rows and columns of phantom patients.
        **images: Further arguments of ImageDataModule.
    """

    phantom = LggWriter
    patient_id_is = "patient"
    left_out = LGGDataModule.left_out
    usual_partition = NaturalPartition()

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        phantom_size: tuple[int, ...] = LggWriter.default_size,
        **images: Any,
    ) -> None:
        super().__init__(root, partition, phantom_size=phantom_size, **images)

    @property
    def example_is(self) -> Identity:
        """An example is a slice."""
        return "slice"

    def scan(self, root: Path) -> list[Case]:
        """List the slices of all patients."""
        return scan_lgg_slices(root)


@dataclass(frozen=True)
class _Patient:
    folder: Path
    patient_id: str
    site: str
    slices: tuple[Path, ...]
    masks: tuple[Path, ...]


def survey_lgg(root: Path, release: str | None = None) -> Survey:
    """List the patients as volumes: their slices, stacked in the order of their numbers.

    Args:
        root: Folder with ``kaggle_3m`` or with the patients' folders.
        release: ``TCGA-LGG``, the only one.

    Raises:
        DataError: The folder holds something else.
    """
    chosen = choose_release(release or NAME, {NAME: RELEASE}, "TCGA-LGG")
    patients, problems = _patients(Path(root))
    cases = tuple(Case(p.folder.name, p.patient_id, p.slices, p.folder, p.site) for p in patients)
    return Survey(chosen, cases, tuple(problems))


def scan_lgg_slices(root: Path) -> list[Case]:
    """List the slices as pictures of their own, each with its mask; ``root`` as for :func:`survey_lgg`.

    Raises:
        DataError: The folder holds something else, or a slice or a mask is missing.
    """
    patients, problems = _patients(Path(root))
    refuse(problems, NAME, _ADVICE)
    return [
        Case(image.stem, patient.patient_id, (image,), mask, patient.site)
        for patient in patients
        for image, mask in zip(patient.slices, patient.masks, strict=True)
    ]


def _patients(root: Path) -> tuple[list[_Patient], list[Problem]]:
    check_root(root, LAYOUT, DATASETS.values())
    holder = root / "kaggle_3m" if (root / "kaggle_3m").is_dir() else root
    patients, problems = [], []
    for folder in list_folders(holder, "TCGA_*"):
        match = _PATIENT.fullmatch(folder.name)
        if match is None:
            problems.append(Problem(folder.name, "is not called TCGA_<site>_<patient>_<date>", folder))
            continue
        images, masks, wrong = _slices(folder)
        problems += wrong
        if not wrong:
            slices = tuple((images[number], masks[number]) for number in sorted(images))
            patients.append(_Patient(folder, match["patient"], match["site"], *zip(*slices, strict=True)))
    return patients, problems


def _slices(folder: Path) -> tuple[dict[int, Path], dict[int, Path], list[Problem]]:
    """A patient's slices and masks by number, and what is missing among them, or there twice."""
    pattern = re.compile(re.escape(folder.name) + r"_(\d+)(_mask)?\.tif")
    images: dict[int, Path] = {}
    masks: dict[int, Path] = {}
    wrong = []
    for name in list_files(folder):
        if match := pattern.fullmatch(name):
            kind, number = masks if match[2] else images, int(match[1])
            if number in kind:
                wrong.append(Problem(folder.name, f"is there twice, also as {kind[number].name}", folder / name))
            kind[number] = folder / name
    if not images:
        wrong.append(Problem(folder.name, "has no slices", folder))
    for number in sorted(images.keys() - masks):
        wrong.append(Problem(folder.name, f"slice {number} has no mask", images[number]))
    for number in sorted(masks.keys() - images):
        wrong.append(Problem(folder.name, f"slice {number} is missing", masks[number]))
    both = sorted(images | masks)
    for below, above in itertools.pairwise(both):
        if above - below > 1:  # which may be millions
            gap = f"slice {below + 1} is" if above - below == 2 else f"slices {below + 1} to {above - 1} are"
            wrong.append(Problem(folder.name, f"{gap} missing", folder))
    return images, masks, wrong
