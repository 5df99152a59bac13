"""The exact sampler of whole-number noise, by chi-square against the chances that it is made for."""

import numpy as np
import pytest
import torch
from scipy import stats

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.discrete_gaussian import (
    LARGEST_DEVIATION,
    _below,
    _with_chance_exp,
    discrete_gaussian,
    discrete_laplace,
)
from adpfl_bench.privacy.randomness import OperatingSystem, Randomness, Seeded
from adpfl_bench.seeding import torch_generator

SIZE = 40_000


def seeded(*purpose):
    return Seeded(torch_generator(0, "discrete", *purpose))


def p_value(values, chances):
    """Chi-square of whole numbers against chances in proportion to a function; rare ones count together."""
    reach = int(np.abs(values).max()) + 200
    numbers = np.arange(-reach, reach + 1)
    expected = chances(numbers.astype(float))
    expected *= len(values) / expected.sum()
    found = np.bincount(values + reach, minlength=len(numbers))
    common = expected >= 10
    return stats.chisquare(
        np.append(found[common], found[~common].sum()), np.append(expected[common], expected[~common].sum())
    ).pvalue


def gaussian(deviation):
    return lambda k: np.exp(-(k**2) / (2 * deviation**2))


@pytest.mark.parametrize("deviation", [1, 3, 50])
@pytest.mark.parametrize("source", [OperatingSystem(), None], ids=["secret", "seeded"])
def test_values_have_the_chances_of_the_discrete_gaussian(deviation, source):
    values = discrete_gaussian(SIZE, deviation, source or seeded(deviation)).numpy()
    assert values.dtype == np.int64
    assert p_value(values, gaussian(deviation)) > 1e-6
    assert p_value(values, gaussian(1.1 * deviation)) < 1e-6


def test_a_rounded_gaussian_is_another_law_where_the_lattice_is_coarse():
    rounded = np.round(np.random.default_rng(0).normal(size=10 * SIZE)).astype(np.int64)
    assert p_value(rounded, gaussian(1)) < 1e-6


def test_neighbouring_values_are_independent_and_follow_their_generator_alone():
    values = discrete_gaussian(SIZE, 2**17, seeded("pairs"))
    for lag in (1, 2, SIZE // 2):
        pairs = np.corrcoef(values[:-lag].numpy(), values[lag:].numpy())
        assert abs(pairs[0, 1]) < 4.5 / (SIZE - lag) ** 0.5
    assert torch.equal(values, discrete_gaussian(SIZE, 2**17, seeded("pairs")))
    assert not torch.equal(values, discrete_gaussian(SIZE, 2**17, seeded("others")))


def test_the_largest_deviation_overflows_nowhere():
    values = discrete_gaussian(SIZE, LARGEST_DEVIATION, seeded("large")).numpy() / LARGEST_DEVIATION
    assert stats.kstest(values, "norm").pvalue > 1e-6


@pytest.mark.parametrize("deviation", [0, -3, LARGEST_DEVIATION + 1])
def test_another_deviation_is_refused(deviation):
    with pytest.raises(ConfigError, match="has a deviation from 1 to 16777216 steps"):
        discrete_gaussian(3, deviation, seeded())


def test_the_laplace_law_below_it():
    values = discrete_laplace(SIZE, 4, seeded("laplace")).numpy()
    assert p_value(values, lambda k: np.exp(-np.abs(k) / 4)) > 1e-6


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 5), (1, 3), (7, 7), (5, 2), (9, 2)])
def test_chances_are_exponentials_of_fractions(numerator, denominator):
    yes = int(_with_chance_exp(torch.full((SIZE,), numerator), denominator, seeded("exp")).sum())
    assert stats.binomtest(yes, SIZE, np.exp(-numerator / denominator)).pvalue > 1e-6


class _Listed(Randomness):
    """Words that are given."""

    def __init__(self, *words):
        self.given = list(words)

    def words(self, size):
        return torch.tensor([self.given.pop(0) for _ in range(size)])

    exponential = normal = lattice = None


def test_a_word_beyond_the_last_whole_range_is_drawn_anew():
    """2^62 is 1 more than a multiple of 3: its last word would favour 0."""
    source = _Listed(5, 2**62 - 1, 2**62 - 2)
    assert _below(3, 2, source).tolist() == [2, 2]
    assert source.given == []


@pytest.mark.parametrize("source", [OperatingSystem(), None], ids=["secret", "seeded"])
def test_words_have_62_bits_of_which_each_is_a_coin(source):
    words = (source or seeded("words")).words(SIZE).numpy()
    assert words.min() >= 0
    assert words.max() < 2**62
    ones = (words[:, None] >> np.arange(62) & 1).mean(0)
    assert np.abs(ones - 0.5).max() < 6 * 0.5 / SIZE**0.5
