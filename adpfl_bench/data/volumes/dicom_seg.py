"""DICOM-SEG: a label map as a DICOM object that refers to the series that it was made of, by highdicom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench import __version__
from adpfl_bench.data.dicom_file import damage, read_dicom
from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.volumes.dicom_reader import DicomReader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.errors import ConfigError, DataError, RecordError

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

SEG_SERIES = 900
"""SeriesNumber of what is written; scanners do not count so far as a rule."""

_CODES = {"kidney": "Kidney", "tumour": "Neoplasm", "cyst": "Cyst", "NETC": "Necrosis", "SNFH": "Edema"}
"""SNOMED CT concepts of classes, by their names in pydicom; others are private concepts of the class' name."""

_PRIVATE = "99ADPFL"
# Attributes that may be empty but must be there (type 2); anonymising programs drop them, and highdicom asks for them.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
_LONGEST = 64  # characters of a string of the kind LO


@dataclass(frozen=True)
class SegmentingModel:
    """What made a segmentation, for its DICOM-SEG.

    Attributes:
        name: Its name: the method.
        weights: SHA-256 of its weights; of several models all.
        parameters: Whatever else made it what it is.
    """

    name: str
    weights: tuple[str, ...]
    parameters: Mapping[str, str]


def require_highdicom() -> None:
    """Refuse to go on without highdicom.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import highdicom  # noqa: F401  # deferred: an extra
    except ImportError:
        raise ConfigError(
            "--dicom_seg needs the package highdicom, which is not installed: pip install 'adpfl-bench[dicom]', or"
            " leave it out."
        ) from None


def write_dicom_seg(
    path: Path, case: DicomCase, label_map: NDArray[np.uint8], release: VolumeRelease, model: SegmentingModel
) -> None:
    """Write a label map as binary segments, one for each of the release's classes, numbered from 1 in their order.

    It refers to the slices of the first channel's series, and lies on their grid.

    Args:
        path: The file.
        case: What was segmented.
        label_map: [column, row, slice] of the case's series, with the release's values.
        release: What the values mean.
        model: What made it.

    Raises:
        DataError: The series lacks what a DICOM-SEG must say of it.
        RecordError: The file cannot be written.
    """
    import highdicom  # deferred: an extra
    from pydicom.uid import ExplicitVRLittleEndian

    files, _ = DicomReader(release.modality).arrange(case.series[0])
    sources = [read_dicom(file) for file in files]
    for source in sources:
        for keyword in _MAY_BE_EMPTY:
            if keyword not in source:
                setattr(source, keyword, "")
    masks = np.stack([label_map == value for value in release.labels], axis=-1).transpose(2, 1, 0, 3)
    try:
        made = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=masks,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=_describe(release, model),
            series_instance_uid=highdicom.UID(),
            series_number=SEG_SERIES,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="adpfl-bench",
            manufacturer_model_name=model.name[:_LONGEST],
            software_versions=__version__,
            device_serial_number=model.weights[0][:_LONGEST],
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_description=f"Segmentation by {model.name}"[:_LONGEST],
        )
    except damage() as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{case.series[0].folder} has its label map, but no DICOM-SEG can be made that refers to it ({reason});"
            " mend its attributes, or leave --dicom_seg out."
        ) from error
    try:
        made.save_as(path)
    except OSError as error:
        raise RecordError(f"{path} could not be written: {error}.") from error


def _describe(release: VolumeRelease, model: SegmentingModel) -> list[SegmentDescription]:
    import highdicom  # deferred: an extra
    from pydicom.sr.codedict import codes

    concepts: Any = codes
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=model.name[:_LONGEST],
        family=concepts.DCM.ArtificialIntelligence,
        version=__version__,
        parameters={**model.parameters, "weights": " ".join(model.weights)},
    )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=getattr(
                concepts.SCT, "AnatomicalStructure" if name in release.organs else "MorphologicallyAbnormalStructure"
            ),
            segmented_property_type=getattr(concepts.SCT, _CODES[name])
            if name in _CODES
            else highdicom.sr.CodedConcept(name[:16], _PRIVATE, name[:_LONGEST]),
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(release.labels.values(), 1)
    ]
