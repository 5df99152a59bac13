"""The walk through docs/new_patients.md, executed as it stands: another cohort, new patients, DICOM, and a bundle."""

import re
import shlex
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from adpfl_bench.cli import main
from tests.dicom_slices import write_series

PAGE = Path(__file__).resolve().parents[2] / "docs/new_patients.md"


def test_the_walk_goes_as_it_is_written(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (chapter,) = re.findall(r"## From a run to masks.*?(?=\n## )", PAGE.read_text(), flags=re.DOTALL)
    walk, dicom = re.findall(r"```sh\n(.*?)```", chapter, flags=re.DOTALL)
    (reading,) = re.findall(r"```python\n(.*?)```", chapter, flags=re.DOTALL)

    def run(block: str) -> None:
        for line in block.splitlines():
            program, *words = shlex.split(line)
            assert program == "adpfl-bench"
            assert main(words) == 0, line

    run(walk)
    tables = Path("tables/leaderboard.md").read_text()
    assert "## Other hospitals" in tables
    assert "| other" in tables
    assert "**Not private" in Path("bundle/docs/README.md").read_text()
    scan = nib.load("other_hospital/dataset/case_00001/imaging.nii.gz")
    label_map = nib.load("masks/imaging.nii.gz")
    assert label_map.shape == scan.shape
    assert Path("masks/imaging.nii.gz").read_bytes() == Path("masks_of_the_bundle/imaging.nii.gz").read_bytes()

    values = np.asarray(scan.dataobj).transpose(2, 1, 0)  # stored as slices, rows and columns
    write_series(Path("archive/patient"), values, scan.affine[:, [2, 1, 0, 3]])
    run(dicom)
    capsys.readouterr()
    exec(compile(reading, PAGE.name, "exec"), {"__name__": "example"})
    assert re.fullmatch(r"\(16, 32, 32\) \['kidney', 'tumour', 'cyst'\]\n", capsys.readouterr().out)
