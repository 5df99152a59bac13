"""How far apart the sites of phantoms are."""

import json
import math
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from adpfl_bench.data.partitioning.property_partition import ShardPartition
from adpfl_bench.datasets.brats import BraTSDataModule
from adpfl_bench.datasets.catalogue import find_writer
from adpfl_bench.datasets.ham10000 import HAM10000DataModule
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.acquisition_sites import SITES, shifted_sites
from adpfl_bench.phantoms.ham10000_writer import Ham10000Writer
from adpfl_bench.phantoms.isic_writer import IsicWriter
from adpfl_bench.phantoms.marker import read_marker
from adpfl_bench.phantoms.site_shift import shift_sites
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer
from adpfl_bench.phantoms.volumes.ct_scanner import SITES as CT_SITES
from adpfl_bench.phantoms.volumes.mri_scanner import MRI_SITES

SMALL = (32, 48)


def mri(shift):
    return shift_sites(MRI_SITES, shift, lambda site: site.share)


def ct(shift):
    return shift_sites(CT_SITES, shift, lambda site: site.share)


def test_a_shift_of_one_leaves_the_sites_as_they_are():
    for shifted, sites in ((shifted_sites(1), SITES), (mri(1.0), MRI_SITES), (ct(1.0), CT_SITES)):
        assert list(shifted) == list(sites)
        assert all(shifted[name] is sites[name] for name in sites)


def test_near_one_the_sites_are_nearly_as_they_are():
    """So that nothing is left out of, or bent by, how they are moved."""
    for shifted, sites in ((shifted_sites(1 + 1e-9), SITES), (mri(1 + 1e-9), MRI_SITES), (ct(1 + 1e-9), CT_SITES)):
        for name, site in sites.items():
            for field, value in vars(site).items():
                moved = getattr(shifted[name], field)
                if isinstance(value, dict):
                    total = sum(value.values())
                    value, moved = [value.get(key, 0) / total for key in moved], list(moved.values())
                assert moved == (value if isinstance(value, str) else pytest.approx(value, rel=1e-6, abs=1e-6))


def test_without_shift_all_sites_are_alike():
    for shifted, own in ((shifted_sites(0), ("name", "images")), (mri(0), ("share",)), (ct(0), ("share",))):
        first, *others = shifted.values()
        for other in others:
            same = replace(other, **{field: getattr(first, field) for field in own})
            for field, value in vars(first).items():
                assert getattr(same, field) == (value if isinstance(value, str) else pytest.approx(value))


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_traits_move_from_the_average_by_factors_or_amounts(shift):
    shares = np.array([site.share for site in MRI_SITES.values()])
    noise = np.array([site.noise for site in MRI_SITES.values()])
    average = math.exp(shares @ np.log(noise) / shares.sum())
    moved = [site.noise for site in mri(shift).values()]
    assert moved == pytest.approx(average * (noise / average) ** shift)

    shares = np.array([site.share for site in CT_SITES.values()])
    error = np.array([site.shift for site in CT_SITES.values()])
    average = shares @ error
    assert [site.shift for site in ct(shift).values()] == pytest.approx(average + shift * (error - average))


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.5, 50.0])
def test_however_far_apart_sites_make_images(shift):
    for site in [*shifted_sites(shift).values(), *mri(shift).values(), *ct(shift).values()]:
        for field, value in vars(site).items():
            if isinstance(value, tuple) and len(value) == 2:
                assert value[0] <= value[1]
            if isinstance(value, dict):
                assert sum(value.values()) == pytest.approx(1)
                assert min(value.values()) >= 0
            if field in ("black_field", "hair", "scale", "ruler", "ink", "fluid", "sun_damage"):
                assert 0 <= value <= 1
            if field in ("noise", "blur", "gamma", "gain", "kernel", "exposure"):
                assert np.min(value) > 0


def distance_between_sites(root):
    """Spread of the sites' mean colours, against the spread within sites."""
    colours = {}
    for case in HAM10000DataModule("").scan(root):
        pixels = np.asarray(Image.open(case.images[0]).convert("RGB"), dtype=float)
        colours.setdefault(case.site, []).append(pixels.reshape(-1, 3).mean(axis=0))
    means = np.array([np.mean(own, axis=0) for own in colours.values()])
    within = np.mean([np.std(own, axis=0).mean() for own in colours.values()])
    return np.std(means, axis=0).mean() / within


def test_photographs_of_sites_differ_the_more_the_larger_the_shift(tmp_path):
    distances = []
    for shift in (0.0, 1.0, 2.5):
        write_phantom(Ham10000Writer, tmp_path / str(shift), 80, 0, SMALL, shift=shift)
        distances.append(distance_between_sites(tmp_path / str(shift)))
    assert distances[0] < 0.6
    assert distances[1] > 1.3 * distances[0]
    assert distances[2] > 1.5 * distances[1]


def test_scans_of_sites_differ_in_noise_the_more_the_larger_the_shift(tmp_path):
    spreads = []
    for shift in (0.0, 1.0, 2.0):
        write_phantom(Brats2021Writer, tmp_path / str(shift), 10, 0, (30, 36, 26), shift=shift)
        rough = []
        for path in sorted((tmp_path / str(shift)).glob("*/*_t1.nii.gz")):
            image = np.asarray(nib.load(path).dataobj, dtype=float)
            inside = image > 0
            assert image.max() < 32767
            steps = np.abs(np.diff(image, axis=0))[inside[1:] & inside[:-1]]
            rough.append(np.median(steps) / image[inside].mean())
        spreads.append(np.std(np.log(rough)))
    assert spreads[0] < spreads[1] < spreads[2]
    assert spreads[2] > 2 * spreads[0]


@pytest.mark.parametrize("dataset", ["isic", "kits", "lgg"])
def test_every_cohort_follows_its_shift(tmp_path, dataset):
    size = SMALL if dataset == "isic" else (16, 32, 32)
    for shift in (0.0, 1.0, 2.5):
        write_phantom(find_writer(dataset), tmp_path / str(shift), 4, 0, size, shift=shift)
    images = [
        [p.read_bytes() for p in sorted(folder.rglob("*")) if p.suffix in (".jpg", ".gz", ".tif")]
        for folder in sorted(tmp_path.iterdir())
    ]
    assert images[0] != images[1] != images[2]


def test_the_shift_is_part_of_what_a_cohort_is(tmp_path):
    write_phantom(IsicWriter, tmp_path / "usual", 2, 0, SMALL)
    assert "shift" not in json.loads((tmp_path / "usual/PHANTOM.json").read_text())
    write_phantom(IsicWriter, tmp_path / "far", 2, 0, SMALL, shift=2.5)
    assert read_marker(tmp_path / "far").shift == 2.5
    assert write_phantom(IsicWriter, tmp_path / "far", 2, 0, SMALL, shift=2.5) is False
    with pytest.raises(DataError, match=r"is a phantom with shift 2\.5 instead of 1\.0"):
        write_phantom(IsicWriter, tmp_path / "far", 2, 0, SMALL)


@pytest.mark.parametrize("shift", [-0.1, math.nan, math.inf])
def test_a_shift_that_means_nothing_is_refused(tmp_path, shift):
    with pytest.raises(ConfigError, match="The shift between a phantom's sites must be 0"):
        write_phantom(IsicWriter, tmp_path / "out", 2, 0, SMALL, shift=shift)
    with pytest.raises(ConfigError, match="The shift between a phantom's sites must be 0"):
        HAM10000DataModule("phantom", phantom_shift=shift)


def test_datamodules_keep_cohorts_of_each_shift_apart(tmp_path):
    made = {}
    for shift in (1.0, 2.5):
        data = HAM10000DataModule(
            "phantom", phantom_cases=12, phantom_size=SMALL, phantom_directory=tmp_path, phantom_shift=shift
        )
        data.divide()
        made[shift] = data
        assert data.root.name == f"ham10000-12cases-32x48-seed0{'' if shift == 1 else '-shift2.5'}"
        assert read_marker(data.root).shift == shift
    assert made[1.0].describe().fingerprint != made[2.5].describe().fingerprint
    assert BraTSDataModule("phantom", phantom_shift=0.0).phantom_name.endswith("-seed0-shift0")


def test_phantom_lesions_are_divided_by_size(tmp_path):
    data = HAM10000DataModule(
        "phantom",
        ShardPartition(3, "lesion_size", 1),
        phantom_cases=24,
        phantom_size=SMALL,
        phantom_directory=tmp_path,
        test_fraction=0.0,
        validation_fraction=0.0,
    )
    data.divide()
    sizes = sorted([float(case.metadata["lesion_size"]) for case in client.train] for client in data.clients)
    means = sorted(np.mean(own) for own in sizes)
    assert means[0] < 0.7 * means[1] < 0.7 * means[2]
