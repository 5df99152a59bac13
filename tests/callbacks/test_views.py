"""Views of each example, whose mean gradient is clipped."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.rounds.round_plan import plan_round
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.clipping import clip_factors
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.privacy.unit_gradients import UnitGradients
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import failed, per_record

VIEWS = 3


def private(unit="record", z=0.0, views=VIEWS, **settings):
    return DifferentialPrivacy(unit, FixedThreshold(0.05), GaussianMechanism(), z, delta=1e-3, views=views, **settings)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=1.0)


@pytest.mark.parametrize("unit", ["record", "patient"])
def test_what_is_clipped_is_the_mean_over_a_units_views(toy_task, toy_data, fit, unit):
    data, task = toy_data({"only": 6}, batch_size=6), toy_task(optimizer=sgd)
    before = torch.cat([p.detach().flatten() for p in task.parameters()])
    fit(task, data, FederatedLoop(rounds=1, seed=5), private(unit))
    moved = torch.cat([p.detach().flatten() for p in task.parameters()]) - before

    own, expected = toy_task(), torch.zeros_like(before)
    (step,) = plan_round(RoundSchedule(1, seed=5), 0, data.training.examples, 6, views=VIEWS)
    assert len({key.seed for key in step.keys}) == 6 * VIEWS
    units = {}
    for key in step.keys:  # of the toy data each example is a patient's only one
        units.setdefault(key.example, []).append(data._examples[key])
    norms = []
    for views in units.values():
        total = torch.zeros_like(before)
        for example in views:
            loss = own.example_losses(example.image[None], example.label[None]).sum()
            total += torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(own.parameters()))]) / VIEWS
        norms.append(total.norm())
        expected += total * clip_factors(total.norm()[None], 0.05)
    assert max(norms) > 0.05
    torch.testing.assert_close(moved, -expected / 6, atol=1e-6, rtol=1e-4)


def test_a_unit_moves_the_sum_by_at_most_the_threshold_whatever_its_views(toy_task):
    """Over all neighbours of a small data set, where units have one example or two, in views of their own."""
    task = toy_task()
    generator = torch.Generator().manual_seed(1)
    examples = [0, 1, 1, 2, 3, 3]
    units = torch.tensor(examples).repeat_interleave(VIEWS)
    image = torch.randn(len(units), 1, 8, 8, generator=generator)
    label = (torch.rand(len(units), 1, 8, 8, generator=generator) > 0.5).float()
    for budget in (1e12, 1.0):  # all at once, and one example at a time
        gradients = UnitGradients(task, task.example_losses, budget, VIEWS)
        whole = gradients.clipped_sum(image, label, units, 0.21, "l2")
        assert (whole.norms > 0.21).any()
        for unit in range(4):
            kept = units != unit
            numbers = torch.unique(units[kept], return_inverse=True)[1]
            without = gradients.clipped_sum(image[kept], label[kept], numbers, 0.21, "l2")
            pairs = zip(whole.gradients, without.gradients, strict=True)
            move = torch.cat([(a - b).flatten() for a, b in pairs]).norm()
            assert 0 < move <= 0.21 * (1 + 1e-6)
            assert move == pytest.approx(min(0.21, float(whole.norms[unit])), rel=1e-4)


@pytest.mark.parametrize("poisson", [False, True])
def test_a_step_has_each_example_several_times_and_the_first_view_is_the_one_that_there_was(poisson):
    examples, schedule = {"a": range(9), "b": range(9, 14)}, RoundSchedule(2, seed=3)
    patients = {example: str(example // 2) for example in range(14)}
    plain = plan_round(schedule, 1, examples, 3, patients, poisson)
    for step, once in zip(plan_round(schedule, 1, examples, 3, patients, poisson, views=VIEWS), plain, strict=True):
        assert step.keys[::VIEWS] == once.keys
        assert step.units == [unit for unit in once.units for _ in range(VIEWS)]
        assert [key.example for key in step.keys] == [key.example for key in once.keys for _ in range(VIEWS)]
        assert len({key.seed for key in step.keys}) == len(step.keys)
        assert (step.divisor, step.planned_units, step.views) == (once.divisor, once.planned_units, VIEWS)


def test_views_cost_no_epsilon_change_the_noise_and_are_recorded(toy_task, toy_data, fit):
    found = {}
    for views in (1, VIEWS):
        privacy = private(z=1.0, views=views)
        fit(toy_task(), toy_data({"only": 6}), FederatedLoop(rounds=1), privacy)
        assert privacy.describe().views == views
        found[views] = privacy.accounted.epsilon, privacy.engine._key
    assert found[1][0] == found[VIEWS][0] > 0
    assert found[1][1] != found[VIEWS][1]
    assert "views" not in private(views=1).settings


def test_a_run_with_views_is_resumed_to_the_same_bits(toy_task, toy_data, fit, tmp_path):
    whole, second = toy_task(), toy_task()
    data = {"alps": 6, "bay": 3}
    fit(whole, toy_data(data), FederatedLoop(rounds=3), private(z=1.0, sampling="poisson"))

    class StopsAfterOne(ModelCheckpoint):
        def on_train_epoch_end(self, trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)
            trainer.should_stop = trainer.current_epoch == 0

    stops = StopsAfterOne(tmp_path / "part", save_last=True)
    fit(toy_task(), toy_data(data), FederatedLoop(rounds=3), private(z=1.0, sampling="poisson"), stops)
    assert torch.load(tmp_path / "part/last.ckpt")["epoch"] == 0
    resumed = private(z=1.0, sampling="poisson")
    fit(second, toy_data(data), FederatedLoop(rounds=3), resumed, ckpt_path=tmp_path / "part/last.ckpt")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


@pytest.mark.parametrize(
    ("views", "unit", "sentence"),
    [
        (0, "record", "privacy.views must be at least 1, but it is 0"),
        (
            2,
            "batch",
            "views is 2, but with privacy.unit batch no example's gradient is clipped by itself: leave it at 1",
        ),
        (2, "client", "with privacy.unit client no example's gradient"),
        (2, "none", "with privacy.unit none no example's gradient"),
    ],
)
def test_views_that_nothing_can_be_made_of(views, unit, sentence):
    with pytest.raises(ConfigError, match=sentence):
        private(unit, views=views)


def test_a_data_loader_of_ones_own_has_no_views(toy_task, make_trainer):
    loader = DataLoader(TensorDataset(torch.zeros(6, 1, 8, 8), torch.zeros(6, 1, 8, 8)), batch_size=3)
    with pytest.raises(ConfigError, match="views is 3, but a DataLoader of one's own brings each example once"):
        make_trainer(private(z=1.0)).fit(toy_task(), loader)


def test_a_datamodule_that_brings_no_views_is_refused(toy_task, toy_data, fit):
    class Once(toy_data):
        def use_plan(self, plan):
            object.__setattr__(plan, "views", 1)
            super().use_plan(plan)

    with pytest.raises(ConfigError, match=r"views is 3, but the datamodule brings each example 1 times"):
        fit(toy_task(), Once({"only": 6}), FederatedLoop(rounds=1), private(z=1.0))


def test_an_audit_finds_views_that_are_clipped_one_by_one(audited, toy_data, monkeypatch):
    """Each view of a unit brings C then, as if it were a unit."""
    whole = UnitGradients.clipped_sum

    def each(self, image, label, units, threshold, norm):
        self._views = 1
        return whole(self, image, label, torch.arange(len(image)), threshold, norm)

    monkeypatch.setattr(UnitGradients, "clipped_sum", each)
    result, _ = audited(per_record(4.0, views=VIEWS), canaries=8, rounds=1, data=toy_data({"alps": 3, "cape": 3}))
    assert "sensitivity" in failed(result)
    assert result.checks["sensitivity"].figures["largest_move"] > 2
