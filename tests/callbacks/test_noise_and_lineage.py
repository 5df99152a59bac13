"""What is released twice counts twice: by other noise, by another run, by the runs that weights came from."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.case import Case
from adpfl_bench.errors import CheckpointError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.noise_key import noise_key, plain
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.seeding import SecretDraws, SeededDraws
from tests.toy_federation import ToyDataModule, looks_on

ONE = {"only": 6}


def private(z=1.0, unit="record", **arguments):
    return DifferentialPrivacy(unit, FixedThreshold(0.1), GaussianMechanism(), z, delta=1e-3, **arguments)


def counts(privacy):
    spent = privacy.engine.books.spent
    return {client: sum(spent.events(client).values()) for client in spent.clients()}


class Released(Callback):
    """The released gradients of each step."""

    def __init__(self):
        self.steps, self.batches = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.batches.append(batch.image.clone())

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        if trainer.training and pl_module.network[0].weight.grad is not None:
            self.steps.append(torch.cat([p.grad.flatten() for p in pl_module.parameters()]))


@pytest.fixture
def first_release(toy_task, toy_data, fit):
    """The first step's noised gradient, and the data that it was made from."""

    def run(privacy, **federated):
        seen = Released()
        fit(toy_task(), toy_data(ONE), FederatedLoop(rounds=2, **federated), privacy, seen)
        return seen.steps[0], seen.batches[0]

    return run


def test_runs_of_one_seed_share_noise_only_if_they_are_equal(first_release):
    """Under noise from (seed, round, client) alone, two runs' difference brought the exact sum back."""
    first, data = first_release(private(1.0))
    again, same = first_release(private(1.0))
    assert torch.equal(first, again)
    other, still = first_release(private(2.0))
    assert torch.equal(data, same)
    assert torch.equal(data, still)
    exact = 2 * first - other  # what was left where the second noise was twice the first
    small, _ = first_release(DifferentialPrivacy("record", FixedThreshold(0.1), GaussianMechanism(), 1e-6, delta=1e-3))
    assert float((exact - small).norm()) > 0.1 * float(first.norm())


def gamma(value):
    return lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, value)


def test_settings_of_a_schedule_change_the_noise(toy_task, toy_data, fit):
    released = []
    for schedule in (gamma(0.5), gamma(0.5), gamma(0.6), None):
        seen = Released()
        fit(toy_task(lr_scheduler=schedule), toy_data(ONE), FederatedLoop(rounds=1), private(), seen)
        released.append(seen.steps[0])
    assert torch.equal(released[0], released[1])
    assert not torch.equal(released[0], released[2])
    assert not torch.equal(released[0], released[3])


@pytest.mark.parametrize("change", [{"local_epochs": 2}, {"client_optimizer": "sgd"}, {"seed": 1}])
def test_whatever_changes_the_run_changes_its_noise(first_release, change):
    if "client_optimizer" in change:
        change = {"client_optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.1)}
    assert not torch.equal(first_release(private())[0], first_release(private(), **change)[0])


def test_secret_draws_do_not_follow_from_the_seed(first_release):
    _, batch = first_release(private(secure=True))
    _, again = first_release(private(secure=True))
    assert not torch.equal(batch, again)  # order and augmentation


@pytest.mark.parametrize("sampling", ["poisson", "shuffle"])
def test_who_is_sampled_is_secret_where_noise_is(toy_task, toy_data, fit, sampling):
    """The seed is in run.json: draws that follow from it amplify nothing."""
    sizes = []
    for _ in range(2):
        seen = Released()
        fit(toy_task(), toy_data({"only": 60}), FederatedLoop(rounds=1), private(secure=True, sampling=sampling), seen)
        sizes.append([batch.sum().item() for batch in seen.batches])
    assert sizes[0] != sizes[1]
    assert isinstance(private(secure=True).draws(0), SecretDraws)
    assert isinstance(private().draws(0), SeededDraws)


def test_secret_draws_have_their_laws():
    draws = SecretDraws()
    drawn = draws.uniform(40000)
    assert 0 <= drawn.min() < drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 6 / np.sqrt(12 * 40000)
    orders = {tuple(draws.permutation(3).tolist()) for _ in range(400)}
    assert orders == set(itertools.permutations(range(3)))
    assert len({draws.seed("augment") for _ in range(100)}) == 100


def test_several_fits_of_one_module_add_up(toy_task, toy_data, fit):
    task, once = toy_task(), private()
    fit(task, toy_data(ONE), FederatedLoop(rounds=2), once)
    alone = once.accounted.epsilon
    twice = private()
    fit(task, toy_data(ONE), FederatedLoop(rounds=2), twice)
    assert counts(twice) == counts(once) == {"only": 2}
    assert twice.accounted.epsilon > alone * 1.3
    assert twice.describe().ledger == once.describe().ledger
    fit(task, toy_data(ONE), FederatedLoop(rounds=1), once)  # also with the callback that had served before
    assert once.accounted.epsilon > twice.accounted.epsilon


def test_a_module_that_was_trained_without_privacy_stays_without(toy_task, toy_data, fit):
    task, privacy = toy_task(), private()
    fit(task, toy_data(ONE), FederatedLoop(rounds=1))
    fit(task, toy_data(ONE), FederatedLoop(rounds=1), privacy)
    assert privacy.accounted.epsilon is None
    assert "started from a run on the same data without this guarantee" in privacy.accounted.reason


@looks_on
class StopDuring(Callback):
    """Pulls the plug in the first step of a round."""

    def __init__(self, round_index):
        self.round_index = round_index

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        if trainer.current_epoch == self.round_index:
            raise RuntimeError("pulled")


@pytest.fixture
def play(toy_task, toy_data, fit, tmp_path):
    def run(privacy, *more, ckpt_path=None, folder="run", data=None, keep=True, **federated):
        saved = [ModelCheckpoint(tmp_path / folder, save_last=True, save_on_train_epoch_end=True)] * keep
        loop = FederatedLoop(**{"rounds": 3, **federated})
        fit(toy_task(), data or toy_data(ONE), loop, privacy, *saved, *more, ckpt_path=ckpt_path,
            default_root_dir=tmp_path / folder)  # fmt: skip
        return privacy

    return run


def test_killed_before_its_first_checkpoint_a_run_keeps_what_it_released(play):
    with pytest.raises(RuntimeError, match="pulled"):
        play(killed := private(), StopDuring(2), keep=False)
    assert counts(killed) == {"only": 3}
    with pytest.raises(RuntimeError, match="pulled"):
        play(again := private(), StopDuring(0), keep=False)
    assert counts(again) == {"only": 3}


@pytest.mark.parametrize("secure", [False, True])
def test_a_checkpoint_that_is_continued_in_another_folder_knows_what_was_broken_off(play, tmp_path, secure):
    with pytest.raises(RuntimeError, match="pulled"):
        play(private(secure=secure), StopDuring(2))
    moved = play(private(secure=secure), ckpt_path=tmp_path / "run/last.ckpt", folder="other")
    assert counts(moved) == {"only": 4 if secure else 3}


def test_a_checkpoint_without_its_journal_claims_nothing(play, tmp_path):
    with pytest.raises(RuntimeError, match="pulled"):
        play(private(secure=True), StopDuring(2))
    (tmp_path / "run/privacy_ledger.json").unlink()
    moved = play(private(secure=True), ckpt_path=tmp_path / "run/last.ckpt", folder="other")
    assert "the journal of the run that it continues was not found" in moved.accounted.reason


def test_continuing_with_other_settings_counts_the_broken_off_round_twice(play, tmp_path):
    with pytest.raises(RuntimeError, match="pulled"):
        play(private(), StopDuring(2))
    sgd = {"client_optimizer": lambda parameters: torch.optim.AdamW(parameters, lr=0.03)}
    assert counts(play(private(), ckpt_path=tmp_path / "run/last.ckpt", **sgd)) == {"only": 4}


def test_other_data_or_another_seed_are_refused_and_records_stay(play, toy_data, tmp_path):
    class Changed(ToyDataModule):
        def scan(self, root):
            file = tmp_path / "image"
            file.write_text("changed")
            self.root = tmp_path
            return [Case(c.case_id, c.patient_id, (file,), None, c.site) for c in super().scan(root)]

        def divide(self):
            self.root = tmp_path
            super().divide()

    play(private(), RunRecorder())
    before = (tmp_path / "run/run.json").read_bytes()
    last = tmp_path / "run/last.ckpt"
    with pytest.raises(CheckpointError, match="made from other data than there are now"):
        play(private(), RunRecorder(), ckpt_path=last, data=Changed(ONE), rounds=4)
    with pytest.raises(CheckpointError, match="a run with seed 0, but this one has seed 1"):
        play(private(), RunRecorder(), ckpt_path=last, seed=1, rounds=4)
    assert (tmp_path / "run/run.json").read_bytes() == before


def test_lineage_is_carried_through_a_round_on_phantoms(toy_task, toy_data, fit, tmp_path):
    """Weights trained on real data do not become phantoms' by one round on phantoms."""

    class Phantoms(ToyDataModule):
        def divide(self):
            (tmp_path / "PHANTOM.json").write_text("{}")
            self.root = tmp_path
            super().divide()
            self._fingerprint = "phantoms"

    fit(toy_task(), toy_data(ONE), FederatedLoop(rounds=1), private()).save_checkpoint(tmp_path / "real.ckpt")
    washed = toy_task(init_from=tmp_path / "real.ckpt")
    fit(washed, Phantoms(ONE), FederatedLoop(rounds=1)).save_checkpoint(tmp_path / "washed.ckpt")
    task, recorder, privacy = toy_task(init_from=tmp_path / "washed.ckpt"), RunRecorder(), private()
    assert task.started_from == "real"
    assert [ancestor.kind for ancestor in task.lineage.before] == ["real", "phantom"]
    fit(task, toy_data(ONE), FederatedLoop(rounds=1), privacy, recorder)
    assert recorder._record.model.started_from == "real"
    assert privacy.accounted.epsilon > private_epsilon(toy_task, toy_data, fit)


@pytest.mark.parametrize(
    ("planned_on", "told"),
    [("private", ("settings that were planned on private data",)), ("public", ()), ("phantom", ()), (None, ())],
)
def test_settings_planned_on_private_data_are_not_covered_by_epsilon(toy_task, toy_data, fit, planned_on, told):
    data, privacy, recorder = toy_data(ONE), private(), RunRecorder()
    data.planned_on = planned_on
    fit(toy_task(), data, FederatedLoop(rounds=1), privacy, recorder)
    assert privacy.accounted.epsilon is not None
    assert recorder._record.data.planned_on == planned_on
    assert recorder._record.privacy.accounted.not_covered == told


def private_epsilon(toy_task, toy_data, fit):
    privacy = private()
    fit(toy_task(), toy_data(ONE), FederatedLoop(rounds=1), privacy)
    return privacy.accounted.epsilon


def test_settings_are_told_apart_and_do_not_depend_on_the_process():
    def rate(lr):
        return lambda parameters: torch.optim.SGD(parameters, lr=lr)

    assert plain(rate(0.1)) == plain(rate(0.1)) != plain(rate(0.2))
    assert plain(FixedThreshold(1.0)) == plain(FixedThreshold(1.0)) != plain(FixedThreshold(2.0))
    held = SimpleNamespace(inner=SimpleNamespace(innermost=SimpleNamespace(value=1)))
    for depth in range(6):
        json.dumps(plain(held, depth))
    assert plain(held, 4) != plain(SimpleNamespace(inner=SimpleNamespace(innermost=SimpleNamespace(value=2))), 4)
    assert " at 0x" not in json.dumps(plain([rate(0.1), torch.zeros(2), np.float32(1), {"a": {1, 2}}, object()]))


def test_a_record_lists_the_runs_before_it_and_sums_what_they_cost_each_cohort(toy_task, toy_data, fit, tmp_path):
    first, recorder = private(), RunRecorder()
    trainer = fit(toy_task(), toy_data(ONE), FederatedLoop(rounds=1), first, recorder)
    trainer.save_checkpoint(tmp_path / "start.ckpt")
    before = recorder._record
    assert before.privacy.lineage == before.privacy.cohorts == ()

    task, privacy, recorder = toy_task(init_from=tmp_path / "start.ckpt"), private(), RunRecorder(overwrite=True)
    fit(task, toy_data(ONE), FederatedLoop(rounds=2), privacy, recorder)
    record = recorder._record
    (ancestor,), (cohort,) = record.privacy.lineage, record.privacy.cohorts
    assert (ancestor.run, ancestor.kind, ancestor.epsilon) == (before.run, "real", first.accounted.epsilon)
    assert record.run != before.run
    assert cohort.epsilon == privacy.accounted.epsilon > ancestor.epsilon
    assert sum(entry[-1] for entry in record.privacy.ledger["only"]) == 2
    assert RunDirectory(tmp_path).read_record().privacy.cohorts == record.privacy.cohorts


def test_another_device_or_version_of_torch_is_another_key(monkeypatch):
    def key(device="cpu"):
        return noise_key(0, "weights", {"batch_size": 4}, torch.device(device))

    first = key()
    assert first == key() != key("cuda")
    assert first != noise_key(1, "weights", {"batch_size": 4}, torch.device("cpu"))
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert key() != first


@pytest.mark.parametrize("pooled_first", [True, False])
def test_a_unit_that_was_pooled_in_one_run_and_a_clients_in_another_pays_for_both(
    toy_task, toy_data, fit, tmp_path, pooled_first
):
    sizes = {"alps": 6, "bay": 3}
    loops = [FederatedLoop(rounds=1, pooled=pooled) for pooled in (pooled_first, not pooled_first)]
    fit(toy_task(), toy_data(sizes), loops[0], private()).save_checkpoint(tmp_path / "start.ckpt")
    task, privacy = toy_task(init_from=tmp_path / "start.ckpt"), private()
    fit(task, toy_data(sizes), loops[1], privacy)
    release = Release("GaussianMechanism", 1.0)
    assert privacy.accounted.epsilon == pytest.approx(client_epsilon({release: 2}, 1e-3))
