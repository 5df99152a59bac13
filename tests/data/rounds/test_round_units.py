"""Local steps made of patients, and of units that are drawn by chance."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.utils.data import Dataset

from adpfl_bench.data.rounds.round_loader import PersistentWorkers, RoundLoader
from adpfl_bench.data.rounds.round_plan import plan_round
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import Example

# Examples 10 to 22 of client a belong to patients with 1 to 4 examples each, not side by side.
PATIENTS = dict(zip(range(10, 23), "pqrpsqtpruuvp", strict=True)) | {30: "w", 31: "w"}
EXAMPLES = {"a": list(range(10, 23)), "b": [30, 31]}


class Numbers(Dataset):
    def __getitem__(self, key):
        return Example(torch.full((1, 2), float(key.example)), torch.zeros(1, 2))


@settings(max_examples=30)
@given(batch_size=st.integers(1, 9), local_epochs=st.integers(1, 3), round_index=st.integers(0, 20))
def test_a_pass_has_all_examples_of_a_patient_in_one_step(batch_size, local_epochs, round_index):
    schedule = RoundSchedule(99, seed=3, local_epochs=local_epochs)
    plan = plan_round(schedule, round_index, EXAMPLES, batch_size, PATIENTS)
    for client, own in EXAMPLES.items():
        for local_epoch in range(local_epochs):
            steps = [step for step in plan if (step.client, step.local_epoch) == (client, local_epoch)]
            assert sorted(key.example for step in steps for key in step.keys) == sorted(own)
            where = Counter((PATIENTS[key.example], i) for i, step in enumerate(steps) for key in step.keys)
            assert len({patient for patient, _ in where}) == len(where)
            for step in steps:
                by_unit = [(unit, PATIENTS[key.example]) for unit, key in zip(step.units, step.keys, strict=True)]
                assert len(set(by_unit)) == step.planned_units <= batch_size
                assert step.units == sorted(step.units)
                assert set(step.units) == set(range(step.planned_units))
                assert step.divisor == min(batch_size, len({PATIENTS[example] for example in own}))
                assert step.pass_steps == len(steps)
                assert step.sampling_rate == 1.0


def test_examples_as_patients_of_one_example_each_change_nothing():
    schedule = RoundSchedule(9, seed=1, local_epochs=2)
    alone = {example: str(example) for own in EXAMPLES.values() for example in own}
    assert plan_round(schedule, 4, EXAMPLES, 3) == plan_round(schedule, 4, EXAMPLES, 3, alone)


def test_pass_steps_of_a_turn_that_ends_inside_a_pass():
    plan = plan_round(RoundSchedule(9, local_steps=5), 0, {"a": range(6)}, 3)
    assert [(step.local_epoch, step.pass_steps) for step in plan] == [(0, 2), (0, 2), (1, 2), (1, 2), (2, 1)]


def test_poisson_draws_every_unit_independently_at_its_rate():
    """Counts of each unit, of batch sizes and of pairs, over many steps, are those of independent draws."""
    units, batch_size, rounds = 12, 3, 1500
    schedule = RoundSchedule(rounds, seed=5)
    drawn = np.zeros((rounds * 4, units), dtype=bool)
    for round_index in range(rounds):
        for i, step in enumerate(plan_round(schedule, round_index, {"a": range(units)}, batch_size, poisson=True)):
            assert (step.planned_units, step.divisor, step.sampling_rate) == (3, 3, 0.25)
            drawn[round_index * 4 + i, [key.example for key in step.keys]] = True
    rate = 0.25
    deviation = np.sqrt(len(drawn) * rate * (1 - rate))
    assert np.abs(drawn.sum(0) - len(drawn) * rate).max() < 5 * deviation
    sizes = np.bincount(drawn.sum(1), minlength=units + 1)[: units + 1]
    expected = stats.binom.pmf(np.arange(units + 1), units, rate) * len(drawn)
    few = expected < 5
    grouped = [np.append(values[~few], values[few].sum()) for values in (sizes, expected)]
    assert stats.chisquare(*grouped).pvalue > 1e-3
    correlation = np.corrcoef(drawn.T.astype(float)) - np.eye(units)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(drawn))
    assert np.abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 5 / np.sqrt(len(drawn))


def test_poisson_takes_whole_patients_and_at_most_everybody():
    plan = plan_round(RoundSchedule(1, seed=2, local_steps=50), 0, EXAMPLES, 100, PATIENTS, poisson=True)
    assert all(step.sampling_rate == 1.0 for step in plan)
    assert all(sorted(key.example for key in step.keys) == sorted(EXAMPLES[step.client]) for step in plan)
    plan = plan_round(RoundSchedule(1, seed=2, local_steps=50), 0, EXAMPLES, 2, PATIENTS, poisson=True)
    sizes = Counter(PATIENTS[example] for example in EXAMPLES["a"])
    for step in (step for step in plan if step.client == "a"):
        present = Counter(PATIENTS[key.example] for key in step.keys)
        assert all(sizes[patient] == count for patient, count in present.items())


@pytest.mark.parametrize("count", [0, 2])
def test_an_empty_batch_keeps_the_shape_and_nobodys_example(count):
    plan = plan_round(RoundSchedule(1, seed=0, local_steps=40), 0, {"a": range(3)}, 1, poisson=True)
    assert any(not step.keys for step in plan)
    assert any(len(step.keys) > 1 for step in plan)
    workers = PersistentWorkers(Numbers(), count, pin_memory=False) if count else None
    batches = list(RoundLoader(Numbers(), plan, 7, workers))
    if workers:
        workers.close()
    for step, batch in zip(plan, batches, strict=True):
        assert batch.image.shape == (len(step.keys), 1, 2)
        assert batch.image[:, 0, 0].tolist() == [key.example for key in step.keys]
        assert batch.units.tolist() == step.units
        assert (batch.client, batch.last, batch.round) == (step.client, step.last, 7)


def test_an_example_that_is_drawn_twice_in_a_pass_is_augmented_in_two_ways():
    plan = plan_round(RoundSchedule(1, seed=0, local_steps=30), 0, {"a": range(3)}, 2, poisson=True)
    seeds = [key.seed for step in plan for key in step.keys]
    assert len(seeds) == len(set(seeds))
