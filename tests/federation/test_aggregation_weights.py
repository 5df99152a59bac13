"""How much clients count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregation_weights import AggregationWeights

SIZES = {"small": 10, "middle": 30, "large": 160}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (AggregationWeights(), {"small": 0.05, "middle": 0.15, "large": 0.8}),
        (AggregationWeights("cases"), {"small": 0.05, "middle": 0.15, "large": 0.8}),
        (AggregationWeights("uniform"), {"small": 1 / 3, "middle": 1 / 3, "large": 1 / 3}),
        (AggregationWeights("capped", 40), {"small": 0.125, "middle": 0.375, "large": 0.5}),
        (AggregationWeights("capped", 1), {"small": 1 / 3, "middle": 1 / 3, "large": 1 / 3}),
    ],
)
def test_shares_by_hand(weights, expected):
    assert weights.shares(SIZES) == expected


@given(
    sizes=st.dictionaries(st.text(max_size=3), st.integers(1, 10**6), min_size=1, max_size=30),
    weights=st.sampled_from(
        [AggregationWeights(), AggregationWeights("uniform"), AggregationWeights("capped", cap=100)]
    ),
)
def test_shares_are_positive_and_sum_to_one(sizes, weights):
    shares = weights.shares(sizes)
    assert list(shares) == list(sizes)
    assert min(shares.values()) > 0
    assert sum(shares.values()) == pytest.approx(1)


def test_a_round_in_which_nobody_sends_has_no_shares():
    for rule in ("cases", "uniform"):
        assert AggregationWeights(rule).shares({}) == {}


@pytest.mark.parametrize(
    ("rule", "cap", "sentence"),
    [
        ("records", None, "is records; possible are cases, uniform, capped"),
        ("capped", None, "rule 'capped' need a cap"),
        ("cases", 5, "A cap of 5 was given for aggregation weights with the rule 'cases'"),
        ("uniform", 5, "rule 'uniform', which has none"),
        ("capped", 0, "must be at least 1 example, but it is 0"),
        ("capped", -3, "must be at least 1 example, but it is -3"),
    ],
)
def test_what_does_not_go_together_is_refused(rule, cap, sentence):
    with pytest.raises(ConfigError, match=sentence):
        AggregationWeights(rule, cap)


def test_participants_without_any_records_are_refused():
    with pytest.raises(ConfigError, match="none of a, b has any"):
        AggregationWeights().shares({"b": 0, "a": 0})
    assert AggregationWeights("uniform").shares({"b": 0, "a": 0}) == {"b": 0.5, "a": 0.5}
