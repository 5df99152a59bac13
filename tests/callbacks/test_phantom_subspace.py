"""Public subspace: gradients are released along directions of phantoms and beside them, and the audit sees to it."""

import pytest
import torch
import yaml
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

import adpfl_bench
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.phantom_geometry import PhantomGeometry
from adpfl_bench.callbacks.phantom_subspace import PhantomSubspace
from adpfl_bench.config.config_files import find_config
from adpfl_bench.errors import BenchError, CheckpointError, ConfigError
from adpfl_bench.federation.client_methods import Ditto
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.proofs import find_proof, register_proof
from adpfl_bench.privacy.public_subspace import PublicSubspace
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.privacy.unit_gradients import UnitGradients
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import failed, per_record
from tests.callbacks.toy_subspace import ToySubspace
from tests.toy_federation import ToyDataModule, looks_on

SIZES = {"alps": 9, "cape": 3}


@looks_on
class Kept(Callback):
    """Directions and weights of each round; may fail in one."""

    def __init__(self, fails_in=None):
        self.bases, self.weights, self._fails_in = [], [], fails_in

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            self.bases.append(pl_module.local_step._engine.subspace.basis.clone())
            self.weights.append([p.detach().clone() for p in pl_module.parameters()])

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self._fails_in:
            raise BenchError("The cat has walked over the keyboard.")


def private(unit="record", mechanism=None, z=1.0, threshold=None, **arguments):
    mechanism = mechanism or GaussianMechanism()
    return DifferentialPrivacy(
        unit, threshold or QuantileThreshold(), mechanism, z, delta=1e-3, **{"normalize": True, **arguments}
    )


@pytest.fixture
def trained(toy_task, fit):
    """Trains and returns the final weights."""

    def run(privacy, *callbacks, rounds=4, ckpt_path=None, **federated):
        task = toy_task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        loop = FederatedLoop(rounds=rounds, **federated)
        fit(task, ToyDataModule(SIZES), loop, privacy, *callbacks, ckpt_path=ckpt_path, limit_val_batches=0)
        return torch.cat([p.detach().flatten() for p in task.parameters()])

    return run


def test_the_configuration_states_the_defaults():
    content = yaml.safe_load(find_config("configs/phantom_subspace.yaml").read_text())
    (given,) = content["trainer"]["callbacks+"]
    assert given["class_path"] == "adpfl_bench.PhantomSubspace"
    assert adpfl_bench.PhantomSubspace(**given["init_args"]).settings == PhantomSubspace().settings


def test_directions_are_found_at_every_refresh_and_cost_no_epsilon(trained):
    seen, privacy, plain = Kept(), private(), private()
    trained(privacy, ToySubspace(), seen)
    trained(plain)
    assert privacy.accounted.epsilon == plain.accounted.epsilon
    assert privacy.accounted.reason is None
    assert find_proof("callback", PhantomSubspace).claimed is False
    assert privacy.engine.books.key != plain.engine.books.key
    first, second, third, fourth = seen.bases
    assert first.shape == (4, sum(p.numel() for p in seen.weights[0]))
    assert torch.equal(first, second)
    assert torch.equal(third, fourth)
    assert not torch.allclose(first, third)
    assert privacy.engine.public_key == {}  # of the fit that is over
    assert privacy.engine.subspace.basis is None


def test_steps_without_residual_stay_in_the_subspace(trained):
    for arguments, inside in (({"residual": False}, True), ({"residual_rate": 0.0}, True), ({}, False)):
        seen = Kept()
        end = trained(private(), ToySubspace(refresh=9, **arguments), seen, rounds=2)
        moved = end - torch.cat([p.flatten() for p in seen.weights[0]])
        beside = moved - moved @ seen.bases[0].T @ seen.bases[0]
        assert (float(beside.norm()) < 1e-4 * float(moved.norm())) == inside


@pytest.mark.parametrize("refresh", [2, 3])
def test_a_killed_run_goes_on_to_the_bit_and_the_ledger_is_never_short(trained, tmp_path, refresh):
    whole, seen = private(), Kept()
    weights = trained(whole, ToySubspace(refresh=refresh), seen)
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    with pytest.raises(BenchError, match="cat"):
        trained(private(), ToySubspace(refresh=refresh), keep, Kept(2))
    resumed, again = private(), Kept()
    path = tmp_path / "kept" / "last.ckpt"
    assert torch.equal(weights, trained(resumed, ToySubspace(refresh=refresh), again, ckpt_path=path))
    assert all(torch.equal(one, other) for one, other in zip(seen.bases[2:], again.bases, strict=True))
    assert resumed.accounted.epsilon == whole.accounted.epsilon
    checkpoint = torch.load(path, weights_only=True)
    held = checkpoint["callbacks"]["ToySubspace"]["weights"]
    assert sum(weight.numel() for weight in held) == len(weights)  # and no directions
    for wrong, says in (
        ("large", "found at are no tensors"),
        ([torch.full((3,), torch.nan)], "are not finite"),
        ([torch.zeros(3)], "weights of other shapes"),
    ):
        checkpoint["callbacks"]["ToySubspace"]["weights"] = wrong
        torch.save(checkpoint, path)
        with pytest.raises(CheckpointError, match=says):
            trained(private(), ToySubspace(refresh=3), rounds=5, ckpt_path=path)


def test_correlated_noise_goes_over_a_refresh(trained):
    privacy = private(mechanism=CorrelatedGaussianMechanism(2), sampling="fixed")
    trained(privacy, ToySubspace())
    assert privacy.accounted.epsilon is not None


class BareAlong(GaussianMechanism):
    """Adds noise beside the directions alone."""

    subspace = None

    def add_noise_(self, tensors, scale, source):
        before = [tensor.clone() for tensor in tensors]
        super().add_noise_(tensors, scale, source)
        basis, sizes = self.subspace.basis, [tensor.numel() for tensor in tensors]
        if basis.shape[1] == sum(sizes):  # and not the threshold's statistic
            noise = torch.cat([(tensor - old).flatten() for tensor, old in zip(tensors, before, strict=True)])
            noise -= noise @ basis.T @ basis
            for tensor, old, part in zip(tensors, before, torch.split(noise, sizes), strict=True):
                tensor.copy_(old + part.view_as(old))


register_proof(BareAlong, "Gaussian noise, it says", like="GaussianMechanism")


def audit(audited, mechanism=None, **arguments):
    privacy = per_record(2.0, mechanism, QuantileThreshold(), normalize=True, **arguments)
    if mechanism is not None:
        mechanism.subspace = privacy.engine.subspace
    return audited(privacy, canaries=20, more=[ToySubspace(residual_share=0.5)])[0]


def test_an_audit_accuses_nobody(audited):
    for more in ({}, {"unit": "patient", "sampling": "poisson"}):
        result = audit(audited, **more)
        assert failed(result) == [], result.checks
        assert result.checks["sensitivity"].figures["moves"] > 0
        assert result.verdict is not None


def test_a_residual_that_is_not_clipped_is_caught(audited, monkeypatch):
    def cheated(self, gradients, threshold, norm):
        rows = torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)
        norms, whole = honest(self, gradients, threshold, norm)
        if (basis := self._subspace.basis) is not None:
            residual = self._subspace.parts.weights[1] * (rows - rows @ basis.T @ basis)
            sizes = [gradient[0].numel() for gradient in gradients]
            for gradient, part in zip(gradients, torch.split(residual, sizes, dim=1), strict=True):
                gradient += part.view_as(gradient)
            whole = torch.zeros_like(whole)
        return norms, whole

    honest = UnitGradients._measured
    monkeypatch.setattr(UnitGradients, "_measured", cheated)
    result = audit(audited)
    assert "sensitivity" in failed(result)
    assert result.checks["sensitivity"].figures["largest_move"] > 1.1


def test_an_embedding_without_noise_is_caught(audited):
    result = audit(audited, BareAlong())
    assert failed(result) == ["noise scale"]
    assert result.checks["noise scale"].reason.startswith("along public directions, the noise has")


def test_a_step_on_something_else_than_the_two_parts_is_caught(audited, monkeypatch):
    monkeypatch.setattr(PublicSubspace, "join_", lambda self, parameters, gradients: None)
    assert failed(audit(audited)) == ["use of releases", "weights"]


@pytest.mark.parametrize(
    ("privacy", "federated", "more", "says"),
    [
        ({"unit": "client", "normalize": False}, {}, (), r"privacy\.unit is client: use record"),
        ({}, {"client_method": Ditto()}, (), "clients have parameters or models of their own"),
        ({"mechanism": LaplaceMechanism("l1")}, {}, (), "LaplaceMechanism clips in the L1 norm"),
        (
            {"mechanism": SummedGaussianMechanism(1), "threshold": FixedThreshold()},
            {},
            (),
            "SummedGaussianMechanism relies on a trusted sum",
        ),
        ({"memory_budget": 1e-4}, {}, (), r"8 phantoms and 4 directions in \d+ trained numbers, .* take fewer"),
        ({}, {}, (PhantomGeometry(),), "PhantomGeometry and ToySubspace would each change"),
    ],
)
def test_what_directions_are_not_proved_for_is_refused(trained, privacy, federated, more, says):
    with pytest.raises(ConfigError, match=says):
        trained(private(**privacy), *more, ToySubspace(), rounds=1, **federated)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cases": 0},
        {"refresh": 0},
        {"dimensions": 0},
        {"dimensions": 9, "cases": 8},
        {"residual_share": 0.0},
        {"residual_budget": 1.0},
        {"residual_budget": 0.0},
        {"residual_rate": -1.0},
    ],
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="PhantomSubspace"):
        PhantomSubspace(**wrong)
