"""Photographs and cohorts of phantoms, made once for all tests that only look at them."""

import csv
from types import SimpleNamespace

import pytest

from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.acquisition_sites import SITES
from adpfl_bench.phantoms.dermoscopy import take_photograph
from adpfl_bench.phantoms.dermoscopy_writer import draw_diagnosis
from adpfl_bench.phantoms.diagnosis import DIAGNOSES
from adpfl_bench.phantoms.ham10000_writer import Ham10000Writer
from adpfl_bench.phantoms.lesion import draw_lesion
from adpfl_bench.seeding import numpy_generator


@pytest.fixture(scope="session")
def photographs():
    """Forty photographs from each site, by site."""
    taken = {}
    for name, site in SITES.items():
        taken[name] = []
        for index in range(40):
            generator = numpy_generator(0, name, index)
            lesion = draw_lesion(generator, DIAGNOSES[draw_diagnosis(generator, site)], site.median_area)
            taken[name].append(take_photograph(generator, lesion, site, (72, 96)))
    return taken


@pytest.fixture(scope="session")
def ham10000(tmp_path_factory):
    """A HAM10000 phantom of 61 small images, with the rows of its metadata."""
    root = tmp_path_factory.mktemp("phantoms") / "ham10000"
    write_phantom(Ham10000Writer, root, cases=61, seed=5, size=(32, 48))
    with (root / "HAM10000_metadata.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return SimpleNamespace(root=root, rows=rows)
