"""Mirror descent on phantoms: what was released is mixed, and what is released is that of the plain run."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.phantom_mirror import PhantomMirror
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.client_methods import Ditto
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import failed, per_record
from tests.callbacks.toy_mirror import ToyMirror
from tests.toy_federation import ToyDataModule, looks_on


def private(unit="record", threshold=None, z=1.0):
    return DifferentialPrivacy(unit, threshold or FixedThreshold(0.1), GaussianMechanism(), z, delta=1e-2)


@looks_on
class FailsLater(Callback):
    """Raises a sentence in the third round."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 2:
            raise BenchError("The cat has walked over the keyboard.")


@pytest.fixture
def trained(toy_task, fit):
    """Trains; returns the final weights."""

    def run(privacy, *callbacks, rounds=4, federated=None, **arguments):
        task = toy_task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5))
        loop = FederatedLoop(rounds=rounds, **(federated or {}))
        fit(task, ToyDataModule({"alps": 6, "cape": 3}), loop, privacy, *callbacks, limit_val_batches=0, **arguments)
        return torch.cat([parameter.detach().flatten() for parameter in task.parameters()])

    return run


def test_what_is_released_has_the_clip_and_noise_of_the_plain_run_and_the_same_epsilon(trained, monkeypatch):
    monkeypatch.setattr(PrivacyEngine, "public_key", {})  # otherwise runs with a mirror have noise of their own
    noised = PrivacyEngine._noised
    released = []

    def watched(self, client, total, norms, threshold, units):
        before = torch.cat([tensor.flatten() for tensor in total])
        scale, statistic = noised(self, client, total, norms, threshold, units)
        noise = torch.cat([tensor.flatten() for tensor in total]) - before
        released.append((float(before.norm()), noise, threshold, scale))
        return scale, statistic

    monkeypatch.setattr(PrivacyEngine, "_noised", watched)
    ends, epsilons, seen = [], [], []
    for callbacks in ((), (ToyMirror(least=1.0),), (ToyMirror(),)):
        released.clear()
        privacy = private()
        ends.append(trained(privacy, *callbacks))
        epsilons.append(privacy.accounted.epsilon)
        seen.append(list(released))
    plain, mixed = seen[0], seen[2]
    assert torch.equal(ends[0], ends[1])
    assert not torch.allclose(ends[0], ends[2])
    assert epsilons == [epsilons[0]] * 3
    for own, theirs in zip(plain, mixed, strict=True):
        assert own[2:] == theirs[2:]
        assert torch.allclose(own[1], theirs[1], atol=1e-6)  # the noise, but for what it was added to
        assert theirs[0] <= 4 * theirs[2]  # the sum of a step's four units
    # Nothing is mixed in the first round; in the second it is after the first of alps' two steps.
    assert [own[0] for own in plain[:4]] == [theirs[0] for theirs in mixed[:4]]
    assert plain[4][0] != mixed[4][0]


def test_a_mirror_has_a_key_of_noise_of_its_own(trained):
    keys = []
    for callbacks in ((), (ToyMirror(),), (ToyMirror(horizon=5),), (ToyMirror(),)):
        privacy = private()
        trained(privacy, *callbacks, rounds=1)
        keys.append(privacy.engine.books.key)
        assert privacy.engine.mirror is None  # of the fit that is over
    assert len(set(keys)) == 3
    assert keys[1] == keys[3]


@pytest.mark.parametrize("federated", [{}, {"client_method": Ditto()}], ids=["shared", "own models"])
def test_a_killed_run_goes_on_to_the_bit(trained, tmp_path, federated):
    whole = private("patient", QuantileThreshold())
    weights = trained(whole, ToyMirror(), federated=federated)
    keep = ModelCheckpoint(tmp_path, save_last=True)
    with pytest.raises(BenchError, match="cat"):
        trained(private("patient", QuantileThreshold()), ToyMirror(), keep, FailsLater(), federated=federated)
    resumed = private("patient", QuantileThreshold())
    again = trained(resumed, ToyMirror(), federated=federated, ckpt_path=tmp_path / "last.ckpt")
    assert torch.equal(weights, again)
    assert resumed.ledger.state_dict() == whole.ledger.state_dict()


def test_an_audit_replays_it_and_finds_what_a_mirror_must_not_do(audited, monkeypatch):
    run = {"canaries": 10, "rounds": 2, "data": ToyDataModule({"alps": 6, "cape": 3})}
    result, _ = audited(per_record(2.0), more=(ToyMirror(horizon=2),), **run)
    assert failed(result) == [], result.checks
    mix = PrivacyEngine.mix_public

    def looks_at_private_images(self, batch):
        mix(self, batch)
        task = self._clipping.units._losses.module
        loss = task.example_losses(batch.image, batch.label).mean()
        for parameter, raw in zip(task.parameters(), torch.autograd.grad(loss, list(task.parameters())), strict=True):
            parameter.grad.add_(raw, alpha=0.2)

    monkeypatch.setattr(PrivacyEngine, "mix_public", torch.enable_grad()(looks_at_private_images))
    result, _ = audited(per_record(2.0), more=(ToyMirror(horizon=2),), **run)
    assert "weights" in failed(result)


@pytest.mark.parametrize("unit", ["none", "client", "batch"])
def test_where_no_unit_releases_a_gradient_it_is_refused(trained, unit):
    privacy = DifferentialPrivacy() if unit == "none" else private(unit)
    with pytest.raises(ConfigError, match=rf"PhantomMirror mixes .* privacy\.unit is {unit}: use record"):
        trained(privacy, ToyMirror(), rounds=1)


@pytest.mark.parametrize(
    "wrong", [{"cases": 0}, {"batch_size": 0}, {"horizon": 0}, {"least": -0.1}, {"least": 1.1}, {"least": float("nan")}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="PhantomMirror"):
        PhantomMirror(**wrong)


def test_phantoms_of_a_dataset_have_a_guarantee_and_the_record_says_what_they_did(fit, tmp_path):
    network = {"channels": (2, 4), "strides": (2,), "num_res_units": 0}
    posts = []
    for callbacks in ((PhantomMirror(6, 4, 2),), ()):
        task = SkinLesionTask(network_arguments=network, optimizer=lambda own: torch.optim.SGD(own, lr=0.05))
        folders = {"phantom_cases": 20, "phantom_directory": tmp_path / "phantoms"}
        data = ISICDataModule(Path("phantom"), IIDPartition(2), batch_size=4, image_size=(8, 8), **folders)
        data.phantom_size = (32, 32)
        privacy, place = private(), tmp_path / f"run{len(posts)}"
        recorder = RunRecorder("isic", "ours")
        fit(task, data, FederatedLoop(rounds=2), privacy, recorder, *callbacks, default_root_dir=place)
        assert privacy.accounted.reason is None
        posts.append(RunDirectory(place).read_record().privacy.post_processing)
    assert posts[1] == ()
    assert posts[0] == (
        "PhantomMirror: private gradients, as released, mixed with gradients of 6 phantom cases (seed 424242, 4"
        " examples a step); in round t they count for cos(pi t / 4), and at least 0.5",
    )
