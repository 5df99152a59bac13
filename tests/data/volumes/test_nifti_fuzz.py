"""Whatever bytes a NIfTI file has: it is refused in one sentence that names it, or read as its header says."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given

from adpfl_bench.data.case import Case
from adpfl_bench.data.volumes.preparation import DEFAULT_WINDOW, Preparation, prepare_case
from adpfl_bench.data.volumes.reader import NiftiReader, VolumeHeader, read_header
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.datasets.kits import RELEASES
from adpfl_bench.errors import DataError
from tests.data.volumes.nifti_strategies import nifti_files, packed_files
from tests.sentences import check_sentence

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

RELEASE = RELEASES["KiTS19"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nifti")


def header_of(path: Path) -> VolumeHeader | None:
    try:
        return read_header(path)
    except DataError as error:
        check_sentence(error, path)
        return None


def follow(path: Path, data: bytes) -> None:
    """Give a file to all that reads it, up to the network's volume."""
    path.write_bytes(data)
    case = Case("case_00000", "case_00000", (path,), path)
    header = header_of(path)
    if header is not None:
        assert np.isfinite(header.affine).all()
        assert all(1e-3 <= edge <= 1e3 for edge in header.spacing)
        assert abs(np.linalg.det(header.affine[:3, :3])) > 0
        assert all(side > 0 for side in header.shape)
        read_as_stated(case, header, path)
    checked = check_case(case, RELEASE)
    assert {problem.path for problem in checked.problems} <= {path}
    assert all(problem.problem and "\n" not in problem.problem for problem in checked.problems)
    assert checked.problems or header is not None
    if not checked.problems:
        prepared = prepare_case(case, RELEASE, Preparation(None, DEFAULT_WINDOW))
        assert np.isfinite(prepared.image).all()
        assert set(np.unique(prepared.label)) <= {0, 1, 2}
        assert prepared.image.shape[1:] == prepared.label.shape == prepared.grid.network_shape
        assert prepared.grid.shape == header.shape
        assert np.allclose(prepared.grid.spacing, header.spacing)


def read_as_stated(case: Case, header: VolumeHeader, path: Path) -> None:
    for read in (NiftiReader().read_label, lambda of: NiftiReader().read_channel(of, 0)):
        try:
            voxels = read(case)
        except DataError as error:
            check_sentence(error, path)
        else:
            assert voxels.shape == header.shape
            assert voxels.dtype.kind in "biuf"


@given(data=nifti_files())
def test_any_nifti_file(folder: Path, data: bytes) -> None:
    follow(folder / "imaging.nii", data)


@given(data=packed_files())
@example(data=gzip.compress(nib.Nifti1Image(np.zeros((0,), np.uint8), np.eye(4)).to_bytes()))
@example(data=gzip.compress(nib.Nifti1Image(np.zeros((0, 0), np.uint8), np.eye(4)).to_bytes()))
def test_any_packed_nifti_file(folder: Path, data: bytes) -> None:
    follow(folder / "imaging.nii.gz", data)
