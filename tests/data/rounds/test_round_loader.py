"""The plan of a round, and its batches with and without worker processes."""

import math
from collections import Counter
from itertools import chain, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.rounds.round_loader import PersistentWorkers, RoundLoader
from adpfl_bench.data.rounds.round_plan import ExampleKey, plan_round
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import Example


def examples_of(sizes):
    """Consecutive examples, client after client."""
    examples, first = {}, 0
    for index, size in enumerate(sizes):
        examples[f"site-{index}"] = range(first, first + size)
        first += size
    return examples


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=5)
BATCH_SIZE = st.integers(1, 7)


@given(
    sizes=SIZES,
    batch_size=BATCH_SIZE,
    local_epochs=st.integers(1, 3),
    round_index=st.integers(0, 50),
    participation=st.floats(0.1, 1),
)
def test_every_pass_visits_every_example_once(sizes, batch_size, local_epochs, round_index, participation):
    examples = examples_of(sizes)
    schedule = RoundSchedule(99, seed=4, local_epochs=local_epochs, participation=participation)
    plan = plan_round(schedule, round_index, examples, batch_size)
    participants = schedule.participants(round_index, list(examples))
    assert list(dict.fromkeys(step.client for step in plan)) == list(participants)
    for client in participants:
        for local_epoch in range(local_epochs):
            batches = [step.keys for step in plan if (step.client, step.local_epoch) == (client, local_epoch)]
            assert sorted(key.example for keys in batches for key in keys) == list(examples[client])
            assert all(len(keys) == batch_size for keys in batches[:-1])
            assert 1 <= len(batches[-1]) <= batch_size


@given(sizes=SIZES, batch_size=BATCH_SIZE, local_steps=st.integers(1, 20), round_index=st.integers(0, 50))
def test_local_steps_take_as_many_passes_as_they_need(sizes, batch_size, local_steps, round_index):
    """An example is in at most one batch of a pass: what the privacy ledger counts on."""
    examples = examples_of(sizes)
    plan = plan_round(RoundSchedule(99, local_steps=local_steps), round_index, examples, batch_size)
    for client, own in examples.items():
        steps = [step for step in plan if step.client == client]
        assert len(steps) == local_steps
        assert steps[-1].local_epoch == math.ceil(local_steps / math.ceil(len(own) / batch_size)) - 1
        visits = Counter((step.local_epoch, key.example) for step in steps for key in step.keys)
        assert set(visits.values()) == {1}
        assert [step.local_epoch for step in steps] == sorted(step.local_epoch for step in steps)


@given(sizes=SIZES, batch_size=BATCH_SIZE, local_steps=st.none() | st.integers(1, 9))
def test_clients_come_in_one_block_each_whose_last_step_says_so(sizes, batch_size, local_steps):
    examples = examples_of(sizes)
    plan = plan_round(RoundSchedule(9, local_steps=local_steps), 0, examples, batch_size)
    changes = [a.client != b.client for a, b in pairwise(plan)]
    assert [step.last for step in plan] == [*changes, True]
    assert sum(step.last for step in plan) == len(examples)
    for step in plan:
        assert all(key.example in examples[step.client] for key in step.keys)


@given(sizes=st.lists(st.integers(1, 12), min_size=2, max_size=5), batch_size=BATCH_SIZE, round_index=st.integers(0, 9))
def test_a_plan_does_not_depend_on_who_else_takes_part(sizes, batch_size, round_index):
    examples, schedule = examples_of(sizes), RoundSchedule(9, seed=2)
    together = plan_round(schedule, round_index, examples, batch_size)
    assert together == plan_round(schedule, round_index, dict(reversed(examples.items())), batch_size)
    for client, own in examples.items():
        alone = plan_round(schedule, round_index, {client: own}, batch_size)
        assert alone == [step for step in together if step.client == client]


@given(
    sizes=SIZES,
    batch_size=BATCH_SIZE,
    local_epochs=st.integers(1, 3),
    local_steps=st.none() | st.integers(1, 9),
    straggling=st.floats(0, 1),
    poisson=st.booleans(),
)
def test_a_personal_turn_follows_the_shared_one_and_counts_its_passes_on(
    sizes, batch_size, local_epochs, local_steps, straggling, poisson
):
    examples = examples_of(sizes)
    settings = {"local_epochs": local_epochs, "local_steps": local_steps, "straggling": straggling, "seed": 6}
    schedule = RoundSchedule(9, **settings, turns=("shared", "personal"))
    plan = plan_round(schedule, 2, examples, batch_size, poisson=poisson)
    shared = [step for step in plan if step.turn == "shared"]
    assert shared == plan_round(RoundSchedule(9, **settings), 2, examples, batch_size, poisson=poisson)
    visits = schedule.visits(2, list(examples))
    assert [step.last for step in plan].count(True) == len(visits) == 2 * len(examples)
    start = 0
    for visit in visits:
        size = len(examples[visit.client])
        count = visit.steps(size, batch_size)
        steps = plan[start : start + count]
        start += count
        assert {(step.client, step.turn) for step in steps} == {(visit.client, visit.turn)}
        assert [step.last for step in steps] == [False] * (count - 1) + [True]
        passes = math.ceil(count / math.ceil(size / batch_size))
        first = passes if visit.turn == "personal" else 0
        assert list(dict.fromkeys(step.local_epoch for step in steps)) == list(range(first, first + passes))
        assert all(Counter(s.local_epoch for s in steps)[step.local_epoch] == step.pass_steps for step in steps)
    assert start == len(plan)


def test_a_personal_turn_sees_other_orders_and_augmentation():
    plan = plan_round(RoundSchedule(9, seed=0, turns=("shared", "personal")), 0, {"a": range(30)}, 30)
    shared, personal = (step.keys for step in plan)
    assert {key.example for key in shared} == {key.example for key in personal}
    assert [key.example for key in shared] != [key.example for key in personal]
    assert not {key.seed for key in shared} & {key.seed for key in personal}


def test_the_round_of_fine_tuning_makes_its_own_passes():
    schedule = RoundSchedule(2, local_steps=1, clients_per_round=1, fine_tuning_epochs=3)
    plan = plan_round(schedule, 2, {"a": range(5), "b": range(5, 8)}, 4)
    assert [(step.client, step.turn, step.local_epoch) for step in plan] == [
        *[("a", "personal", index // 2) for index in range(6)],
        *[("b", "personal", index) for index in range(3)],
    ]


def test_a_plan_does_not_depend_on_where_a_clients_examples_are_stored():
    schedule = RoundSchedule(9, seed=2)
    plans = [plan_round(schedule, 3, {"a": range(first, first + 9)}, 4) for first in (0, 100)]
    for step, moved in zip(*plans, strict=True):
        assert [(key.example + 100, key.seed) for key in step.keys] == list(moved.keys)


def test_orders_and_seeds_differ_between_rounds_clients_and_passes():
    examples = {"a": range(20), "b": range(20, 40)}

    def passes(seed):
        plans = [plan_round(RoundSchedule(9, seed, local_epochs=2), index, examples, 20) for index in range(3)]
        return [step for plan in plans for step in plan]

    steps = passes(0)
    assert len(steps) == 3 * 2 * 2
    assert len({tuple(key.example % 20 for key in step.keys) for step in steps}) == len(steps)
    seeds = [key.seed for step in steps for key in step.keys]
    assert len(set(seeds)) == len(seeds)
    assert passes(0) == steps
    assert not {key.seed for step in passes(1) for key in step.keys} & set(seeds)


class Records(Dataset):
    """Depends on the example and the seed, and draws from the global generator as careless transforms do."""

    def __getitem__(self, key):
        torch.rand(3)
        noise = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(key.seed))
        return Example(key.example + noise, torch.full((1, 4, 4), float(key.example)))


def batches_of(workers, rounds):
    dataset = Records()
    schedule = RoundSchedule(9, seed=1, clients_per_round=2)
    for index in range(rounds):
        plan = plan_round(schedule, index, {"a": range(9), "b": range(9, 12), "c": range(12, 30)}, 4)
        loader = RoundLoader(dataset, plan, index, workers)
        assert len(loader) == len(plan)
        yield list(loader)


def same(first, second):
    return all(
        torch.equal(value, getattr(second, name)) if isinstance(value, torch.Tensor) else value == getattr(second, name)
        for name, value in vars(first).items()
    )


def test_worker_processes_bring_the_same_bits():
    workers = PersistentWorkers(Records(), count=2, pin_memory=False)
    plain, parallel, processes = list(batches_of(None, rounds=3)), [], set()
    for batches in batches_of(workers, rounds=3):
        parallel.append(batches)
        processes.add(tuple(process.pid for process in workers._loader._iterator._workers))
    assert len(processes) == 1
    assert [len(batches) for batches in plain] == [len(batches) for batches in parallel]
    assert len({len(batches) for batches in plain}) > 1
    for ours, theirs in zip(chain(*plain), chain(*parallel), strict=True):
        assert same(ours, theirs)


def test_workers_survive_a_round_that_was_left_early():
    workers = PersistentWorkers(Records(), count=2, pin_memory=False)
    keys = [[ExampleKey(example, example)] for example in range(12)]
    first = workers.load(keys)
    next(first)
    pids = [process.pid for process in workers._loader._iterator._workers]
    following = [batch.label[0, 0, 0, 0].item() for batch in workers.load(keys[::-1])]
    assert following == list(range(11, -1, -1))
    assert pids == [process.pid for process in workers._loader._iterator._workers]


def test_loading_leaves_the_global_generator_alone():
    workers = PersistentWorkers(Records(), count=1, pin_memory=False)
    state = torch.get_rng_state()
    list(batches_of(workers, rounds=2))
    assert torch.equal(state, torch.get_rng_state())


def test_batches_say_whose_they_are():
    plan = plan_round(RoundSchedule(9, local_epochs=2), 5, {"a": range(5), "b": range(5, 7)}, 4)
    batches = list(RoundLoader(Records(), plan, 5))
    tags = [(batch.client, batch.local_epoch, batch.last, batch.round) for batch in batches]
    assert tags == [
        ("a", 0, False, 5),
        ("a", 0, False, 5),
        ("a", 1, False, 5),
        ("a", 1, True, 5),
        ("b", 0, False, 5),
        ("b", 1, True, 5),
    ]
    assert [batch.image.shape for batch in batches[:2]] == [(4, 2, 4, 4), (1, 2, 4, 4)]
    labels = [sorted(batch.label[:, 0, 0, 0].int().tolist()) for batch in batches]
    assert sorted(labels[0] + labels[1]) == list(range(5))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_run_does_not_depend_on_the_number_of_workers(toy_task, toy_data, fit, num_workers):
    plain, parallel = toy_task("dropout"), toy_task("dropout")
    federated = {"rounds": 2, "clients_per_round": 2, "seed": 3}
    fit(plain, toy_data(), FederatedLoop(**federated))
    data = toy_data(num_workers=num_workers)
    fit(parallel, data, FederatedLoop(**federated))
    assert (data._workers is not None) == (num_workers > 0)
    if data._workers is not None:
        assert data._workers._loader._iterator is None  # ended with the fit, not left to the garbage collector
    for name, value in plain.state_dict().items():
        assert torch.equal(value, parallel.state_dict()[name])
