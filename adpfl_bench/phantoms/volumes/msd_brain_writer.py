"""Phantoms in the layout of Task01_BrainTumour of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from adpfl_bench.phantoms.volumes.brain_writer import BrainWriter
from adpfl_bench.phantoms.volumes.brats_writer import affine_of, as_stored, replace_values
from adpfl_bench.phantoms.volumes.glioma import ET, NETC, SNFH
from adpfl_bench.phantoms.volumes.space import save_nifti

_ORDER = ("flair", "t1", "t1ce", "t2")
_VALUES = {SNFH: 1, NETC: 2, ET: 3}


class MsdBrainWriter(BrainWriter):
    """Writes ``dataset.json``, 4-D images in ``imagesTr``, and label maps with its own values in ``labelsTr``."""

    name: ClassVar[str] = "msd_brain"

    def prepare(self, root: Path) -> None:
        """Make the folders and describe the dataset; the Decathlon says nothing of sites."""
        for folder in ("imagesTr", "labelsTr"):
            (root / folder).mkdir()
        ids = [self.case_id(index) for index in range(self.cases)]
        content = {
            "name": "BRATS",
            "description": "Synthetic gliomas",
            "tensorImageSize": "4D",
            "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
            "labels": {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"},
            "numTraining": self.cases,
            "numTest": 0,
            "training": [{"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"} for case in ids],
            "test": [],
        }
        (root / "dataset.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def case_id(self, index: int) -> str:
        """Return the name of a case."""
        return f"BRATS_{index + 1:03d}"

    def write_case(self, root: Path, index: int) -> None:
        """Write the 4-D image and the label map of a case."""
        images, labels, space = self.make_case(index)
        stacked = np.stack([as_stored(images[sequence]) for sequence in _ORDER], axis=-1)
        name = f"{self.case_id(index)}.nii.gz"
        save_nifti(np.rint(stacked).astype(np.int16), affine_of(space), root / "imagesTr" / name)
        save_nifti(as_stored(replace_values(labels, _VALUES)), affine_of(space), root / "labelsTr" / name)
