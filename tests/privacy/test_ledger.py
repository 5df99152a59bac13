"""The ledger: counts that only grow, and survive checkpoints of this version and the one before."""

import io
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import PrivacyLedger, Release

STRONG, WEAK = Release("GaussianMechanism", 4.0, 1.0), Release("GaussianMechanism", 1.0, 1.0)
SAMPLED = Release("LaplaceMechanism", 0.25, 2.0, 0.1, "l1")


def test_ledger_counts_by_client_and_release():
    ledger = PrivacyLedger()
    ledger.add("b", STRONG)
    ledger.add("b", STRONG, 2)
    ledger.add("a", WEAK)
    assert ledger.clients() == ("a", "b")
    assert ledger.events("b") == {STRONG: 3}
    assert ledger.events("c") == {}
    ledger.events("b")[STRONG] = 0
    assert ledger.events("b") == {STRONG: 3}
    with pytest.raises(ConfigError, match="only grows, but -1 releases of client a"):
        ledger.add("a", WEAK, -1)


def test_releases_differ_by_sampling_and_norm():
    ledger = PrivacyLedger()
    for release in (STRONG, Release("GaussianMechanism", 4.0, 1.0, 0.5), Release("GaussianMechanism", 4.0, norm="l1")):
        ledger.add("a", release)
    assert set(ledger.events("a").values()) == {1}
    assert Release("GaussianMechanism", 4.0) == STRONG


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"noise_multiplier": -1.0}, "must be at least 0, but they are -1.0 and 1.0"),
        ({"noise_multiplier": float("nan")}, "must be at least 0"),
        ({"sensitivity": -2.0}, "must be at least 0"),
        ({"sampling_rate": 1.5}, "is a probability, but it is 1.5"),
        ({"sampling_rate": -0.1}, "is a probability"),
        ({"norm": "linf"}, "l2 or l1, but a release has 'linf'"),
    ],
)
def test_impossible_releases(fields, message):
    with pytest.raises(ConfigError, match=message):
        Release(**{"mechanism": "GaussianMechanism", "noise_multiplier": 1.0, **fields})


def test_ledger_round_trip():
    ledger = PrivacyLedger()
    ledger.add("a", SAMPLED, 7)
    ledger.add("a", STRONG)
    ledger.add("b", STRONG, 2)
    file = io.BytesIO()
    torch.save(ledger.state_dict(), file)
    file.seek(0)
    for state in (torch.load(file, weights_only=True), json.loads(json.dumps(ledger.state_dict()))):
        restored = PrivacyLedger()
        restored.load_state_dict(state)
        assert restored.state_dict() == ledger.state_dict()
        assert all(restored.events(client) == ledger.events(client) for client in "ab")
        restored.add("b", STRONG)
        assert restored.events("b") == {STRONG: 3}
    assert ledger.state_dict()["a"][0] == ["LaplaceMechanism", 0.25, 2.0, 0.1, "l1", 7]


def test_a_ledger_of_the_older_format_is_unsampled_and_clipped_in_l2():
    ledger = PrivacyLedger()
    ledger.load_state_dict({"a": [["LaplaceMechanism", 0.25, 2.0, 7], ["GaussianMechanism", 4.0, 1.0, 1]]})
    assert ledger.events("a") == {Release("LaplaceMechanism", 0.25, 2.0, 1.0, "l2"): 7, STRONG: 1}
    ledger.raise_to({"a": [["LaplaceMechanism", 0.25, 2.0, 9]]})
    assert ledger.events("a")[Release("LaplaceMechanism", 0.25, 2.0)] == 9


COUNTS = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from([STRONG, WEAK, SAMPLED]), st.integers(0, 9)), max_size=3
)


def ledger_of(counts):
    ledger = PrivacyLedger()
    for client, events in counts.items():
        for release, count in events.items():
            ledger.add(client, release, count)
    return ledger


@given(mine=COUNTS, theirs=COUNTS)
def test_raising_takes_the_larger_of_every_count(mine, theirs):
    ledger, other = ledger_of(mine), ledger_of(theirs)
    ledger.raise_to(other.state_dict())
    for client in "abc":
        for release in (STRONG, WEAK, SAMPLED):
            larger = max(mine.get(client, {}).get(release, 0), theirs.get(client, {}).get(release, 0))
            assert ledger.events(client).get(release, 0) == larger
    again = ledger.state_dict()
    ledger.raise_to(other.state_dict())
    assert ledger.state_dict() == again
