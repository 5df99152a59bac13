"""HAM10000: 10,015 dermoscopic images from four sources, with lesion masks (doi:10.7910/DVN/DBW86T)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.csv_table import Row, read_table
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.images.picture_checks import list_pictures
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.partitioning.partition import NaturalPartition
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import check_pairs, check_root, index_files
from adpfl_bench.datasets.catalogue import DATASETS, layouts
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.ham10000_writer import Ham10000Writer
from adpfl_bench.text import a_few, count

_log = logging.getLogger(__name__)

LAYOUT = DATASETS["ham10000"].layout
_METADATA = ("HAM10000_metadata", "HAM10000_metadata.csv", "HAM10000_metadata.tab")
_COLUMNS = ("lesion_id", "image_id", "dataset")


class HAM10000DataModule(ImageDataModule):
    """HAM10000 with its lesion segmentations; images of one lesion stay together.

    The sources ``vidir_molemax``, ``vidir_modern``, ``rosendahl`` and ``vienna_dias`` are the clients if no other
    partition is given.
    """

    phantom = Ham10000Writer
    usual_partition = NaturalPartition()

    def scan(self, root: Path) -> list[Case]:
        """List the images of all parts."""
        return scan_ham10000(root)

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """List images and masks, paired or not, and images that the metadata lack."""
        files = list_ham10000(root)
        problems = [
            Problem(case_id, f"has no row in {files.metadata_file.name}", path)
            for case_id, path in files.images.items()
            if case_id not in files.rows
        ]
        lesions = {case_id: row.values["lesion_id"] for case_id, row in files.rows.items()}
        return list_pictures("HAM10000", files.images, files.masks, lesions, problems)


def scan_ham10000(root: Path) -> list[Case]:
    """List the cases of HAM10000.

    Images may lie in any number of folders ``HAM10000_images*``. Image files are listed, not opened. The patient of a
    case is its lesion, the finest grouping that the dataset states; its site is the column ``dataset``
    (vidir_molemax, vidir_modern, rosendahl, vienna_dias); the other columns become its metadata. Rows of the
    metadata that have neither image nor mask are left out, so that a subset can be used; their number is logged.

    Args:
        root: Folder that holds the image folders, the mask folder and the metadata.

    Returns:
        The cases, sorted by id.

    Raises:
        DataError: The folder is not HAM10000; an image lacks its mask, its metadata or the other way round; a case
            is there twice; or the metadata cannot be read.
    """
    found = list_ham10000(root)
    images, masks, metadata_file, rows = found.images, found.masks, found.metadata_file, found.rows
    check_pairs(LAYOUT.dataset, LAYOUT.source, Path(root), images, masks, found.mask_name)
    if unknown := [case_id for case_id in images if case_id not in rows]:
        raise DataError(
            f"HAM10000: {count(unknown, 'image')} without a row in {metadata_file}: {a_few(unknown)}. "
            f"Take the complete metadata (from {LAYOUT.source}), or remove these images and masks."
        )
    if left_out := len(rows) - len(images):
        _log.info("HAM10000: %d of %d rows of %s have no image and are left out.", left_out, len(rows), metadata_file)
    return [
        Case(
            case_id=case_id,
            patient_id=row["lesion_id"],
            images=(image,),
            label=masks[case_id],
            site=row["dataset"],
            metadata={column: value for column, value in row.items() if column not in _COLUMNS},
        )
        for case_id, image in images.items()
        for row in (rows[case_id].values,)
    ]


@dataclass(frozen=True)
class HAM10000Files:
    """What lies in a HAM10000 folder, whether or not it fits together.

    Attributes:
        images: Image files by case id.
        masks: Mask files by case id.
        mask_name: How a mask is named, e.g. ``"Masks/<id>_segmentation.png"``.
        metadata_file: The metadata.
        rows: Its rows by case id.
    """

    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    mask_name: str
    metadata_file: Path
    rows: Mapping[str, Row]


def list_ham10000(root: Path) -> HAM10000Files:
    """List images and masks by case id, and read the metadata.

    Raises:
        DataError: As :func:`scan_ham10000`, but not for what lacks its image, mask or metadata.
    """
    root = Path(root)
    check_root(root, LAYOUT, layouts())
    image_folders = _folders(root, "HAM10000_images*")
    mask_folders = _folders(root, "HAM10000_segmentations*")
    metadata_file = _find_metadata(root)
    images = index_files(image_folders, (".jpg", ".jpeg", ".png"))
    masks = index_files(mask_folders, (".png",), ending="_segmentation")
    if not images and not masks:
        names = ", ".join(f"{folder.name}/" for folder in image_folders)
        raise DataError(f"HAM10000: no images in {names} of {root}; unpack them there (from {LAYOUT.source}).")
    mask_name = f"{mask_folders[0].name}/<id>_segmentation.png"
    return HAM10000Files(images, masks, mask_name, metadata_file, _rows_by_image(metadata_file))


def _folders(root: Path, pattern: str) -> list[Path]:
    """Find the folders of a kind; the pattern's case matters, as some mirrors hold a lower-case copy of the images."""
    folders = sorted(path for path in root.glob(pattern) if path.is_dir())
    if not folders:
        raise DataError(
            f"HAM10000 in {root} has no folder {pattern}; expected {LAYOUT.expected} (from {LAYOUT.source})."
        )
    return folders


def _find_metadata(root: Path) -> Path:
    files = [root / name for name in _METADATA if (root / name).is_file()]
    if not files:
        raise DataError(
            f"HAM10000 in {root} has no metadata; expected a file {' or '.join(_METADATA)} (from {LAYOUT.source})."
        )
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise DataError(f"HAM10000 in {root} has several metadata files, {names}; keep one.")
    return files[0]


def _rows_by_image(path: Path) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for row in read_table(path, _COLUMNS, "HAM10000 metadata"):
        image_id = row.values["image_id"]
        if image_id in rows:
            raise DataError(
                f"HAM10000 metadata {path} has the image {image_id} twice, on lines {rows[image_id].line} and "
                f"{row.line}; remove one."
            )
        rows[image_id] = row
    return rows
