"""What a record says a run will have released, against the plan that the run was made by."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT, RoundSchedule
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.records.blocks import FederatedBlock
from adpfl_bench.records.spent import _by_end, _visits
from tests.leaderboard.records import by_target, record_of

UNITS = {"alps": 10, "bay": 7, "cape": 3}
schedules = st.builds(
    RoundSchedule,
    rounds=st.integers(1, 4),
    seed=st.integers(0, 9),
    participation=st.floats(0.3, 1),
    local_epochs=st.integers(1, 3),
    local_steps=st.none() | st.integers(1, 9),
    availability=st.sampled_from(["uniform", "cyclic"]),
    dropout=st.floats(0, 0.9) | st.just({"bay": 0.5}),
    straggling=st.floats(0, 1) | st.just({"alps": 1.0}),
    straggler_work=st.floats(0.05, 1),
    turns=st.sampled_from([("shared",), ("personal",), ("shared", "personal")]),
    fine_tuning_epochs=st.integers(0, 2),
)


def planned(schedule, **federated):
    """The record of a schedule."""
    sizes = {name: {"train": units, "validation": 0, "test": 0} for name, units in UNITS.items()}
    data = {"kind": "phantom", "fingerprint": "f", "clients": sizes}
    return record_of(seed=schedule.seed, federated={**asdict(schedule), **federated}, data=data)


@given(
    schedule=schedules,
    method=st.sampled_from(
        [("record", "shuffle"), ("batch", "shuffle"), ("patient", "poisson"), ("client", "shuffle")]
    ),
)
def test_the_record_tells_what_will_be_released_or_says_that_it_does_not(schedule, method):
    unit, sampling = method
    plan = ReleasePlan(unit, sampling, 4, GaussianMechanism())
    *_, at_end = plan.events_by_round(2.0, schedule, UNITS)
    privacy = record_of(privacy=by_target(unit=unit, sampling=sampling, units_per_step=4)).privacy
    visits = _visits(planned(schedule))
    for client, events in at_end.items():
        for release, count in events.items():
            found = _by_end(release, visits[client], privacy)
            unknown = sampling == "shuffle" and unit != "client" and any(v.step_limit for v in visits[client])
            assert found == (None if unknown else count)


@pytest.mark.parametrize(
    ("federated", "names"),
    [
        ({}, ["alps", "bay", "cape"]),
        ({"held_out_clients": ["bay"]}, ["alps", "cape"]),
        ({"pooled": True}, [POOLED_CLIENT]),
    ],
)
def test_turns_are_counted_of_who_trains(federated, names):
    visits = _visits(planned(RoundSchedule(3), **federated))
    assert list(visits) == names
    assert {sum(own.values()) for own in visits.values()} == {3}


def test_a_number_of_rounds_that_nobody_trains_is_a_sentence():
    record = planned(RoundSchedule(2))
    record.federated = FederatedBlock(rounds=10**12)
    with pytest.raises(ConfigError, match="it plans 1,000,000,000,000 rounds, and more than 100,000 nobody trains"):
        _visits(record)


def test_records_of_earlier_versions_had_plain_rounds():
    record = planned(RoundSchedule(2))
    record.federated = FederatedBlock(rounds=2, local_epochs=3)
    assert _visits(record) == {
        name: {visit: 2 for visit in RoundSchedule(2, local_epochs=3).visits(0, [name])} for name in UNITS
    }
