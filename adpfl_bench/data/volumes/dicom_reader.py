"""Reader of DICOM series: slices of CT or MRI, one file each, as a volume in the patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import Affine
from adpfl_bench.data.dicom_file import damage, read_dicom
from adpfl_bench.data.dicom_series import LOCALIZER, DicomCase, DicomSeries
from adpfl_bench.data.problems import unreadable
from adpfl_bench.data.volumes.nifti_checks import check_voxel
from adpfl_bench.data.volumes.reader import Float32Array, NiftiReader, VolumeHeader, VolumeReader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.data.volumes.series_geometry import SlicePlace, arrange_slices, check_directions
from adpfl_bench.errors import DataError

if TYPE_CHECKING:
    from pydicom import FileDataset

Modality = Literal["CT", "MRI"]

DICOM_MODALITIES: Mapping[Modality, str] = MappingProxyType({"CT": "CT", "MRI": "MR"})
"""What the attribute Modality is of an image of ours."""


class DicomReader(VolumeReader):
    """Reader of a case's series, each a channel, [column, row, slice] with slices in the order of their positions.

    Values are those of the modality: what is stored, by RescaleSlope and RescaleIntercept of its own file.

    Args:
        modality: CT must state how its values become Hounsfield units.
    """

    def __init__(self, modality: Modality) -> None:
        self._modality = modality
        self._arranged: dict[DicomSeries, tuple[list[Path], VolumeHeader]] = {}

    def parts(self, case: Case) -> list[Case]:
        """Return each series by itself."""
        return [replace(_dicom(case), images=(one.folder,), series=(one,)) for one in _dicom(case).series]

    def file_of(self, case: Case, channel: int) -> Path:
        """Return the folder of a channel's series."""
        return case.images[channel]

    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """Read the attributes of all slices, without their pixels, and place them in the patient."""
        return [(series.folder, self.arrange(series)[1]) for series in _dicom(case).series]

    def label_header(self, case: Case) -> VolumeHeader:
        """Refuse: label maps are NIfTI."""
        raise DataError(f"{case.case_id} is a DICOM series, which has no label map.")

    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """Read the slices of one channel, [column, row, slice]."""
        files, header = self.arrange(_dicom(case).series[channel])
        columns, rows, slices = header.shape
        stack = np.empty((slices, rows, columns), dtype=np.float32)
        for number, path in enumerate(files):
            stack[number] = _read_pixels(path, (rows, columns))
        return stack.transpose(2, 1, 0)

    def read_label(self, case: Case) -> NDArray[Any]:
        """Refuse: label maps are NIfTI."""
        raise DataError(f"{case.case_id} is a DICOM series, which has no label map.")

    def arrange(self, series: DicomSeries) -> tuple[list[Path], VolumeHeader]:
        """Put a series' files in the order of their slices, with the header of the volume that they make.

        Raises:
            DataError: A file cannot be read, lacks what it must state, or holds something else than a slice of CT or
                MRI; or the slices make no volume.
        """
        if series not in self._arranged:
            places = [_place(path, self._modality) for path in series.files]
            order, affine = arrange_slices(places)
            check_voxel(series.folder, affine)
            self._arranged[series] = ([places[index].path for index in order], _header(places[0], affine, len(order)))
        return self._arranged[series]


def for_files(release: VolumeRelease, case: Case, order: Sequence[int] = ()) -> VolumeRelease:
    """The release, with the reader of what the case came as.

    Args:
        release: The release.
        case: The case.
        order: Where in a file that holds all channels each of them is.
    """
    if isinstance(case, DicomCase):
        return replace(release, reader=DicomReader(release.modality))
    if len(case.images) == 1 < len(release.channels) and order:
        return replace(release, reader=NiftiReader(order))
    return release


def _dicom(case: Case) -> DicomCase:
    assert isinstance(case, DicomCase)
    return case


def _header(place: SlicePlace, affine: Affine, slices: int) -> VolumeHeader:
    rows, columns = place.shape
    return VolumeHeader((columns, rows, slices), affine)


def _place(path: Path, modality: Modality) -> SlicePlace:
    dataset = read_dicom(path)
    try:
        _check_kind(path, dataset)
        _check_values(path, dataset, modality)
        rows, columns = _numbers(path, dataset, "Rows", 1)[0], _numbers(path, dataset, "Columns", 1)[0]
        directions = _numbers(path, dataset, "ImageOrientationPatient", 6)
        check_directions(path, directions[:3], directions[3:])
        spacing = _numbers(path, dataset, "PixelSpacing", 2)
        position = _numbers(path, dataset, "ImagePositionPatient", 3)
    except damage() as error:
        raise unreadable(path, str(error) or type(error).__name__) from error
    return SlicePlace(path, (int(rows), int(columns)), directions[:3], directions[3:], spacing, position)


def _check_kind(path: Path, dataset: FileDataset) -> None:
    """Refuse what is no slice of grey values that can be decoded here."""
    from pydicom.pixels.decoders.base import get_decoder  # deferred: an extra

    if "PerFrameFunctionalGroupsSequence" in dataset or int(dataset.get("NumberOfFrames") or 1) > 1:
        raise DataError(
            f"{path} is an enhanced (multi-frame) image; expected a slice in each file, so convert it to those or to"
            " NIfTI."
        )
    if LOCALIZER in list(dataset.get("ImageType") or ()):
        raise DataError(f"{path} is a localizer beside the slices of its series; move it elsewhere.")
    samples, photometric = int(dataset.get("SamplesPerPixel") or 1), str(dataset.get("PhotometricInterpretation") or "")
    if samples != 1 or not photometric.startswith("MONOCHROME"):
        raise DataError(f"{path} has colours ({photometric}); expected grey values as the scanner made them.")
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        can_decode = not syntax.is_compressed or syntax.is_deflated or get_decoder(syntax).is_available
    except NotImplementedError:
        can_decode = False
    if not can_decode:
        raise DataError(
            f"{path} is compressed as {syntax.name}, which cannot be decoded here; install pydicom's"
            " plugins by pip install 'pylibjpeg[all]', or export it uncompressed."
        )


def _check_values(path: Path, dataset: FileDataset, modality: Modality) -> None:
    """Refuse values whose meaning is not stated."""
    if modality != "CT":
        return
    if "ModalityLUTSequence" not in dataset:
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            _numbers(path, dataset, keyword, 1)
    kind = str(dataset.get("RescaleType") or "HU")
    if kind != "HU":
        raise DataError(f"{path} has values of the RescaleType {kind}; expected Hounsfield units (HU).")


def _numbers(path: Path, dataset: FileDataset, keyword: str, count: int) -> NDArray[np.float64]:
    stated = dataset.get(keyword)
    values = [] if stated is None else [stated] if isinstance(stated, (int, float)) else list(stated)
    numbers = np.array([float(value) for value in values])
    if len(numbers) != count or not np.isfinite(numbers).all():
        found = f"is {stated}" if values else "is missing"
        raise DataError(
            f"{path} does not say where or what its voxels are: {keyword} {found}; expected"
            f" {'a number' if count == 1 else f'{count} numbers'}, so export it again."
        )
    return numbers


def _read_pixels(path: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Values of one slice, [row, column]."""
    from pydicom.pixels.processing import apply_modality_lut  # deferred: an extra

    dataset = read_dicom(path, pixels=True)
    try:
        values = np.asarray(apply_modality_lut(dataset.pixel_array, dataset))
    except damage() as error:
        raise unreadable(path, str(error) or type(error).__name__) from error
    if values.shape != shape:
        raise DataError(f"{path} has other pixels than its attributes state; export it again.")
    return values.astype(np.float64)
