"""Gradients of public data that are mixed into releases, by hand."""

import math

import pytest
import torch

from adpfl_bench.errors import BenchError
from adpfl_bench.federation.training_batch import Example, TrainingBatch
from adpfl_bench.privacy.public_mirror import MirrorPlan, PublicMirror
from adpfl_bench.privacy.public_scales import PublicScales
from tests.toy_federation import ToyTask


def plan(**settings):
    generator = torch.Generator().manual_seed(0)
    image, label = torch.randn(9, 1, 8, 8, generator=generator), torch.rand(9, 1, 8, 8, generator=generator).round()
    return MirrorPlan(
        Example(image, label), **{"batch_size": 4, "horizon": 6, "least": 0.2, "seed": 5, "cases": 9, **settings}
    )


def place(round_index=2, client="alps", turn="shared"):
    """A batch of nothing, at a place in the run."""
    public = {"local_epoch": 0, "last": True, "planned_units": 5, "divisor": 5, "pass_steps": 1}
    nothing = {"image": torch.zeros(0), "label": torch.zeros(0), "units": torch.zeros(0)}
    return TrainingBatch(client=client, turn=turn, round=round_index, **public, **nothing)


def mirror(own=None, scales=None, normalize=False):
    task = ToyTask("plain")
    made = PublicMirror(own or plan(), task, task.example_losses, scales or PublicScales(), "l2", normalize)
    for parameter in task.parameters():
        parameter.grad = torch.full_like(parameter, 0.1)
    return made, task


def flat(task):
    return torch.cat([parameter.grad.flatten() for parameter in task.parameters()])


def test_private_gradients_count_by_the_cosine_and_at_least_so_much():
    weights = [plan().weight(t) for t in range(8)]
    assert weights[:3] == pytest.approx([1.0, math.cos(math.pi / 12), math.cos(math.pi / 6)])
    assert weights[3] == pytest.approx(2**-0.5)
    assert weights[6:] == [0.2, 0.2]
    assert weights == sorted(weights, reverse=True)
    assert plan(least=1.0).weight(100) == 1.0


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("threshold", [0.05, 1e6])
def test_a_mixture_is_that_of_gradients_one_by_one(normalize, threshold):
    own, scales = plan(), PublicScales()
    scales.use([torch.rand_like(p) + 0.5 for p in ToyTask("plain").parameters()], {"power": 1})
    made, task = mirror(own, scales, normalize)
    made.mix_(place(), threshold)
    expected = 0
    for index in own.draw(2, "alps", "shared", 0).tolist():
        loss = task.example_losses(own.examples.image[[index]], own.examples.label[[index]])[0]
        parts = torch.autograd.grad(loss, list(task.parameters()))
        row = torch.cat([(part * scale).flatten() for part, scale in zip(parts, scales.state(), strict=True)])
        expected = expected + row * min(1.0, threshold / float(row.norm())) / 4
    weight = math.cos(math.pi / 6)
    expected = expected / threshold if normalize else expected
    assert torch.allclose(flat(task), 0.1 * weight + (1 - weight) * expected, rtol=1e-4, atol=1e-7)


def test_the_first_round_and_a_least_of_1_leave_releases_as_they_are():
    for made, task, at in ((*mirror(), place(0)), (*mirror(plan(least=1.0)), place(50))):
        made.mix_(at, 1.0)
        assert (flat(task) == 0.1).all()


def test_a_step_follows_from_its_place_whoever_went_before():
    """So processes that share the clients out make the same steps, and so does a round that is made again."""

    def mixed(*places):
        made, task = mirror()
        for at in places:
            before = torch.cat([torch.full_like(p, 0.1).flatten() for p in task.parameters()])
            torch.nn.utils.vector_to_parameters(before, [p.grad for p in task.parameters()])
            state = torch.get_rng_state()
            made.mix_(at, 1.0)
            assert torch.equal(state, torch.get_rng_state())
        return flat(task)

    alone = mixed(place(client="bay"))
    assert torch.equal(alone, mixed(place(client="alps"), place(client="alps"), place(client="bay")))
    others = (
        mixed(place(client="bay"), place(client="bay")),
        mixed(place(client="alps")),
        mixed(place(3, "bay")),
        mixed(place(client="bay", turn="personal")),
    )
    assert not any(torch.equal(alone, other) for other in others)


def test_examples_of_a_step_are_different_ones():
    for step in range(20):
        drawn = plan().draw(1, "alps", "shared", step).tolist()
        assert drawn == sorted(set(drawn))
        assert len(drawn) == 4


def test_a_parameter_that_nobody_trains_stays_without_a_gradient():
    made, task = mirror()
    first = next(task.parameters())
    first.grad = None
    made.mix_(place(), 1.0)
    assert first.grad is None


def test_a_gradient_that_is_not_finite_is_an_error():
    made, task = mirror()
    with torch.no_grad():
        next(task.parameters()).fill_(torch.nan)
    with pytest.raises(BenchError, match="a public example is not finite"):
        made.mix_(place(), 1.0)
