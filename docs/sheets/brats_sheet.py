"""A picture of BraTS cohorts: a case of each site, four sequences of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from adpfl_bench.data.partitioning.sites import with_sites
from adpfl_bench.data.volumes.preparation import class_map
from adpfl_bench.datasets.brats import survey_brats
from docs.sheets.volume_sheet import BRAIN_COLOURS, SheetRow, draw_volume_sheet


def brats_sheet(roots: Sequence[Path], output: Path, tile: int = 130, greys: int = 40) -> None:
    """Draw the slice with most tumour of one case from each site and save them as PNG; cohorts lie side by side.

    The one in the documentation is made from two small phantoms::

        adpfl-bench phantom brats2021 --cases 5 --image_size [144,176,128]
        adpfl-bench phantom brats2024 --cases 10 --image_size [144,176,128]
        python -c "from pathlib import Path; from docs.sheets.brats_sheet import brats_sheet;
        brats_sheet([Path('phantoms/brats2021'), Path('phantoms/brats2024')], Path('docs/images/mri_phantoms.png'))"

    Args:
        roots: Folders of cohorts in a layout of BraTS, each with its ``sites.csv``.
        output: PNG file to write.
        tile: Longer side of a tile in pixels.
        greys: Number of grey levels; fewer make a smaller file.
    """
    rows = []
    for root in roots:
        survey = survey_brats(root)
        first = {str(case.site): case for case in reversed(with_sites(survey.cases, root / "sites.csv"))}
        for site, case in first.items():
            images: list[Any] = [nib.as_closest_canonical(nib.load(path)) for path in case.images]
            label: Any = nib.as_closest_canonical(nib.load(str(case.label)))
            x, y, z = (float(edge) for edge in label.header.get_zooms())
            values = class_map(np.asarray(label.dataobj), survey.release)
            channels = [np.asarray(image.dataobj, dtype=np.float32) for image in images]
            rows.append(SheetRow(site, channels, values, (x, y, z)))
    rows.sort(key=lambda row: row.title)  # stable: cohorts keep their order within a site
    draw_volume_sheet(rows, BRAIN_COLOURS, output, tile=tile, greys=greys)
