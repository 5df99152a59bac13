import numpy as np
import pytest
from PIL import Image

from adpfl_bench.errors import DataError
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.volumes.kits_writer import KitsWriter
from docs.sheets.kits_sheet import kits_sheet
from docs.sheets.volume_sheet import BRAIN_COLOURS, KIDNEY_COLOURS, SheetRow, draw_volume_sheet

COLOURS = {1: ("one", (255, 0, 0)), 2: ("two", (0, 255, 0))}


def row(title="site-0", channels=1, spacing=(2.0, 2.0, 6.0)):
    """A volume of constant grey with a box of label 1 that holds a box of label 2, at the patient's front left top."""
    label = np.zeros((50, 40, 10), dtype=np.uint8)
    label[5:20, 25:35, 5:9] = 1
    label[10:15, 28:32, 7:8] = 2
    return SheetRow(title, [np.full(label.shape, 100.0)] * channels, label, spacing)


def draw(rows, output, **look):
    draw_volume_sheet(rows, COLOURS, output, **{"window": (0.0, 200.0), "tile": 100, **look})
    with Image.open(output) as sheet:
        return np.asarray(sheet.convert("RGB"))


def places(sheet, colour):
    return np.argwhere((sheet == colour).all(axis=-1))


def test_tiles_have_the_proportions_of_the_body(tmp_path):
    sheet = draw([row(), row("site-1")], tmp_path / "docs" / "sheet.png")
    # Axial 100 x 80 mm and coronal 100 x 60 mm at one pixel per mm, two lines, gaps of 3, and the legend.
    assert sheet.shape == (2 * 80 + 2 * 3 + 21, 100 + 3 + 100, 3)


def test_every_channel_has_a_tile_and_equal_titles_share_a_line(tmp_path):
    sheet = draw([row(channels=2), row(channels=2)], tmp_path / "sheet.png")
    assert sheet.shape == (80 + 3 + 21, 6 * 100 + 5 * 3, 3)


def test_outlines_lie_where_radiologists_expect_them(tmp_path):
    axial = draw([row()], tmp_path / "sheet.png", focus=(2,))[:80, :100]
    red, green = places(axial, COLOURS[1][1]), places(axial, COLOURS[2][1])
    # The patient's left is on the right of the picture, the front at the top.
    assert red.min(axis=0) == pytest.approx([10, 60], abs=1)
    assert red.max(axis=0) == pytest.approx([29, 89], abs=1)
    assert green.min(axis=0) == pytest.approx([16, 70], abs=1)
    assert green.max(axis=0) == pytest.approx([23, 79], abs=1)


def test_focus_chooses_the_slice(tmp_path):
    one = row()
    one.label[:] = 0
    one.label[5:10, 5:10, 1] = 1
    one.label[20:40, 20:40, 5] = 1
    one.label[2:6, 2:6, 8] = 2
    assert len(places(draw([one], tmp_path / "two.png", focus=(2,))[:80, :100], COLOURS[2][1]))
    assert not len(places(draw([one], tmp_path / "all.png")[:80, :100], COLOURS[2][1]))


def test_without_a_window_each_channel_has_its_own(tmp_path):
    ramp = np.linspace(1, 2, 50)[:, None, None] * np.ones((50, 40, 10))
    one = SheetRow("", [ramp, 1000 * ramp], np.zeros(ramp.shape, np.uint8), (2.0, 2.0, 6.0))
    sheet = draw([one], tmp_path / "sheet.png", window=None)
    assert (sheet[:80, :100] == sheet[:80, 103:203]).all()
    assert sheet[40, 2, 0] > 200 > 50 > sheet[40, 97, 0]


def test_a_sheet_without_cases_is_refused(tmp_path):
    with pytest.raises(DataError, match="no case to draw"):
        draw([], tmp_path / "sheet.png")


def test_colours_are_those_of_the_labels_and_distinct():
    for colours, names in (
        (KIDNEY_COLOURS, {"kidney", "tumour", "cyst"}),
        (BRAIN_COLOURS, {"NETC", "SNFH", "ET", "RC"}),
    ):
        assert {name for name, _ in colours.values()} == names
        assert len({colour for _, colour in colours.values()}) == len(names)


def test_sheet_of_a_kits_phantom_has_a_line_for_each_site(tmp_path):
    write_phantom(KitsWriter, tmp_path / "kits", 5, 0, (16, 32, 32))
    kits_sheet(tmp_path / "kits", tmp_path / "sheet.png", cases_per_site=2, tile=80)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.mode == "P"
        pixels = np.asarray(sheet.convert("RGB"))
    # Only the first site has a second case, so a white line follows each of four black ones.
    gaps = (pixels[:, -1] == 255).all(axis=-1)
    assert np.count_nonzero(np.diff(gaps.astype(int)) == 1) == 4
    assert len(places(pixels, KIDNEY_COLOURS[2][1])) > 20


def test_a_folder_without_cases_is_reported(tmp_path):
    with pytest.raises(DataError, match="but found none"):
        kits_sheet(tmp_path, tmp_path / "sheet.png")
