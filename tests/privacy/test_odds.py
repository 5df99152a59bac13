"""What epsilon and delta allow a membership test, beside the best test by brute force."""

import math
import re

import numpy as np
import pytest

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.odds import highest_true_positive_rate, odds_text

DELTA = 1e-4


def most_powerful(member, stranger, rate):
    """The likelihood-ratio test by brute force: outcomes are suspected by their ratio, the last one by chance."""
    found, left = 0.0, rate
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.argsort(-(np.array(member) / np.array(stranger)))
    for outcome in order:
        share = 1.0 if stranger[outcome] <= left else left / stranger[outcome]
        found += share * member[outcome]
        left -= share * stranger[outcome]
        if share < 1:
            break
    return found


@pytest.mark.parametrize("delta", [0.0, 1e-4, 0.1])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0, 3.0, 8.0])
def test_it_is_the_best_test_against_the_mechanism_that_is_worst(epsilon, delta):
    # Randomised response that publishes with probability delta: the worst (epsilon, delta) mechanism there is.
    likely = (1 - delta) / (1 + math.exp(-epsilon))
    member = [delta, likely, 1 - delta - likely, 0.0]
    for rate in (0.0, 1e-3, 0.01, 0.1, 0.4, 0.9, 1.0):
        worst = most_powerful(member, member[::-1], rate)
        assert highest_true_positive_rate(epsilon, delta, rate) == pytest.approx(worst, abs=1e-12)


def test_nothing_and_everything():
    assert highest_true_positive_rate(0.0, 0.0, 0.3) == pytest.approx(0.3)
    assert highest_true_positive_rate(math.inf, 0.0, 0.01) == 1
    assert highest_true_positive_rate(1000.0, 0.0, 0.01) == 1
    assert highest_true_positive_rate(math.inf, 1e-4, 0.0) == 1e-4


@pytest.mark.parametrize("wrong", [(-1.0, 0.0, 0.1), (math.nan, 0.0, 0.1), (1.0, 1.1, 0.1), (1.0, 0.0, -0.1)])
def test_numbers_out_of_range(wrong):
    with pytest.raises(ConfigError, match="A membership test has an epsilon of at least 0"):
        highest_true_positive_rate(*wrong)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 3.0, 8.0, 1e5])
def test_a_sentence_is_never_below_the_bound(epsilon):
    stated = [float(found) for found in re.findall(r"([\d.]+) %", odds_text(epsilon, DELTA))[2:]]
    exact = [100 * highest_true_positive_rate(epsilon, DELTA, rate) for rate in (0.01, 0.1)]
    for number, bound in zip(stated, exact, strict=True):
        assert bound <= number < bound + 1
