"""HAM10000: 10,015 dermoscopic images from four sources, with lesion masks (doi:10.7910/DVN/DBW86T)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.csv_table import Row, read_table
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.images.picture_checks import list_pictures
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.partitioning.partition import NaturalPartition
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.scanning import check_root, index_files
from adpfl_bench.datasets.catalogue import DATASETS
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.ham10000_writer import Ham10000Writer

_log = logging.getLogger(__name__)

LAYOUT = DATASETS["ham10000"]
_METADATA = ("HAM10000_metadata", "HAM10000_metadata.csv", "HAM10000_metadata.tab")
_COLUMNS = ("lesion_id", "image_id", "dataset")


class HAM10000DataModule(ImageDataModule):
    """HAM10000 with its lesion segmentations; images of one lesion stay together.

    The sources ``vidir_molemax``, ``vidir_modern``, ``rosendahl`` and ``vienna_dias`` are the clients if no other
    partition is given.
    """

    phantom = Ham10000Writer
    patient_id_is = "lesion"
    left_out = ("ham10000_*", "*ISIC2018_Task3_Test*")
    usual_partition = NaturalPartition()

    def scan(self, root: Path) -> list[Case]:
        """List the images of all parts."""
        return self.inventory(root).complete(
            f"Take the complete archives and metadata again (from {LAYOUT.source}), or remove these files."
        )

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """List images and masks, paired or not, with what the metadata say of them."""
        return survey_ham10000(root)


def survey_ham10000(root: Path) -> Inventory:
    """List HAM10000.

    Images may lie in any number of folders ``HAM10000_images*``. Image files are listed, not opened. The patient of a
    case is its lesion, the finest grouping that the dataset states; its site is the column ``dataset``
    (vidir_molemax, vidir_modern, rosendahl, vienna_dias); the other columns become its metadata. Rows of the
    metadata that have neither image nor mask are left out, so that a subset can be used; their number is logged.

    Args:
        root: Folder that holds the image folders, the mask folder and the metadata.

    Returns:
        Images and masks, sorted by id; what lacks its image, mask or metadata is among the problems.

    Raises:
        DataError: The folder is not HAM10000; a file is there twice; or the metadata cannot be read.
    """
    root = Path(root)
    check_root(root, LAYOUT, DATASETS.values())
    image_folders, mask_folders = _folders(root, "HAM10000_images*"), _folders(root, "HAM10000_segmentations*")
    metadata_file = _find_metadata(root)
    images = index_files(image_folders, (".jpg", ".jpeg", ".png"))
    masks = index_files(mask_folders, (".png",), ending="_segmentation")
    if not images and not masks:
        names = ", ".join(f"{folder.name}/" for folder in image_folders)
        raise DataError(f"HAM10000: no images in {names} of {root}; unpack them there (from {LAYOUT.source}).")
    rows = _rows_by_image(metadata_file)
    if left_out := len(rows.keys() - images.keys() - masks.keys()):
        _log.info("HAM10000: %d of %d rows of %s have no image and are left out.", left_out, len(rows), metadata_file)
    listed = list_pictures("HAM10000", images, masks)
    cases = [_described(case, rows[case.case_id].values) if case.case_id in rows else case for case in listed.cases]
    unknown = [
        Problem(case_id, f"has no row in {metadata_file.name}", path)
        for case_id, path in images.items()
        if case_id not in rows
    ]
    return replace(listed, cases=tuple(cases), problems=(*unknown, *listed.problems))


def _described(case: Case, row: Mapping[str, str]) -> Case:
    others = {column: value for column, value in row.items() if column not in _COLUMNS}
    return replace(case, patient_id=row["lesion_id"], site=row["dataset"], metadata=others)


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
