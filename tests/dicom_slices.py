"""DICOM series made of small volumes, as a scanner's archive has them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DS

ROOT = "1.2.826.0.1.3680043.8.498."

OBLIQUE = np.array([[0.6, 0.0, -0.8], [0.0, 1.0, 0.0], [0.8, 0.0, 0.6]])
"""Directions of rows, columns and slices in LPS, as columns: turned about the patient's y axis."""


def volume(shape: tuple[int, int, int] = (6, 5, 4)) -> NDArray[np.int16]:
    """Hounsfield units [column, row, slice], all different."""
    return (np.arange(np.prod(shape)).reshape(shape) * 7 - 1000).astype(np.int16)


def affine(
    directions: NDArray[np.float64] = OBLIQUE,
    edges: tuple[float, float, float] = (0.75, 0.5, 2.5),
    start: tuple[float, float, float] = (-120.5, 33.25, 812.125),
) -> NDArray[np.float64]:
    """From [column, row, slice] to mm in RAS+, of directions and a start in LPS."""
    placed = np.eye(4)
    placed[:3, :3] = directions * edges
    placed[:3, 3] = start
    return np.diag([-1.0, -1, 1, 1]) @ placed


def write_series(
    folder: Path,
    values: NDArray[np.int16],
    placed: NDArray[np.float64],
    *,
    uid: str = ROOT + "2.1",
    modality: str = "CT",
    signed: bool = False,
    change: Callable[[int, Dataset], None] = lambda number, dataset: None,
    syntax: str = ExplicitVRLittleEndian,
) -> list[Path]:
    """Write a file for each slice; their names, and InstanceNumber, run in an order that says nothing of positions."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1, 1, 1]) @ placed
    edges = np.linalg.norm(lps[:3, :3], axis=0)
    intercept, slope = (0, 1) if modality == "MR" else (-1024, 1)
    paths = []
    shuffled = np.random.default_rng(0).permutation(values.shape[2])
    for number in range(values.shape[2]):
        one = Dataset()
        one.SOPClassUID = MRImageStorage if modality == "MR" else CTImageStorage
        one.SOPInstanceUID = f"{uid}.{number + 1}"
        one.SeriesInstanceUID, one.StudyInstanceUID, one.FrameOfReferenceUID = uid, ROOT + "1", ROOT + "9"
        one.Modality, one.ImageType = modality, ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = "P1", "Doe^Jo", "19700101", "O"
        one.StudyID, one.StudyDate, one.StudyTime, one.AccessionNumber = "1", "20240102", "101112", "A1"
        one.ReferringPhysicianName = ""
        one.SeriesNumber, one.InstanceNumber = 3, int(shuffled[number]) + 1
        one.SliceThickness = DS(99.0)  # of no use, as slices may overlap
        one.ImageOrientationPatient = [DS(float(x), auto_format=True) for x in (lps[:3, :2] / edges[:2]).T.ravel()]
        position = lps[:3, 3] + number * lps[:3, 2]
        one.ImagePositionPatient = [DS(float(x), auto_format=True) for x in position]
        one.PixelSpacing = [DS(float(edges[1]), auto_format=True), DS(float(edges[0]), auto_format=True)]
        one.Columns, one.Rows = values.shape[:2]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
        one.PixelRepresentation = int(signed)
        if modality == "CT":
            one.RescaleSlope, one.RescaleIntercept, one.RescaleType = DS(slope), DS(intercept), "HU"
        stored = (values[:, :, number].T.astype(np.int32) - intercept) // slope
        one.PixelData = stored.astype(np.int16 if signed else np.uint16).tobytes()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = syntax
        change(number, one)
        path = folder / f"IM{int(shuffled[number]):04d}"
        one.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths
