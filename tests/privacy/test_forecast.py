"""Forecasts against ledgers that are counted by hand."""

import math
from collections import Counter

import pytest

from adpfl_bench.data.rounds.round_plan import plan_round
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy import forecast as forecast_file
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.forecast import MOST_ROUNDS, Forecast
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.privacy.thresholds import FixedThreshold

DELTA = 1e-3
UNITS = {"alps": 10, "bay": 7, "cape": 4}


def make(unit="record", sampling="shuffle", mechanism=None, z=4.0, threshold=None, units=UNITS, **schedule):
    plan = ReleasePlan(unit, sampling, 4, mechanism or GaussianMechanism())
    rounds = RoundSchedule(**{"rounds": 3, **schedule})
    return Forecast(plan, rounds, units, z, DELTA, threshold or FixedThreshold())


def epsilons(forecast):
    return {(row.round, row.client): row.epsilon for row in forecast.rows()}


@pytest.mark.parametrize("mechanism", [GaussianMechanism(), LaplaceMechanism(), LaplaceMechanism("l1")])
def test_record_is_in_one_release_of_each_local_epoch(mechanism):
    found = epsilons(make(mechanism=mechanism, local_epochs=2))
    release = Release(type(mechanism).__name__, 4.0, norm=mechanism.norm)
    assert found == {(r, c): client_epsilon({release: 2 * r}, DELTA) for r in (1, 2, 3) for c in UNITS}


def test_batch_moves_by_twice_the_threshold():
    assert epsilons(make(unit="batch"))[3, "bay"] == client_epsilon({Release("GaussianMechanism", 4.0, 2.0): 3}, DELTA)


def test_poisson_makes_every_step_a_sampled_release():
    found = epsilons(make(unit="patient", sampling="poisson", local_epochs=2))
    steps, rates = {"alps": 3, "bay": 2, "cape": 1}, {"alps": 4 / 10, "bay": 4 / 7, "cape": 1.0}
    for (number, client), epsilon in found.items():
        release = Release("GaussianMechanism", 4.0, 1.0, rates[client])
        assert epsilon == client_epsilon({release: 2 * steps[client] * number}, DELTA)


def test_client_releases_once_for_each_turn():
    rows = make(unit="client", local_epochs=5).rows()
    assert {(row.round, row.releases) for row in rows} == {(1, 1), (2, 2), (3, 3)}
    assert rows[-1].epsilon == client_epsilon({Release("GaussianMechanism", 4.0): 3}, DELTA)
    assert {row.accountant for row in rows} == {"Gaussian DP"}


def test_who_stays_away_spends_nothing():
    forecast = make(rounds=8, participation=0.4, seed=3)
    turns = dict.fromkeys(UNITS, 0)
    rows = iter(forecast.rows())
    for index in range(8):
        present = forecast.schedule.participants(index, list(UNITS))
        assert len(present) == 1
        for client in sorted(UNITS):
            row = next(rows)
            turns[client] += client in present
            assert (row.round, row.client, row.participates) == (index + 1, client, client in present)
            assert row.releases == turns[client]
            assert row.epsilon == client_epsilon({Release("GaussianMechanism", 4.0): turns[client]}, DELTA)
            assert bool(row.accountant) == (turns[client] > 0)
    assert len(set(turns.values())) > 1
    assert forecast.final == client_epsilon({Release("GaussianMechanism", 4.0): max(turns.values())}, DELTA)


@pytest.mark.parametrize(
    ("unit", "sampling"), [("record", "shuffle"), ("batch", "shuffle"), ("patient", "poisson"), ("client", "shuffle")]
)
def test_what_is_counted_is_what_the_planned_steps_release(unit, sampling):
    """Every turn of every round, stragglers, drop-outs and fine-tuning included, against the steps themselves."""
    settings = {"dropout": 0.3, "straggling": 0.5, "straggler_work": 0.3, "local_epochs": 3, "seed": 5}
    turns = {"turns": ("shared", "personal"), "fine_tuning_epochs": 2}
    forecast = make(unit, sampling, rounds=6, participation=0.7, **settings, **turns)
    records, start = {}, 0
    for client, size in UNITS.items():
        records[client] = range(start, start + size)
        start += size
    expected = {client: Counter() for client in UNITS}
    turns_seen = Counter()
    for index, found in enumerate(forecast.plan.events_by_round(4.0, forecast.schedule, UNITS)):
        passes = Counter()
        for step in plan_round(forecast.schedule, index, records, 4, poisson=sampling == "poisson"):
            passes[step.client, step.local_epoch] += 1
            turns_seen[step.turn] += step.last
            release = {
                "record": Release("GaussianMechanism", 4.0),
                "batch": Release("GaussianMechanism", 4.0, 2.0),
                "patient": Release("GaussianMechanism", 4.0, 1.0, step.sampling_rate),
                "client": Release("GaussianMechanism", 4.0),
            }[unit]
            first_of_pass = passes[step.client, step.local_epoch] == 1
            last_of_shared = step.last and step.turn == "shared"
            counts = {"record": first_of_pass, "batch": first_of_pass, "patient": True, "client": last_of_shared}
            expected[step.client][release] += counts[unit]
        assert found == {client: dict(+events) for client, events in expected.items()}
    assert index == 6
    assert turns_seen["personal"] == turns_seen["shared"] + len(UNITS)
    assert forecast.rows()[-1].round == 7
    assert forecast.final == max(client_epsilon(+events, DELTA) for events in expected.values())


@pytest.mark.parametrize("target", [1.0, 4.0, 8.0])
@pytest.mark.parametrize(
    "forecast",
    [
        make(mechanism=LaplaceMechanism(), rounds=20),
        make(unit="patient", sampling="poisson", rounds=20),
        make(unit="client", rounds=20, participation=0.7),
    ],
)
def test_noise_for_a_target_reproduces_the_target(forecast, target):
    z = forecast.needed_noise(target)
    assert 0.99 * target < forecast.with_noise(z).final <= target
    assert forecast.with_noise(0.99 * z).final > target


@pytest.mark.parametrize(
    "schedule",
    [
        {},
        {"participation": 0.4},
        {"straggling": 0.5, "local_epochs": 2},
        {"dropout": 0.5},
        {"turns": ("shared", "personal"), "fine_tuning_epochs": 2},
        {"participation": 0.4, "fine_tuning_epochs": 2},
    ],
)
@pytest.mark.parametrize("sampling", ["shuffle", "poisson"])
def test_one_round_more_than_is_affordable_is_too_much(schedule, sampling):
    settings = {"unit": "patient", "sampling": sampling, "z": 3.0, **schedule}
    rounds = make(**settings).affordable(4.0)
    assert rounds > 1
    assert make(**settings, rounds=rounds).final <= 4.0
    assert make(**settings, rounds=rounds + 1).final > 4.0


def test_affordable_rounds_end_at_a_limit_and_begin_at_none():
    assert make(z=1e6).affordable(8.0) == MOST_ROUNDS
    assert make(z=0.1).affordable(1.0) == 0


def test_budget_is_split_between_sum_and_statistic():
    assert make().parts() == (4.0, math.inf)
    first, second = make(threshold=QuantileThreshold(budget_share=0.05)).parts()
    assert first**-2 + second**-2 == pytest.approx(4.0**-2)
    assert (second / 4.0) ** -2 == pytest.approx(0.05)


def test_long_forecasts_keep_first_and_last_round(monkeypatch):
    monkeypatch.setattr(forecast_file, "_MOST_EPSILONS", 30)
    forecast = make(rounds=100)
    numbers = sorted({row.round for row in forecast.rows()})
    assert numbers == [*range(1, 100, 10), 100]
    assert max(row.epsilon for row in forecast.rows()) == forecast.final
