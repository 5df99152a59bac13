import numpy as np
import pytest
from PIL import Image

from adpfl_bench.errors import DataError
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.isic_writer import IsicWriter
from docs.sheets.contact_sheet import _outlined, contact_sheet


def test_one_row_for_each_site(tmp_path, ham10000):
    contact_sheet(ham10000.root, tmp_path / "docs" / "sheet.png", columns=3, tile=(30, 40))
    with Image.open(tmp_path / "docs" / "sheet.png") as sheet:
        assert sheet.size == (3 * 44 - 4, 4 * 34 - 4)


def test_rows_are_filled_where_sites_are_not_stated(tmp_path):
    write_phantom(IsicWriter, tmp_path / "isic", 5, 0, (32, 40))
    contact_sheet(tmp_path / "isic", tmp_path / "sheet.png", columns=2, rows=2, tile=(30, 40))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (2 * 44 - 4, 2 * 34 - 4)


def test_outline_lies_on_the_border_of_the_mask(tmp_path):
    mask = np.zeros((32, 32), dtype=np.uint8)
    mask[8:20, 10:25] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.new("RGB", (32, 32), (200, 150, 140)).save(tmp_path / "image.png")
    drawn = np.asarray(_outlined(tmp_path / "image.png", tmp_path / "mask.png", (32, 32)))
    green = (drawn == (0, 255, 120)).all(axis=-1)
    assert green.sum() == 2 * (12 + 15) - 4
    assert green[8, 10:25].all()
    assert not green[9:19, 11:24].any()


def test_a_folder_without_images_is_reported(tmp_path):
    with pytest.raises(DataError, match="found none"):
        contact_sheet(tmp_path, tmp_path / "sheet.png")
