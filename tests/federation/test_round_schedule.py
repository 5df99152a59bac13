"""Who takes part in a round, and for how long."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule, Visit

NAMES = [f"site-{i:02}" for i in range(20)]


@given(
    clients=st.integers(1, 20),
    participation=st.floats(0.01, 1),
    round_index=st.integers(0, 1000),
    seed=st.integers(0, 2**40),
    shuffle=st.randoms(),
)
def test_participants_are_distinct_sorted_and_blind_to_order(clients, participation, round_index, seed, shuffle):
    schedule = RoundSchedule(rounds=1, seed=seed, participation=participation)
    names = NAMES[:clients]
    drawn = schedule.participants(round_index, names)
    assert len(drawn) == max(1, round(participation * clients))
    assert list(drawn) == sorted(set(drawn))
    assert set(drawn) <= set(names)
    shuffled = shuffle.sample(names, clients)
    assert schedule.participants(round_index, shuffled) == drawn


def test_every_client_is_drawn_equally_often():
    schedule = RoundSchedule(rounds=1, seed=1, clients_per_round=5)
    drawn = [name for index in range(2000) for name in schedule.participants(index, NAMES)]
    counts = np.array([drawn.count(name) for name in NAMES])
    assert np.abs(counts - 500).max() < 4 * math.sqrt(2000 * 0.25 * 0.75)


def test_draws_differ_between_rounds_and_seeds():
    def draws(seed):
        schedule = RoundSchedule(rounds=1, seed=seed, clients_per_round=5)
        return [schedule.participants(index, NAMES) for index in range(10)]

    assert len(set(draws(0))) == 10
    assert draws(0) == draws(0)
    assert not set(draws(0)) & set(draws(1))


@given(records=st.integers(1, 100), batch_size=st.integers(1, 20), epochs=st.integers(1, 4), steps=st.integers(1, 50))
def test_steps_are_whole_passes_or_as_many_as_stated(records, batch_size, epochs, steps):
    assert Visit("a", "shared", epochs, None).steps(records, batch_size) == epochs * math.ceil(records / batch_size)
    assert Visit("a", "shared", epochs, steps).steps(records, batch_size) == steps


@given(steps=st.integers(1, 300), percent=st.integers(1, 100))
def test_less_work_is_that_share_of_the_steps_rounded_up(steps, percent):
    exact = math.ceil(Fraction(percent, 100) * steps)
    assert Visit("a", "shared", 1, steps, percent / 100).steps(7, 3) == exact >= 1
    assert Visit("a", "shared", steps, None, percent / 100).steps(7, 7) == exact


def test_draws_of_participants_are_those_of_earlier_versions():
    schedule = RoundSchedule(rounds=9, seed=1, clients_per_round=3)
    assert [schedule.participants(index, NAMES[:8]) for index in range(3)] == [
        ("site-00", "site-05", "site-06"),
        ("site-01", "site-02", "site-03"),
        ("site-05", "site-06", "site-07"),
    ]


@given(clients=st.integers(1, 20), count=st.integers(1, 20), seed=st.integers(0, 99), shuffle=st.randoms())
def test_cyclic_clients_take_turns_in_blocks_of_one_order(clients, count, seed, shuffle):
    count = min(count, clients)
    schedule = RoundSchedule(99, seed, clients_per_round=count, availability="cyclic")
    names = NAMES[:clients]
    rounds = [schedule.participants(index, shuffle.sample(names, clients)) for index in range(clients)]
    assert all(len(set(drawn)) == count and list(drawn) == sorted(drawn) for drawn in rounds)
    assert Counter(name for drawn in rounds for name in drawn) == dict.fromkeys(names, count)
    seen = []
    for drawn in rounds:  # nobody comes again before everybody has been there
        seen += drawn
    whole = clients // count * count
    assert len(set(seen[:whole])) == whole
    assert schedule.participants(clients, names) == rounds[0]


def test_cyclic_order_depends_on_the_seed():
    orders = {
        tuple(
            RoundSchedule(9, seed, clients_per_round=1, availability="cyclic").participants(i, NAMES) for i in range(20)
        )
        for seed in range(5)
    }
    assert len(orders) == 5


def test_clients_drop_out_as_often_as_stated_and_independently():
    schedule = RoundSchedule(1, seed=2, dropout=0.3)
    absences = (schedule.absent(index, NAMES) for index in range(600))
    absent = np.array([[name in names for name in NAMES] for names in absences])
    assert np.abs(absent.mean(axis=0) - 0.3).max() < 5 * math.sqrt(0.3 * 0.7 / 600)
    correlation = np.corrcoef(absent.T.astype(float)) - np.eye(len(NAMES))
    assert np.abs(correlation).max() < 5 / math.sqrt(600)


@given(
    dropout=st.floats(0, 0.99) | st.dictionaries(st.sampled_from(NAMES), st.floats(0, 0.99)),
    participation=st.floats(0.1, 1),
    index=st.integers(0, 50),
    seed=st.integers(0, 99),
)
def test_who_is_drawn_takes_part_or_is_absent(dropout, participation, index, seed):
    schedule = RoundSchedule(99, seed, participation, dropout=dropout)
    present, absent = schedule.participants(index, NAMES), schedule.absent(index, NAMES)
    drawn = RoundSchedule(99, seed, participation).participants(index, NAMES)
    assert sorted(present + absent) == list(drawn) == list(schedule.drawn(index, NAMES))
    assert present
    if isinstance(dropout, dict) and len(present) > 1:
        assert all(dropout.get(name, 0) > 0 for name in absent)


def test_one_stays_where_all_would_drop_out_and_not_always_the_same():
    schedule = RoundSchedule(1, seed=0, dropout=0.999)
    rounds = [schedule.participants(index, NAMES) for index in range(200)]
    alone = Counter(drawn for drawn in rounds if len(drawn) == 1)
    assert sum(alone.values()) > 150
    assert len(alone) > 10


def test_dropping_out_of_one_client_does_not_depend_on_who_else_there_is():
    schedule = RoundSchedule(1, seed=3, dropout=0.5)
    for index in range(50):
        some = set(schedule.absent(index, NAMES[:10]))
        everyone = set(schedule.absent(index, NAMES)) & set(NAMES[:10])
        if len(schedule.participants(index, NAMES[:10])) > 1:
            assert some == everyone


def test_only_the_clients_named_straggle_and_as_often_as_stated():
    schedule = RoundSchedule(1, seed=4, straggling={"site-03": 0.4, "site-04": 1.0}, straggler_work=0.25)
    rounds = [schedule.stragglers(index, NAMES) for index in range(1000)]
    counts = Counter(name for drawn in rounds for name in drawn)
    assert set(counts) == {"site-03", "site-04"}
    assert counts["site-04"] == 1000
    assert abs(counts["site-03"] - 400) < 5 * math.sqrt(1000 * 0.4 * 0.6)
    for index in range(20):
        works = {visit.client: visit.work for visit in schedule.visits(index, NAMES)}
        assert works == {name: 0.25 if name in rounds[index] else 1.0 for name in NAMES}


def test_stragglers_are_among_the_participants_and_drawn_apart_from_who_drops_out():
    schedule = RoundSchedule(1, seed=5, dropout=0.5, straggling=0.5)
    both = 0
    for index in range(100):
        present, slow = schedule.participants(index, NAMES), schedule.stragglers(index, NAMES)
        assert set(slow) <= set(present)
        both += 0 < len(slow) < len(present)
    assert both > 80


def test_visits_are_each_participants_turns_in_order():
    schedule = RoundSchedule(3, clients_per_round=2, local_epochs=2, local_steps=7, turns=("shared", "personal"))
    first, second = schedule.participants(1, NAMES)
    assert schedule.visits(1, NAMES) == (
        Visit(first, "shared", 2, 7),
        Visit(first, "personal", 2, 7),
        Visit(second, "shared", 2, 7),
        Visit(second, "personal", 2, 7),
    )


def test_everyone_fine_tunes_after_the_last_round():
    schedule = RoundSchedule(
        3, clients_per_round=2, local_steps=7, dropout=0.9, straggling=1.0, availability="cyclic", fine_tuning_epochs=4
    )
    assert schedule.total_rounds == 4
    assert [schedule.is_fine_tuning(index) for index in range(4)] == [False, False, False, True]
    assert schedule.visits(3, NAMES) == tuple(Visit(name, "personal", 4, None, 1.0) for name in NAMES)
    assert schedule.participants(3, NAMES) == tuple(NAMES)
    assert schedule.absent(3, NAMES) == schedule.stragglers(3, NAMES) == ()
    assert RoundSchedule(3).total_rounds == 3
    assert not RoundSchedule(3).is_fine_tuning(3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rounds": 0}, r"federated\.rounds must be at least 1, but it is 0"),
        ({"local_epochs": 0}, r"federated\.local_epochs must be at least 1, but it is 0"),
        ({"local_steps": -3}, r"federated\.local_steps must be at least 1, but it is -3"),
        ({"clients_per_round": 0}, r"federated\.clients_per_round must be at least 1, but it is 0"),
        ({"participation": 0.0}, r"must lie in \(0, 1\], but it is 0\.0; .*federated\.clients_per_round"),
        ({"participation": 1.5}, r"must lie in \(0, 1\], but it is 1\.5"),
        ({"participation": float("nan")}, r"must lie in \(0, 1\], but it is nan"),
        ({"availability": "weekly"}, r"federated\.availability is weekly; possible are uniform, cyclic"),
        ({"dropout": 1.0}, r"federated\.dropout .* in \[0, 1\), but it is 1\.0; .*federated\.held_out_clients"),
        ({"dropout": {"a": 0.1, "b": -0.1}}, r"federated\.dropout .* in \[0, 1\), but it is -0\.1"),
        ({"straggling": 1.1}, r"federated\.straggling .* in \[0, 1\], but it is 1\.1"),
        ({"straggling": {"a": float("nan")}}, r"federated\.straggling .* but it is nan"),
        ({"straggler_work": 0.0}, r"federated\.straggler_work .* in \(0, 1\], but it is 0\.0"),
        ({"straggler_work": 1.5}, r"federated\.straggler_work .* in \(0, 1\], but it is 1\.5"),
        ({"turns": ()}, "turns of a participant must be shared and personal, .*, but they are none"),
        ({"turns": ("shared", "shared")}, "each once, but they are shared, shared"),
        ({"turns": ("private",)}, "turns of a participant .* but they are private"),
        ({"fine_tuning_epochs": -1}, r"federated\.fine_tuning_epochs must not be negative, but it is -1"),
    ],
)
def test_refuses_what_is_out_of_range(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        RoundSchedule(**{"rounds": 2, **arguments})


def test_refuses_more_participants_than_clients():
    with pytest.raises(ConfigError, match="clients_per_round is 4, but there are only 3 clients"):
        RoundSchedule(2, clients_per_round=4).participants(0, ["a", "b", "c"])


@pytest.mark.parametrize("setting", ["dropout", "straggling"])
def test_refuses_probabilities_of_clients_that_there_are_not(setting):
    schedule = RoundSchedule(2, **{setting: {"a": 0.1, "z": 0.2}})
    with pytest.raises(ConfigError, match=rf"federated\.{setting} names z, but the clients that train are a, b\."):
        schedule.participants(0, ["b", "a"])
