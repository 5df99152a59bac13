"""Public geometry: phantoms scale private gradients before they are clipped, and nothing else changes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.phantom_geometry import PhantomGeometry
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.data.phantom_examples import phantom_examples
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import BenchError, CheckpointError, ConfigError
from adpfl_bench.federation.client_methods import Ditto
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.public_scales import PublicScales, inverse_moments
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from tests.callbacks.audits import failed
from tests.toy_federation import looks_on

NETWORK = {"channels": (2, 4), "strides": (2,), "num_res_units": 0}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Where phantom cohorts are kept."""
    return tmp_path_factory.mktemp("phantoms")


@pytest.fixture
def parts(phantoms):
    """Makes a task and data of tiny pictures."""

    def make():
        with torch.random.fork_rng():
            torch.manual_seed(3)
            task = SkinLesionTask(
                network_arguments=NETWORK, optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05)
            )
        data = ISICDataModule(
            Path("phantom"),
            IIDPartition(2),
            batch_size=4,
            image_size=(8, 8),
            phantom_cases=20,
            phantom_directory=phantoms,
        )
        data.phantom_size = (32, 32)
        return task, data

    return make


def private(unit="record", z=1.0, **arguments):
    return DifferentialPrivacy(unit, FixedThreshold(), GaussianMechanism(), z, delta=1e-3, **arguments)


@looks_on
class FailsInRound(Callback):
    """Raises a sentence in the third round."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 2:
            raise BenchError("The cat has walked over the keyboard.")


def geometry(**arguments):
    return PhantomGeometry(**{"cases": 6, **arguments})


def test_scales_are_the_inverse_roots_of_mean_squares_to_a_common_factor():
    moments = [torch.tensor([1.0, 4.0]), torch.tensor([[16.0]])]
    flat = torch.cat([scale.flatten() for scale in inverse_moments(moments, 0.5, 1e-9)])
    assert torch.allclose(flat / flat[0], torch.tensor([1.0, 0.5, 0.25]))
    assert float(flat.square().mean()) == pytest.approx(1.0)
    assert all(torch.equal(scale, torch.ones_like(scale)) for scale in inverse_moments(moments, 0.0, 0.01))
    for wrong in ([torch.zeros(3)], [torch.tensor([torch.nan])]):
        with pytest.raises(BenchError, match="mean square of public gradients"):
            inverse_moments(wrong, 0.5, 0.01)
    with pytest.raises(BenchError, match="no positive number"):
        PublicScales().use([torch.tensor([0.0, 1.0])], {})


def test_gradients_are_scaled_before_they_are_clipped(parts):
    task, data = parts()
    examples = phantom_examples(data, 6, 1)
    trained = [p for p in task.parameters() if p.requires_grad]
    scales = PublicScales()
    scales.use([torch.rand_like(p) + 0.1 for p in trained], {"power": 1})
    units = torch.tensor([0, 0, 1, 2, 3, 3])
    plain = UnitGradients(task, task.example_losses, 1e6).gradients(*examples, units)
    ours = UnitGradients(task, task.example_losses, 1e6, scales=scales).clipped_sum(*examples, units, 0.5, "l2")
    scaled = plain * torch.cat([scale.flatten() for scale in scales.state()])
    norms = scaled.norm(dim=1)
    expected = (scaled * (0.5 / norms).clamp(max=1)[:, None]).sum(0)
    assert torch.allclose(torch.cat([part.flatten() for part in ours.gradients]), expected, atol=1e-5)
    assert torch.allclose(ours.norms, norms, rtol=1e-4)


def test_mean_squares_are_those_of_single_examples(parts):
    task, data = parts()
    examples = phantom_examples(data, 5, 2)
    gradients = UnitGradients(task, task.example_losses, 1e5)
    rows = gradients.gradients(*examples, torch.arange(5))
    found = torch.cat([part.flatten() for part in gradients.mean_squares(*examples)])
    assert torch.allclose(found, rows.square().mean(0), rtol=1e-4, atol=1e-12)


def test_phantoms_are_no_data_of_the_run(parts):
    _, data = parts()
    data.setup("fit")
    before, cases = data.fingerprint, list(data._cases)
    image, label = phantom_examples(data, 6, 99)
    assert (len(image), len(label)) == (6, 6)
    assert image.shape[1:] == (3, 8, 8)
    assert (data.fingerprint, list(data._cases)) == (before, cases)
    again, _ = phantom_examples(data, 6, 99)
    assert torch.equal(image, again)
    assert not torch.equal(image, phantom_examples(data, 6, 98)[0])


def test_a_run_is_measured_at_every_refresh_costs_no_epsilon_and_differs_by_the_power_alone(parts, fit, monkeypatch):
    measured, made = [], PhantomGeometry.measure

    def watched(self, task):
        measured.append(torch.cat([p.detach().flatten() for p in task.parameters()]))
        return made(self, task)

    monkeypatch.setattr(PhantomGeometry, "measure", watched)
    ends, epsilons, keys = [], [], []
    for callbacks in ((), (geometry(power=0.0),), (geometry(refresh=2),)):
        task, data = parts()
        privacy = private(z=0.01)
        fit(task, data, FederatedLoop(rounds=3), privacy, *callbacks, limit_val_batches=0)
        assert privacy.accounted.reason is None
        ends.append(torch.cat([p.detach().flatten() for p in task.parameters()]))
        epsilons.append(privacy.accounted.epsilon)
        keys.append(privacy.engine.books.key)
        assert privacy.engine.scales.key == {}  # of the fit that is over
    assert len(set(epsilons)) == 1
    assert len(set(keys)) == 3
    plain, unscaled, scaled = ends
    # Noise apart, a power of 0 leaves the run as it is.
    assert float((plain - unscaled).norm()) < 0.3 * float((plain - scaled).norm())
    assert len(measured) == 4  # twice in three rounds, of two runs
    assert not torch.equal(measured[2], measured[3])


def test_a_killed_run_goes_on_to_the_bit(parts, fit, tmp_path):
    whole, data = parts()
    fit(whole, data, FederatedLoop(rounds=4), private(), geometry(refresh=3), limit_val_batches=0)
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    broken, data = parts()
    with pytest.raises(BenchError, match="cat"):
        fit(
            broken,
            data,
            FederatedLoop(rounds=4),
            private(),
            geometry(refresh=3),
            keep,
            FailsInRound(),
            limit_val_batches=0,
        )
    again, data = parts()
    path, privacy = tmp_path / "kept" / "last.ckpt", private()
    fit(again, data, FederatedLoop(rounds=4), privacy, geometry(refresh=3), ckpt_path=path, limit_val_batches=0)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert {sum(privacy.ledger.events(client).values()) for client in privacy.ledger.clients()} == {4}
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["callbacks"]["PhantomGeometry"]["scales"] = "large"
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="the scales are no tensors"):
        fit(parts()[0], parts()[1], FederatedLoop(rounds=5), private(), geometry(refresh=3), ckpt_path=path)


def test_an_audit_of_scaled_gradients_accuses_nobody(parts, fit):
    task, data = parts()
    audit = PrivacyAudit(20)
    fit(task, data, geometry(), FederatedLoop(rounds=2), private(z=2.0), audit, limit_val_batches=0)
    assert failed(audit.result) == [], audit.result.checks
    assert audit.result.checks["sensitivity"].passed
    assert np.isfinite(audit.result.epsilon)


@pytest.mark.parametrize(
    ("privacy", "federated", "says"),
    [
        ({"unit": "client"}, {}, r"privacy\.unit is client: use record"),
        ({"unit": "batch"}, {}, r"privacy\.unit is batch"),
        ({}, {"client_method": Ditto()}, "clients have parameters or models of their own"),
        ({}, {"fine_tuning_epochs": 1}, "models of their own"),
    ],
)
def test_what_scales_cannot_be_public_in_is_refused(parts, fit, privacy, federated, says):
    task, data = parts()
    with pytest.raises(ConfigError, match=says):
        fit(task, data, FederatedLoop(rounds=1, **federated), private(**privacy), geometry())


@pytest.mark.parametrize("wrong", [{"cases": 0}, {"refresh": 0}, {"power": 1.5}, {"power": -1}, {"damping": 0.0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="PhantomGeometry"):
        PhantomGeometry(**wrong)
