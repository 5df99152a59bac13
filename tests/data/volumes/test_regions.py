"""Which voxels of a publisher's label map belong to which region, year by year, as the challenges define them."""

import numpy as np
import pytest

from adpfl_bench.data.volumes.preparation import class_map
from adpfl_bench.datasets import brats, kits, lgg
from adpfl_bench.datasets.msd_brain import survey_msd_brain
from tests.schemes import SCHEMES

RELEASES = {**kits.RELEASES, **brats.RELEASES, lgg.NAME: lgg.RELEASE}
_OLD = {"WT": {1, 2, 4}, "TC": {1, 4}, "ET": {4}}
_NEW = {"WT": {1, 2, 3}, "TC": {1, 3}, "ET": {3}}
_KITS = {"kidney_and_masses": {1, 2, 3}, "masses": {2, 3}, "tumour": {2}}

# Label values of each region in the publisher's own files.
PUBLISHED = [
    ("KiTS19", "kits19", {"kidney_and_masses": {1, 2}, "tumour": {2}}),
    ("KiTS21", "kits", _KITS),
    ("KiTS23", "kits", _KITS),
    ("BraTS 2018", "brats", _OLD),
    ("BraTS 2019", "brats", _OLD),
    ("BraTS 2020", "brats", _OLD),
    ("BraTS 2021", "brats", _OLD),
    ("FeTS 2021", "brats", _OLD),
    ("FeTS 2022", "brats", _OLD),
    ("BraTS 2023 GLI", "brats", _NEW),
    ("BraTS 2024 GLI", "brats2024", {**_NEW, "NETC": {1}, "SNFH": {2}, "RC": {4}}),
    ("BraTS 2024 GLI", "brats", _NEW),
    ("TCGA-LGG", "lgg", {"abnormality": {1}}),
]


def members(release, scheme, values):
    """For each region of a scheme, the values of a label map that are in it."""
    masks = SCHEMES[scheme].masks(class_map(values, release))
    return {name: set(values[mask].tolist()) for name, mask in zip(SCHEMES[scheme].regions, masks, strict=True)}


@pytest.mark.parametrize(("name", "scheme", "regions"), PUBLISHED)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_regions_are_those_of_the_challenge(name, scheme, regions, dtype):
    release = RELEASES[name]
    assert SCHEMES[scheme] in release.schemes
    values = np.array([0, *release.labels], dtype=dtype)
    assert members(release, scheme, values) == regions


def test_every_release_and_scheme_is_in_the_table():
    assert {(name, scheme) for name, scheme, _ in PUBLISHED} == {
        (name, scheme.name) for name, release in RELEASES.items() for scheme in release.schemes
    }


def test_regions_of_the_decathlon(tmp_path, cohorts):
    release = survey_msd_brain(cohorts.msd(tmp_path)).release
    values = np.array([0, 1, 2, 3], dtype=np.uint8)
    # 1 edema, 2 non-enhancing, 3 enhancing: not the order of BraTS.
    assert members(release, "brats", values) == {"WT": {1, 2, 3}, "TC": {2, 3}, "ET": {3}}


@pytest.mark.parametrize(("name", "scheme", "regions"), PUBLISHED)
def test_painted_regions_give_the_published_values_back(name, scheme, regions):
    release, labels = RELEASES[name], SCHEMES[scheme]
    values = np.array([0, *release.labels], dtype=np.uint8)
    of_class = {cls: value for value, cls in release.labels.items()}
    painted = labels.paint(labels.masks(class_map(values, release), labels.predicted))
    back = [0 if number == 0 else of_class[labels.classes[number - 1]] for number in painted]
    # Under "brats", the resection cavity of 2024 is in no region.
    kept = [value if value == 0 or any(value in region for region in regions.values()) else 0 for value in values]
    assert back == kept
