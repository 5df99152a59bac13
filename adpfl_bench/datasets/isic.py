"""ISIC challenge, lesion boundary segmentation: the training sets of 2016, 2017 and 2018 (Task 1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.images.picture_checks import list_pictures
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.scanning import check_root, index_files, recognise_datasets
from adpfl_bench.datasets.catalogue import DATASETS
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.isic_writer import IsicWriter

LAYOUT = DATASETS["isic"]


class ISICDataModule(ImageDataModule):
    """ISIC challenge 2016, 2017 or 2018 Task 1, whichever is in the folder.

    The challenges name no site and no patient, so clients have to be made.
    """

    phantom = IsicWriter
    patient_id_is = "image"
    left_out = (*(f"*{name}*" for name in ("_superpixels.", "Validation", "Test", "Part2", "Part3", "Task2", "Task3")),)

    def scan(self, root: Path) -> list[Case]:
        """List the images of the challenge."""
        return self.inventory(root).complete(
            f"Unpack all archives again (from {LAYOUT.source}), or remove these files."
        )

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """Recognise the year and list images and masks, paired or not."""
        return survey_isic(root)


@dataclass(frozen=True)
class ISICRelease:
    """Layout of one year's release below its root.

    Attributes:
        name: Name for people, e.g. ``"ISIC 2017"``.
        images: Folder of the images ``<id>.jpg``.
        masks: Folder of the masks ``<id><ending>.png``.
        ending: What the name of a mask adds to the case id.
    """

    name: str
    images: str
    masks: str
    ending: str


RELEASES = tuple(
    ISICRelease(name, images, masks, "_Segmentation" if name == "ISIC 2016" else "_segmentation")
    for name, (images, masks) in LAYOUT.tell_tales.items()
)


def recognise_isic(root: Path) -> ISICRelease:
    """Recognise which year's release a folder holds.

    Raises:
        DataError: The folder is no ISIC release, or holds several.
    """
    root = Path(root)
    check_root(root, LAYOUT, DATASETS.values())
    found = recognise_datasets(root, [LAYOUT])
    releases = [release for release in RELEASES if release.name in found]
    if len(releases) > 1:
        names = " and ".join(release.name for release in releases)
        raise DataError(
            f"ISIC: {root} holds {names}, which share images; keep each release in a folder of its own and give one."
        )
    return releases[0]


def survey_isic(root: Path) -> Inventory:
    """List an ISIC 2016, 2017 or 2018 (Task 1) training set; the year is recognised by its folders.

    Files are listed, not opened. Superpixel images, tables and licence texts of the release are ignored, and so are
    its validation and test sets. The releases say nothing about patients, lesions or sites: ``patient_id`` is the
    case id, ``site`` is ``None``, and images of one lesion may end up in different splits or clients.

    Args:
        root: Folder that holds the release's image and mask folders.

    Returns:
        Images and masks, sorted by id; one without the other is among the problems.

    Raises:
        DataError: The folder is not such a release, is empty, or a file is there twice.
    """
    root = Path(root)
    release = recognise_isic(root)
    for name in (release.images, release.masks):
        if not (root / name).is_dir():
            raise DataError(
                f"{release.name} in {root} lacks the folder {name}/; unpack it there (from {LAYOUT.source})."
            )
    images = index_files([root / release.images], (".jpg", ".jpeg", ".png"), skip="*_superpixels")
    masks = index_files([root / release.masks], (".png",), ending=release.ending)
    if not images and not masks:
        raise DataError(
            f"{release.name}: no images in {root / release.images}; unpack them there (from {LAYOUT.source})."
        )
    return list_pictures(release.name, images, masks)
