"""A picture of a KiTS cohort: some cases of each site."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from adpfl_bench.data.csv_table import read_table
from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.volumes.kidneys import TUMOUR
from docs.sheets.volume_sheet import KIDNEY_COLOURS, SOFT_TISSUE, SheetRow, draw_volume_sheet


def kits_sheet(root: Path, output: Path, cases_per_site: int = 3, tile: int = 230, greys: int = 40) -> None:
    """Draw the slices with most tumour of a few cases from each site and save them as PNG.

    The one in the documentation is made from a small phantom::

        adpfl-bench phantom kits --cases 12 --image_size [64,160,160]
        python -c "from pathlib import Path; from docs.sheets.kits_sheet import kits_sheet;
        kits_sheet(Path('phantoms/kits'), Path('docs/images/ct_phantoms.png'))"

    Args:
        root: Folder of the cohort, in the layout of KiTS; a ``sites.csv`` in it gives a line for each site.
        output: PNG file to write.
        cases_per_site: Cases on a line.
        tile: Longer side of a tile in pixels.
        greys: Number of grey levels; fewer make a smaller file.

    Raises:
        DataError: There are no cases with image and label map under ``root``.
    """
    folders = sorted(
        path.parent
        for path in (*root.glob("case_*/imaging.nii.gz"), *root.glob("*/case_*/imaging.nii.gz"))
        if (path.parent / "segmentation.nii.gz").is_file()
    )
    if not folders:
        raise DataError(
            f"Expected case_*/imaging.nii.gz and segmentation.nii.gz under {root}, dataset or data, but found none."
        )
    table = root / "sites.csv"
    rows = read_table(table, ["case", "site_id"], "The site file") if table.is_file() else []
    sites = {row.values["case"]: f"site-{row.values['site_id']}" for row in rows}
    members: dict[str, list[Path]] = {}
    for folder in folders:
        members.setdefault(sites.get(folder.name, ""), []).append(folder)
    shown = [_load(folder, site) for site in sorted(members) for folder in members[site][:cases_per_site]]
    draw_volume_sheet(shown, KIDNEY_COLOURS, output, SOFT_TISSUE, focus=(TUMOUR,), tile=tile, greys=greys)


def _load(folder: Path, site: str) -> SheetRow:
    image, label = (
        nib.as_closest_canonical(nib.load(folder / name)) for name in ("imaging.nii.gz", "segmentation.nii.gz")
    )
    x, y, z = (float(edge) for edge in nib.affines.voxel_sizes(label.affine))
    return SheetRow(site, [np.asarray(image.dataobj)], np.asarray(label.dataobj), (x, y, z))
