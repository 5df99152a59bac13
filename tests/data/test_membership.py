"""Who is in a batch, told from its examples."""

from dataclasses import replace

import pytest
import torch

from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.membership import Membership, flipped
from adpfl_bench.data.rounds.round_loader import RoundLoader
from adpfl_bench.data.rounds.round_plan import CanaryExample, ExampleKey, plan_round
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.federation.round_schedule import RoundSchedule


@pytest.fixture(params=[False, True], ids=["by-record", "by-patient"])
def planned(request, toy_data):
    """The membership, the canaries, and the steps of a round with its batches; canaries have two examples each."""
    data, canaries = toy_data({"alps": 6, "cape": 3}), Canaries(8, 1, 2 if request.param else 1, request.param)
    data.setup("fit")
    data.use_plan(TrainingPlan(canaries=canaries, by_patient=request.param))
    examples = canaries.add_to(data._examples, ExampleKey(0, 0))
    training = data.training
    steps = canaries.place(plan_round(RoundSchedule(1), 0, training.examples, 4, training.patients))
    return Membership(examples, training.examples, training.patients), canaries, steps, RoundLoader(examples, steps, 0)


def test_units_of_a_step_are_those_that_are_planned(planned):
    membership, _, steps, loader = planned
    assert membership.population("alps") == 6
    assert membership.population("cape") == 3 + 8
    assert membership.population("nobody") == 0
    seen = {"alps": set(), "cape": set()}
    for step, batch in zip(steps, loader, strict=True):
        units, problem = membership.see(step, batch)
        assert problem is None
        assert len(units) == step.planned_units  # those that are out included
        assert seen[step.client].isdisjoint(units)
        seen[step.client].update(units)
    assert {client: len(units) for client, units in seen.items()} == {"alps": 6, "cape": 11}


def test_what_is_wrong_with_a_batch_is_said(planned):
    membership, _, steps, loader = planned
    (step, batch), *_ = [(s, b) for s, b in zip(steps, loader, strict=True) if len(set(b.units.tolist())) > 2]

    def said(step=step, **changed):
        return membership.see(step, replace(batch, **changed))[1]

    assert said() is None
    assert (
        said(image=batch.image[:-1]) == f"a batch holds {len(step.keys) - 1} examples, but {len(step.keys)} are planned"
    )
    assert said(image=batch.image.flip(0)) == "a batch holds another example than is planned"
    assert said(label=1 - batch.label) == "a batch holds another example than is planned"
    assert (
        said(units=torch.zeros_like(batch.units))
        == "examples of a batch are divided into other units than they belong to"
    )
    again = replace(step, keys=[step.keys[0], *step.keys[:-1]])
    image = torch.cat([batch.image[:1], batch.image[:-1]])
    label = torch.cat([batch.label[:1], batch.label[:-1]])
    assert said(again, image=image, label=label) == "an example is in one batch twice"
    assert said(client="nobody") == "a batch holds units of another client"


def test_a_flipped_canary_is_out_or_in_and_nothing_else_changes(planned):
    _, canaries, steps, loader = planned
    flips = set()
    for _, batch in zip(steps, loader, strict=True):
        for slot in batch.canaries.slots:
            other = flipped(batch, slot, canaries.examples_of(slot))
            was_in = slot in batch.canaries.present
            flips.add(was_in)
            assert (slot in other.canaries.present) is not was_in
            assert len(other.image) == len(batch.image) + (-1 if was_in else 1) * canaries.records
            assert other.units.tolist() == sorted(other.units.tolist())
            assert set(other.units.tolist()) == set(range(len(set(other.units.tolist()))))
            assert (other.planned_units, other.divisor) == (batch.planned_units, batch.divisor)
            if was_in:
                back = flipped(other, slot, canaries.examples_of(slot))
                assert back.canaries.present == batch.canaries.present
                assert float(back.image.sum()) == pytest.approx(float(batch.image.sum()), abs=1e-3)
            else:
                assert torch.equal(other.image[-1], canaries.example(CanaryExample(slot, canaries.records - 1)).image)
                assert torch.equal(flipped(other, slot, ()).image, batch.image)
    assert flips == {True, False}


def test_in_a_mean_a_flipped_canary_loses_its_weight_or_gets_it(planned):
    _, canaries, _, loader = planned
    batch = next(batch for batch in loader if batch.canaries.present)
    batch = replace(batch, weights=torch.ones(len(batch.image)))
    slot = batch.canaries.present[0]
    own = torch.tensor([owner == slot for owner in batch.canaries.owners])
    other = flipped(batch, slot, canaries.examples_of(slot))
    assert torch.equal(other.weights, (~own).float())
    assert torch.equal(flipped(other, slot, ()).weights, batch.weights)
