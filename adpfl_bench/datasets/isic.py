"""ISIC challenge, lesion boundary segmentation: the training sets of 2016, 2017 and 2018 (Task 1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.scanning import Layout, check_pairs, check_root, index_files, recognise_datasets
from adpfl_bench.errors import DataError


@dataclass(frozen=True)
class ISICRelease:
    """How one year's release is laid out below its root.

    Attributes:
        year: Year of the challenge.
        images: Folder of the images ``<id>.jpg``.
        masks: Folder of the masks ``<id><ending>.png``.
        ending: What the name of a mask adds to the case id.
    """

    year: int
    images: str
    masks: str
    ending: str

    @property
    def name(self) -> str:
        """Name for people, e.g. ``"ISIC 2017"``."""
        return f"ISIC {self.year}"


RELEASES = (
    ISICRelease(2016, "ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth", "_Segmentation"),
    ISICRelease(2017, "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth", "_segmentation"),
    ISICRelease(2018, "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth", "_segmentation"),
)

_SOURCE = "https://challenge.isic-archive.com/data/"
_ANY_YEAR = Layout(
    dataset="ISIC",
    names=tuple(release.name for release in RELEASES),
    expected=", or ".join(f"{release.images}/ and {release.masks}/" for release in RELEASES),
    source=_SOURCE,
)


def recognise_isic(root: Path) -> ISICRelease:
    """Recognise which year's release a folder holds.

    Raises:
        DataError: The folder is no ISIC release, or holds several.
    """
    root = Path(root)
    check_root(root, _ANY_YEAR)
    found = recognise_datasets(root)
    releases = [release for release in RELEASES if release.name in found]
    if len(releases) > 1:
        names = " and ".join(release.name for release in releases)
        raise DataError(
            f"ISIC: {root} holds {names}, which share images; keep each release in a folder of its own and give one."
        )
    return releases[0]


def scan_isic(root: Path) -> list[Case]:
    """List the cases of an ISIC 2016, 2017 or 2018 (Task 1) training set; the year is recognised by its folders.

    Files are listed, not opened. Superpixel images, tables and licence texts of the release are ignored, and so are
    its validation and test sets. The releases say nothing about patients, lesions or sites: ``patient_id`` is the
    case id, ``site`` is ``None``, and images of one lesion may end up in different splits or clients.

    Args:
        root: Folder that holds the release's image and mask folders.

    Returns:
        The cases, sorted by id.

    Raises:
        DataError: The folder is not such a release, or an image or mask is missing or there twice.
    """
    release, images, masks = list_isic(root)
    layout = Layout(release.name, (release.name,), f"{release.images}/ and {release.masks}/", _SOURCE)
    check_pairs(layout, Path(root), images, masks, f"{release.masks}/<id>{release.ending}.png")
    return [Case(case_id, case_id, (image,), masks[case_id]) for case_id, image in images.items()]


def list_isic(root: Path) -> tuple[ISICRelease, dict[str, Path], dict[str, Path]]:
    """List the images and masks of a release by case id, whether or not they pair up.

    Raises:
        DataError: As :func:`scan_isic`, but not for an image without a mask or the other way round.
    """
    root = Path(root)
    release = recognise_isic(root)
    for name in (release.images, release.masks):
        if not (root / name).is_dir():
            raise DataError(f"{release.name} in {root} lacks the folder {name}/; unpack it there (from {_SOURCE}).")
    images = index_files([root / release.images], (".jpg", ".jpeg", ".png"), skip="*_superpixels")
    masks = index_files([root / release.masks], (".png",), ending=release.ending)
    if not images and not masks:
        raise DataError(f"{release.name}: no images in {root / release.images}; unpack them there (from {_SOURCE}).")
    return release, images, masks
