"""Laplace noise in many dimensions is dominated by one coordinate: the lemma, by numbers; and grids that stay short."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.loss_distribution import has_distribution, pld_applies, pld_epsilon

GAUSSIAN, LAPLACE = "GaussianMechanism", "LaplaceMechanism"
EPSILONS = np.concatenate([-np.geomspace(6, 0.01, 20), np.geomspace(0.01, 6, 20)])


def values(t, cells=400):
    """Values cut off to [0, t] and their probabilities, of Laplace(0, 1); exact but for the cells between."""
    edges = np.linspace(0, t, cells + 1)
    inside = (np.exp(-edges[:-1]) - np.exp(-edges[1:])) / 2
    return np.concatenate([[0, t], (edges[:-1] + edges[1:]) / 2]), np.concatenate([[0.5, math.exp(-t) / 2], inside])


def several(shifts):
    """Values and probabilities of the sum over independent coordinates."""
    total, weights = np.zeros(1), np.ones(1)
    for t in shifts:
        own, probabilities = values(t, 400 if len(shifts) < 3 else 60)
        total, weights = np.add.outer(total, own).ravel(), np.outer(weights, probabilities).ravel()
    return total, weights


def hockey_sticks(shifts, q):
    """Both directions' divergences between the noise and its Poisson-sampled mixture with the shifted noise."""
    total, weights = several(shifts)
    ratio = 1 - q + q * np.exp(2 * total - sum(shifts))
    gamma = np.exp(EPSILONS)
    out = [np.sum(weights * np.maximum(ratio - g, 0)) for g in gamma]
    back = [np.sum(weights * np.maximum(1 - g * ratio, 0)) for g in gamma]
    return np.array([out, back])


def test_one_coordinate_in_closed_form():
    """``1 - exp((epsilon - t) / 2)`` for epsilon in [0, t]."""
    t = 2.0
    closed = np.where(t > EPSILONS, -np.expm1((np.maximum(EPSILONS, -t) - t) / 2), 0.0)
    within = np.abs(EPSILONS) < t
    for found in hockey_sticks([t], 1.0):
        assert found[within] == pytest.approx(closed[within], abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    shifts=st.lists(st.floats(0.02, 2), min_size=2, max_size=3),
    q=st.sampled_from([0.01, 0.3, 1.0]),
)
def test_no_direction_of_a_shift_is_worse_than_along_one_coordinate(shifts, q):
    one, many = hockey_sticks([sum(shifts)], q), hockey_sticks(shifts, q)
    assert (many <= one + 2e-3 * max(shifts)).all()  # the cells of three coordinates are coarse
    longer = hockey_sticks([1.3 * sum(shifts)], q)
    assert (one <= longer + 1e-4).all()


def test_a_shift_of_the_same_l2_norm_is_worse():
    """So the comparison above can fail: under L2 clipping one coordinate does not dominate."""
    t = 0.5
    one, two = hockey_sticks([t], 1.0), hockey_sticks([t / math.sqrt(2)] * 2, 1.0)
    assert (two > one + 5e-3).any()


@pytest.mark.parametrize(("s", "t"), [(0.1, 0.1), (0.3, 2.0), (1.0, 1.5), (4.0, 0.5)])
def test_the_sum_has_more_mass_than_one_coordinate_everywhere_but_at_the_ends(s, t):
    """The step that the lemma rests on."""
    total, weights = several([s, t])
    edges = np.linspace(0, s + t, 41)[1:-1]
    for low, high in pairwise(edges):
        mass = weights[(total > low) & (total <= high)].sum()
        assert mass >= (math.exp(-low) - math.exp(-high)) / 2 * (1 - 0.15)  # cells may lie across an edge
    inside = weights[(total > 0) & (total < s + t)].sum()
    assert inside == pytest.approx((1 - math.exp(-s - t)) / 2 + 0.25 + math.exp(-s - t) / 4, rel=1e-9)
    for end, mass in ((0.0, 0.5), (s + t, math.exp(-s - t) / 2)):
        assert weights[np.isclose(total, end, atol=1e-12)].sum() == pytest.approx(mass / 2, rel=1e-9)
    assert np.sum(weights * np.exp(2 * total - s - t)) == pytest.approx(1, rel=1e-4)


def test_which_releases_have_a_distribution():
    assert has_distribution(Release(GAUSSIAN, 1.0))
    assert has_distribution(Release(GAUSSIAN, 1.0, norm="l1"))
    assert has_distribution(Release(LAPLACE, 1.0, norm="l1"))
    assert not has_distribution(Release(LAPLACE, 1.0))
    assert not pld_applies([(Release(LAPLACE, 1.0), 1), (Release(GAUSSIAN, 1.0), 1)], 1e-5)


def test_one_laplace_release_in_closed_form():
    for t in (0.01, 1.0, 8.0, 60.0):
        exact = t + 2 * math.log1p(-1e-5)
        found = pld_epsilon([(Release(LAPLACE, 1 / t, norm="l1"), 1)], 1e-5)
        assert exact <= found <= exact + 0.05 * t  # a cell of the grid may end above t


def test_gaussian_releases_join_before_they_meet_laplace_ones():
    """The distribution of 100 Gaussian releases is that of one at ten times the distance."""
    laplace = (Release(LAPLACE, 2.0, 1.0, 0.2, "l1"), 20)
    many = pld_epsilon([(Release(GAUSSIAN, 10.0), 100), laplace], 1e-5)
    one = pld_epsilon([(Release(GAUSSIAN, 1.0), 1), laplace], 1e-5)
    assert many == pytest.approx(one, rel=2e-3)
    assert many > pld_epsilon([(Release(GAUSSIAN, 1.0), 1)], 1e-5)
