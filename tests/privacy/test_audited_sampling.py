"""What is told of the draws of units, and of the ledger's entries for them."""

import numpy as np
import pytest

from adpfl_bench.privacy.audit import sampling
from adpfl_bench.privacy.audit.error_rates import ALPHA
from adpfl_bench.privacy.audit.ledger_watch import LedgerWatch, stated_multipliers
from adpfl_bench.privacy.audit.sampling import ObservedSampling
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism

UNITS, RATE = 40, 0.15


def drawn(draw, passes=4, steps=10, rate=RATE, seed=0):
    """What is seen of a client whose steps ``draw(generator)`` draws, for one pass."""
    observed, generator = ObservedSampling(), np.random.default_rng(seed)
    for this_pass in range(passes):
        for members in draw(generator, steps):
            observed.see("a", list(members), None)
            observed.count("a", list(members), UNITS, rate, this_pass)
    return observed.check()


def independent(generator, steps, rate=RATE):
    return [np.flatnonzero(generator.random(UNITS) < rate).tolist() for _ in range(steps)]


def shuffled(generator, steps):
    order = generator.permutation(UNITS).tolist()
    return [order[4 * k : 4 * k + 4] for k in range(steps)]


def test_independent_draws_pass():
    for seed in range(30):
        check = drawn(independent, seed=seed)
        assert check.passed, check
    assert check.figures["steps"] == 40
    assert check.figures["units"] == UNITS


def test_p_values_of_independent_draws_are_those_that_they_are_called(monkeypatch):
    """Of many runs, the share of those that are accused is at most the tests' five levels together."""
    monkeypatch.setattr(sampling, "ALPHA", 0.02)
    accused = [not drawn(independent, seed=seed).passed for seed in range(150)]
    assert 0 < np.mean(accused) <= 0.1 + 0.05


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda g, n: independent(g, n, 0.3), "units are drawn with a rate of 0.29"),
        (lambda g, n: [[*{0, *one}] for one in independent(g, n)], "a unit is in 40 of 40 steps"),
        (lambda g, n: [g.choice(UNITS, 6, replace=False).tolist() for _ in range(n)], "batches are not of the sizes"),
        (lambda g, n: [list(range(UNITS)) if g.random() < RATE else [] for _ in range(n)], "batches are not of the"),
        (lambda g, n: [one for one in independent(g, n // 2) for _ in range(2)], "units come in two steps in a row"),
    ],
)
def test_other_draws_are_found(draw, reason):
    check = drawn(draw)
    assert check.passed is False
    assert check.reason.startswith(f"client a: {reason}"), check.reason
    assert check.figures["smallest_p_value"] < ALPHA


def test_a_shuffle_is_no_sampling_whatever_the_sizes_of_its_batches():
    """Batches of the sizes that draws would have, but of units that have not been there."""

    def draw(generator, steps):
        order = generator.permutation(UNITS).tolist()
        sizes = generator.binomial(UNITS, 0.1, steps)
        ends = np.cumsum(sizes)
        return [order[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    check = drawn(draw, passes=8, steps=8, rate=0.1)
    assert "twice in a pass" in check.reason


def test_a_shuffle_visits_each_unit_once_in_a_pass():
    assert drawn(shuffled, rate=1.0).passed
    check = drawn(lambda g, n: [[0, *(i for i in one if i)] for one in shuffled(g, n)], rate=1.0)
    assert check.reason == "client a: a unit is in 10 steps of one pass"


def test_problems_of_batches_are_said_and_clients_are_not_sampled():
    observed = ObservedSampling()
    assert observed.check().passed is None
    assert observed.see("a", [1, 2], None) == 1
    assert observed.see("a", [2, 3], "an example is in one batch twice") == 2
    assert observed.check().reason == "client a: an example is in one batch twice"


def watch(unit="record"):
    ledger = PrivacyLedger()
    return ledger, LedgerWatch(lambda: ledger, unit)


def test_each_release_has_its_entry():
    event, other = Release("GaussianMechanism", 2.0), Release("GaussianMechanism", 1.0)
    ledger, seen = watch()
    for this_pass in range(3):
        ledger.add("a", event)
        assert [seen.release("a", this_pass + 1) for _ in range(4)] == [event] * 4
    ledger.add("a", other)
    assert seen.release("a", 4) == other
    assert seen.check().passed
    assert seen.check().figures == {"entered": 4, "needed": 4}
    assert seen.release("a", 5) == other
    assert seen.check().reason == "client a released more than was entered before"


def test_sampled_releases_are_all_entered():
    ledger, seen = watch()
    ledger.add("a", Release("GaussianMechanism", 2.0, sampling_rate=0.1), 2)
    for visits in (0, 1):
        seen.release("a", visits)
    assert seen.check().passed
    seen.release("a", 1)
    assert seen.check().passed is False


def test_what_was_entered_before_is_of_another_run():
    ledger = PrivacyLedger()
    ledger.add("a", Release("GaussianMechanism", 2.0), 5)
    seen = LedgerWatch(lambda: ledger, "record")
    assert seen.check().passed is None
    assert seen.release("a", 1) is None
    assert seen.check().reason == "client a released what was not entered"


@pytest.mark.parametrize(("unit", "least"), [("batch", 2.0), ("record", 1.0), ("client", 1.0)])
def test_the_sensitivity_is_that_of_the_unit(unit, least):
    for sensitivity, passed in ((least, True), (least + 1, True), (0.99 * least, False)):
        ledger, seen = watch(unit)
        ledger.add("a", Release("GaussianMechanism", 2.0, sensitivity))
        seen.release("a", 1)
        assert seen.check().passed is passed


@pytest.mark.parametrize("mechanism", [GaussianMechanism(), LaplaceMechanism("l1")])
def test_shares_are_those_of_the_mechanisms(mechanism):
    event = mechanism.event(3.0)
    assert stated_multipliers(event, 0.1) == pytest.approx(mechanism.split(3.0, 0.1))
    for none in (0.0, -3.0, 1.0, 2.0):
        assert stated_multipliers(event, none) == (3.0, float("inf"))
