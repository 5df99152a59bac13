"""The statements for a data-protection officer in docs/privacy.md: computed, and true of the suite's datasets."""

import json
import re
from pathlib import Path

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from adpfl_bench.datasets.catalogue import IDENTITIES
from adpfl_bench.privacy.accounting import client_epsilon, group_epsilon
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.odds import highest_true_positive_rate

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "privacy.md").read_text()
DELTA = 1e-4
ROWS = {
    "ISIC 2016, 2017, 2018": "ISICDataModule",
    "HAM10000": "HAM10000DataModule",
    "TCGA-LGG as slices": "LGGSlicesDataModule",
    "TCGA-LGG as volumes": "LGGDataModule",
    "KiTS": "KiTSDataModule",
    "BraTS, FeTS": "BraTSDataModule",
    "MSD Task01": "MSDBrainDataModule",
}
"""Datamodule of each row of the table of units."""


def test_the_table_of_units_has_the_words_of_every_dataset():
    assert set(ROWS.values()) == set(IDENTITIES)
    for title, name in ROWS.items():
        (found,) = re.findall(rf"^\| {re.escape(title)} \| (.+) \| (.+) \| one client \|$", PAGE, flags=re.MULTILINE)
        for cell, word in zip(found, IDENTITIES[name], strict=True):
            assert re.match(rf"(one|all \w+ of one) {word}\b", cell), (title, cell)


def gaussian_rate(epsilon, rate):
    """What Gaussian noise of the same epsilon allows, by its own trade-off curve."""
    mu = brentq(lambda mu: gaussian_epsilon(mu, DELTA) - epsilon, 1e-3, 20)
    return norm.cdf(norm.ppf(rate) + mu)


@pytest.mark.parametrize("epsilon", [1, 2, 4, 8])
def test_the_table_of_the_page(epsilon):
    rates = [
        100 * each
        for rate in (0.01, 0.1)
        for each in (highest_true_positive_rate(epsilon, DELTA, rate), gaussian_rate(epsilon, rate))
    ]
    assert rates[1] < rates[0]
    assert rates[3] < rates[2]
    row = f"| {epsilon} | " + " | ".join(f"{rate:.4g} %" for rate in rates) + " |"
    assert row in PAGE.splitlines()


def test_three_lesions_of_one_person():
    mu = brentq(lambda mu: gaussian_epsilon(mu, DELTA) - 8, 1e-3, 20)
    release = Release("GaussianMechanism", 1 / mu)
    assert client_epsilon({release: 1}, DELTA) == pytest.approx(8)
    assert f"has not epsilon 8 but {group_epsilon({release: 1}, DELTA, 3, 'patient'):.0f} (" in PAGE


def test_fields_that_the_page_tells_to_check_are_those_of_a_record():
    (section,) = re.findall(r"### What to check in run\.json\n(.*?)\n##", PAGE, flags=re.DOTALL)
    schema = json.loads((DOCS / "run.schema.json").read_text())
    named = re.findall(r"^\d+\. `([a-z_.]+)`", section, flags=re.MULTILINE)
    assert len(named) >= 8
    for path in named:
        assert _has(schema, path.split("."), schema), path


def _has(block, path, schema):
    if "$ref" in block:
        block = schema["$defs"][block["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in block:
        return any(_has(each, path, schema) for each in block["anyOf"])
    return not path or (path[0] in block.get("properties", {}) and _has(block["properties"][path[0]], path[1:], schema))
