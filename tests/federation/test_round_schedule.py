"""Who takes part in a round, and for how long."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule

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
def test_steps(records, batch_size, epochs, steps):
    assert RoundSchedule(1, local_epochs=epochs).steps(records, batch_size) == epochs * math.ceil(records / batch_size)
    assert RoundSchedule(1, local_epochs=epochs, local_steps=steps).steps(records, batch_size) == steps


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
    ],
)
def test_refuses_what_is_out_of_range(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        RoundSchedule(**{"rounds": 2, **arguments})


def test_refuses_more_participants_than_clients():
    with pytest.raises(ConfigError, match="clients_per_round is 4, but there are only 3 clients"):
        RoundSchedule(2, clients_per_round=4).participants(0, ["a", "b", "c"])
