import multiprocessing
import os
import pickle
import re
import sys
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from adpfl_bench.data.data_contents import read_contents
from adpfl_bench.data.images import image_cache, image_store, picture_reader
from adpfl_bench.data.images.image_cache import ImageCache, read_image, read_native_mask
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import ConfigError, DataError

SIZE = (6, 8)


@pytest.fixture
def cases(isic):
    return ISICDataModule("").scan(isic)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def decoded(monkeypatch):
    """Ids of the cases that were decoded."""
    ids = []

    def count(case, size):
        ids.append(case.case_id)
        return original(case, size)

    original = picture_reader.read_pair
    monkeypatch.setattr(picture_reader, "read_pair", count)
    return ids


def test_views_of_resized_pixels(cases):
    cache = ImageCache(cases, SIZE)
    assert len(cache) == 4
    assert cache.folder is None
    assert cache.nbytes == 4 * 4 * 6 * 8
    for case in cases:
        image, mask = cache[cache.index(case.case_id)]
        assert (image.shape, image.dtype, mask.shape, mask.dtype) == ((3, 6, 8), np.uint8, (1, 6, 8), np.uint8)
        with Image.open(case.images[0]) as file:
            expected = np.asarray(file.resize((8, 6), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(image, expected.transpose(2, 0, 1))
        # At half the size, the nearest neighbour of a pixel is the lower right one of its four.
        with Image.open(case.label) as file:
            np.testing.assert_array_equal(mask[0], np.asarray(file)[1::2, 1::2] // 255)
        assert np.shares_memory(image, cache.images)
    with pytest.raises(KeyError):
        cache.index("ISIC_9999999")


def test_pixels_cannot_be_changed_by_accident(cases, folder):
    for cache in (ImageCache(cases, SIZE), ImageCache(cases, SIZE, 0, folder), ImageCache(cases, SIZE, 10**9, folder)):
        for array in cache[0]:
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0


def test_memory_and_disk_hold_the_same(cases, folder):
    memory = ImageCache(cases, SIZE)
    mapped = ImageCache(cases, SIZE, memory_budget_bytes=memory.nbytes - 1, directory=folder)
    both = ImageCache(cases, SIZE, memory_budget_bytes=memory.nbytes, directory=folder)
    assert isinstance(mapped.images, np.memmap)
    assert not isinstance(both.images, np.memmap)
    assert mapped.folder == both.folder
    for cache in (mapped, both):
        np.testing.assert_array_equal(cache.images, memory.images)
        np.testing.assert_array_equal(cache.masks, memory.masks)
    assert mapped.nbytes == memory.nbytes


def test_the_next_run_decodes_nothing(cases, folder, decoded):
    first = ImageCache(cases, SIZE, 0, folder)
    assert sorted(decoded) == [case.case_id for case in cases]
    decoded.clear()
    again = ImageCache(cases, SIZE, 0, folder)
    assert decoded == []
    np.testing.assert_array_equal(again.images, first.images)


def test_a_changed_file_another_size_or_other_cases_are_decoded_anew(cases, folder, decoded):
    before = ImageCache(cases, SIZE, 0, folder)
    pixels = np.full((12, 16, 3), 77, dtype=np.uint8)
    Image.fromarray(pixels).save(cases[1].images[0])
    after = ImageCache(cases, SIZE, 0, folder)
    assert after.folder != before.folder
    np.testing.assert_array_equal(after.images[1], np.full((3, *SIZE), 77))
    np.testing.assert_array_equal(after.images[0], before.images[0])
    assert ImageCache(cases, SIZE[::-1], 0, folder).images.shape == (4, 3, 8, 6)
    assert len(ImageCache(cases[1:], SIZE, 0, folder)) == 3
    assert len(decoded) == 4 + 4 + 4 + 3


def test_a_file_replaced_by_another_of_the_same_size_is_decoded_anew(cases, folder):
    file = cases[0].label
    status = file.stat()
    before = ImageCache(cases, SIZE, 0, folder)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert ImageCache(cases, SIZE, 0, folder).folder != before.folder
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert ImageCache(cases, SIZE, 0, folder).folder == before.folder


def test_what_is_on_disk_is_found_by_what_files_hold_and_not_by_their_times(cases, folder):
    root, file = cases[0].label.parents[1], cases[0].images[0]
    status = file.stat()
    before = ImageCache(cases, SIZE, 0, folder, contents=read_contents(root, cases))
    os.utime(file, ns=(1, 1))
    assert ImageCache(cases, SIZE, 0, folder, contents=read_contents(root, cases)).folder == before.folder
    Image.new("RGB", (16, 12)).save(file)
    file.write_bytes(file.read_bytes().ljust(status.st_size, b"\0"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert ImageCache(cases, SIZE, 0, folder, contents=read_contents(root, cases)).folder != before.folder


def test_what_changes_while_it_is_decoded_is_not_kept(cases, folder, monkeypatch):
    contents = read_contents(cases[0].label.parents[1], cases)

    def decode(*arrays):
        cases[0].images[0].write_bytes(b"changed")

    monkeypatch.setattr(image_cache, "_decode", decode)
    with pytest.raises(DataError, match="was changed after this run had read it"):
        ImageCache(cases, SIZE, 0, folder, contents=contents)
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_the_default_directory_comes_from_the_environment(cases, folder, monkeypatch):
    monkeypatch.setenv("ADPFL_CACHE", str(folder))
    assert ImageCache(cases, SIZE, memory_budget_bytes=0).folder.parent == folder
    monkeypatch.delenv("ADPFL_CACHE")
    monkeypatch.setenv("HOME", str(folder / "home"))
    assert ImageCache(cases, SIZE, memory_budget_bytes=0).folder.parent == folder / "home" / ".cache" / "adpfl_bench"


def test_an_interrupted_build_leaves_no_cache_and_what_a_killed_one_left_is_removed(cases, folder, monkeypatch):
    complete = ImageCache(cases, SIZE, 0, folder).folder
    partial = complete.with_name(f".{complete.name}-partial-1-a")
    complete.rename(partial)
    (partial / "rest").touch()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(picture_reader, "read_pair", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ImageCache(cases, SIZE, 0, folder)
    assert not complete.exists()
    assert not partial.exists()
    assert sorted(path.name for path in ImageCache(cases, SIZE, 0, folder).folder.iterdir()) == [
        "images.npy",
        "masks.npy",
    ]


def _build(cases, folder, barrier, report):
    import adpfl_bench.data.images.picture_reader as module

    original, decoded = module.read_pair, []
    module.read_pair = lambda case, size: decoded.append(case.case_id) or original(case, size)
    barrier.wait()
    ImageCache(cases, (64, 64), 0, folder)
    report.put(len(decoded))


def test_two_processes_build_once(cases, folder):
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    barrier, report = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_build, args=(cases, folder, barrier, report)) for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(report.get(timeout=30) for _ in processes) == [0, 4]
    for process in processes:
        process.join()


def test_a_worker_process_maps_the_files_itself(tmp_path, write_isic, folder):
    cases = ISICDataModule("").scan(write_isic(tmp_path / "many", n=20, size=(64, 64)))
    mapped = ImageCache(cases, (64, 64), 0, folder)
    pickled = pickle.dumps(mapped)
    assert len(pickled) < mapped.nbytes / 10
    copy = pickle.loads(pickled)
    assert isinstance(copy.images, np.memmap)
    np.testing.assert_array_equal(copy.masks, mapped.masks)
    copy = pickle.loads(pickle.dumps(ImageCache(cases, (64, 64))))
    np.testing.assert_array_equal(copy.images, mapped.images)
    assert not copy.images.flags.writeable


def test_a_full_disk_is_told_before_it_is_written(cases, folder, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(image_store.shutil, "disk_usage", lambda _: usage(100))
    with pytest.raises(ConfigError, match=rf"needs 0\.0 GiB in {folder}.*ADPFL_CACHE"):
        ImageCache(cases, SIZE, 0, folder)
    assert not list(folder.glob("images*[!.lock]"))


def test_a_directory_that_cannot_be_written(cases, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"image cache .*file.* cannot be written.*ADPFL_CACHE"):
        ImageCache(cases, SIZE, 0, tmp_path / "file")


@pytest.mark.parametrize("settings", [{"size": (0, 8)}, {"workers": 0}, {"memory_budget_bytes": -1}])
def test_impossible_settings(cases, settings):
    with pytest.raises(ConfigError, match="positive size and number of workers"):
        ImageCache(cases, **{"size": SIZE, **settings})


def test_no_cases_and_cases_twice(cases):
    with pytest.raises(ConfigError, match="at least one case"):
        ImageCache([], SIZE)
    with pytest.raises(DataError, match="twice: ISIC_0000001"):
        ImageCache([*cases, cases[1]], SIZE)


def save_mask(path, array, **options):
    Image.fromarray(np.asarray(array, dtype=np.uint8), **options).save(path)


def test_all_bad_cases_are_told_at_once(tmp_path, write_isic, folder):
    cases = ISICDataModule("").scan(write_isic(tmp_path / "isic", n=9))
    truncated, empty, text = (cases[i].images[0] for i in (0, 1, 2))
    truncated.write_bytes(truncated.read_bytes()[:-40])
    empty.write_bytes(b"")
    text.write_text("<html>404</html>")
    save_mask(cases[3].label, np.zeros((16, 12)))
    save_mask(cases[4].label, np.arange(12 * 16).reshape(12, 16) % 5)
    save_mask(cases[5].label, np.zeros((12, 16, 3)))
    cases[6].images[0].unlink()

    for directory in (None, folder):
        with pytest.raises(DataError) as caught:
            ImageCache(cases, SIZE, directory=directory)
        first, *lines = str(caught.value).splitlines()
        assert first == "7 cases of 9 cannot be used:"
        for line, pattern in zip(
            lines,
            [
                rf"  {truncated} cannot be read \(.*truncated",
                rf"  {empty} is empty; take it again",
                rf"  {text} cannot be read \(it is no image",
                rf"  {cases[3].label} is 12x16 pixels, but its image {cases[3].images[0]} is 16x12",
                rf"  {cases[4].label} is a mask with the values 0, 1, 2, 3, 4; expected 0 and 255",
                r"  and 2 more",
            ],
            strict=True,
        ):
            assert re.match(pattern, line), line

    with pytest.raises(DataError) as caught:
        ImageCache(cases[5:], SIZE)
    assert "is a mask of mode RGB" in str(caught.value)
    assert f"{cases[6].images[0]} does not exist" in str(caught.value)
    assert not list(folder.glob("*.npy"))


def test_a_truncated_mask_is_told(cases):
    rng = np.random.default_rng(0)
    save_mask(cases[0].label, 255 * rng.integers(0, 2, (12, 16)))
    cases[0].label.write_bytes(cases[0].label.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"segmentation\.png cannot be read"):
        read_native_mask(cases[0])


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        ([0, 255], True),
        ([0, 1], True),
        ([0], True),
        ([255], True),
        ([1], True),
        ([0, 1, 255], False),
        ([0, 254], False),
    ],
)
def test_native_masks_are_strictly_binary(cases, values, accepted):
    pixels = np.resize(values, (12, 16))
    save_mask(cases[0].label, pixels)
    if not accepted:
        with pytest.raises(DataError, match=f"with the values {', '.join(map(str, values))};"):
            read_native_mask(cases[0])
        return
    mask = read_native_mask(cases[0])
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, (pixels > 0)[np.newaxis])


def test_masks_of_one_bit_are_accepted(cases):
    pixels = np.resize([True, False, False], (12, 16))
    Image.fromarray(pixels).save(cases[0].label)
    np.testing.assert_array_equal(read_native_mask(cases[0])[0], pixels)


def test_a_native_mask_must_fit_its_image(cases):
    save_mask(cases[0].label, np.zeros((6, 8)))
    with pytest.raises(DataError, match=r"is 8x6 pixels, but its image .* is 16x12"):
        read_native_mask(cases[0])


def test_a_case_without_label_is_told(cases):
    case = type(cases[0])("x", "x", cases[0].images, None)
    with pytest.raises(DataError, match=r"x has 1 image file\(s\) and no mask"):
        read_native_mask(case)


def test_colour_modes(tmp_path):
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (5, 4, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png"), rgba[..., :3].transpose(2, 0, 1))
    Image.fromarray(rgba[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.stack([rgba[..., 0]] * 3))
    Image.fromarray(rgba).convert("RGB").convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(DataError, match=r"print\.jpg is an image of mode CMYK; convert it to 8-bit RGB"):
        read_image(tmp_path / "print.jpg")


def test_large_jpegs_are_decoded_small_without_visible_difference(tmp_path, monkeypatch):
    y, x = np.mgrid[0:512, 0:768] / 40
    smooth = 127 + 60 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)
    picture = Image.fromarray(smooth.astype(np.uint8))
    picture.save(tmp_path / "large.jpg", quality=95)
    sizes = []
    convert = Image.Image.convert
    monkeypatch.setattr(Image.Image, "convert", lambda image, mode: sizes.append(image.size) or convert(image, mode))
    fast = read_image(tmp_path / "large.jpg", (64, 96)).astype(int)
    slow = np.asarray(picture.resize((96, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert sizes == [(192, 128)]
    assert np.abs(fast - slow).max() <= 4


def test_progress_is_a_bar_on_a_terminal_and_a_line_elsewhere(cases, monkeypatch, capsys):
    ImageCache(cases, SIZE)
    assert capsys.readouterr().err.strip() == "Decoding images: 4 to do ..."
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    ImageCache(cases, SIZE)
    shown = capsys.readouterr().err
    assert "Decoding images" in shown
    assert "to do ..." not in shown


def test_real_isic_2017(real_data, folder):
    cases = ISICDataModule("").scan(real_data / "isic2017")[:60]
    memory, mapped = ImageCache(cases, (128, 128)), ImageCache(cases, (128, 128), 0, folder)
    np.testing.assert_array_equal(memory.images, mapped.images)
    np.testing.assert_array_equal(memory.masks, mapped.masks)
    lesion = [read_native_mask(case).mean() for case in cases]
    np.testing.assert_allclose(memory.masks.mean(axis=(1, 2, 3)), lesion, atol=0.01)
