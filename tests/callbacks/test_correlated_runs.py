"""Runs under correlated noise: their passes are counted, and whoever goes on does so to the bit, or begins anew."""

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.errors import BenchError, CheckpointError, ConfigError
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from tests.toy_federation import ToyDataModule, looks_on

SIZES = {"alps": 18, "cape": 3}
# Stops within passes, whose rests go on in the next round that the client is in: 5 batches of alps, and 1 of cape.
UNEVEN = {"local_steps": 3, "dropout": {"cape": 0.4}, "straggling": 0.5, "seed": 5}


def private(unit="record", threshold=None, z=1.5, bands=3, **arguments):
    return DifferentialPrivacy(
        unit,
        threshold or QuantileThreshold(),
        CorrelatedGaussianMechanism(bands),
        z,
        delta=1e-3,
        **{"sampling": "fixed", "normalize": True, **arguments},
    )


def spent(privacy):
    books = privacy.engine.books.spent
    return {client: sum(books.events(client).values()) for client in books.clients()}


@looks_on
class StepExamples(Callback):
    """The examples of each step by client; may fail in a step of a round."""

    def __init__(self, fails_in=None):
        self.batches, self._fails_in = {}, fails_in

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        keys = trainer.train_dataloader.steps[batch_idx].keys
        self.batches.setdefault(batch.client, []).append({key.example for key in keys})

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if self._fails_in == (trainer.current_epoch, batch_idx):
            raise BenchError("The cat has walked over the keyboard.")


@pytest.fixture
def trained(toy_task, fit):
    """Trains, perhaps up to a failure; returns the privacy and the final weights, or the privacy alone."""

    def run(privacy, *callbacks, rounds=4, ckpt_path=None, data=None, fails=False, **federated):
        task = toy_task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.05))
        loop = FederatedLoop(rounds=rounds, **federated)
        arguments = {"ckpt_path": ckpt_path, "limit_val_batches": 0}
        if fails:
            with pytest.raises(BenchError, match="cat"):
                fit(task, data or ToyDataModule(SIZES), loop, privacy, *callbacks, **arguments)
            return None
        fit(task, data or ToyDataModule(SIZES), loop, privacy, *callbacks, **arguments)
        return task.state_dict()

    return run


def test_batches_take_turns_over_rounds_that_end_within_passes(trained):
    privacy, seen = private(), StepExamples()
    trained(privacy, seen, rounds=7, **UNEVEN)
    steps = seen.batches["alps"]
    assert len(steps) > 12
    assert len(steps) % 5
    for before, after in zip(steps, steps[5:], strict=False):
        assert before == after
    assert sum(len(batch) for batch in steps[:5]) == len(set().union(*steps[:5])) == 18
    assert {len(batch) for batch in steps} == {3, 4}
    made = {client: len(own) for client, own in seen.batches.items()}
    assert spent(privacy) == {"alps": -(-made["alps"] // 5), "cape": made["cape"]}
    assert set(privacy.ledger.events("alps")) == {Release("GaussianMechanism", 1.5)}
    assert privacy.accounted.accountant == "Gaussian DP"


@pytest.mark.parametrize("unit", ["record", "patient"])
def test_a_killed_run_goes_on_to_the_bit_and_the_ledger_is_never_short(trained, tmp_path, unit):
    whole = private(unit)
    weights = trained(whole, **UNEVEN)
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    trained(private(unit), keep, StepExamples((2, 3)), fails=True, **UNEVEN)
    resumed = private(unit)
    again = trained(resumed, ckpt_path=tmp_path / "kept" / "last.ckpt", **UNEVEN)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert spent(resumed) == spent(whole)
    assert resumed.accounted.epsilon == whole.accounted.epsilon


def test_secret_noise_is_on_no_disk_and_a_run_that_goes_on_counts_new_passes(trained, tmp_path):
    keep, seen = ModelCheckpoint(tmp_path / "kept", save_last=True), StepExamples((2, 3))
    trained(private(secure=True), keep, seen, fails=True, **UNEVEN)
    checkpoint = torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)
    places = checkpoint["callbacks"]["DifferentialPrivacy"]["sequences"]
    assert all(own["recent"] is None for turns in places.values() for own in turns.values())
    resumed, after = private(secure=True), StepExamples()
    trained(resumed, after, ckpt_path=tmp_path / "kept" / "last.ckpt", **UNEVEN)
    broken_off, made = len(seen.batches["alps"]), len(after.batches["alps"])
    assert broken_off > places["alps"]["shared"]["steps"] > 0
    assert broken_off % 5
    # Passes of two sequences of noise, each counted from its own start.
    assert spent(resumed)["alps"] == -(-broken_off // 5) + -(-made // 5)


def test_another_key_counts_passes_from_where_it_begins(trained, tmp_path):
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    trained(private(), keep, rounds=1, local_steps=3)
    resumed = private(z=3.0)
    trained(resumed, rounds=2, local_steps=3, ckpt_path=tmp_path / "kept" / "last.ckpt")
    assert resumed.ledger.events("alps") == {Release("GaussianMechanism", 1.5): 1, Release("GaussianMechanism", 3.0): 1}


@pytest.mark.parametrize(
    ("settings", "federated", "says"),
    [
        ({"units_per_step": 9}, {}, r"on 2 fixed batches, but it has made 6 on 5"),
        ({"bands": 4}, {}, r"is of 3 bands .* but the run has 4"),
        ({}, {"local_steps": 2}, r"is to make step 5 .* it has made 6"),
    ],
)
def test_units_keep_their_places_when_a_run_goes_on(trained, tmp_path, settings, federated, says):
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    trained(private(), keep, rounds=2, local_steps=3)
    with pytest.raises(BenchError, match=says):
        trained(
            private(**settings), rounds=3, ckpt_path=tmp_path / "kept" / "last.ckpt", **{"local_steps": 3, **federated}
        )


@pytest.mark.parametrize("recent", [torch.full((2, 3), torch.nan), torch.zeros(3), "noise", 7])
def test_a_checkpoint_whose_noise_is_none_is_refused(trained, tmp_path, recent):
    keep = ModelCheckpoint(tmp_path / "kept", save_last=True)
    path = tmp_path / "kept" / "last.ckpt"
    trained(private(), keep, rounds=1)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["callbacks"]["DifferentialPrivacy"]["sequences"]["alps"]["shared"]["recent"] = recent
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="the noise of alps is no matrix"):
        trained(private(), rounds=2, ckpt_path=path)


def test_a_second_fit_of_one_callback_begins_at_the_first_batch(trained):
    privacy = private()
    trained(privacy, rounds=1)
    first = spent(privacy)
    trained(privacy, rounds=1)
    assert spent(privacy) == first


@pytest.mark.parametrize(
    ("unit", "mechanism", "sampling", "says"),
    [
        ("batch", CorrelatedGaussianMechanism(), "fixed", r"privacy\.unit is batch: use the unit"),
        ("client", CorrelatedGaussianMechanism(), "fixed", r"privacy\.unit is client"),
        ("record", CorrelatedGaussianMechanism(), "shuffle", r"but privacy\.sampling is shuffle: use fixed"),
        ("record", CorrelatedGaussianMechanism(), "poisson", r"but privacy\.sampling is poisson: use fixed"),
    ],
)
def test_what_is_not_proved_is_refused(unit, mechanism, sampling, says):
    with pytest.raises(ConfigError, match=says):
        DifferentialPrivacy(unit, FixedThreshold(), mechanism, 1.0, sampling=sampling)


def test_a_raw_percentile_has_no_proof_here_either(trained):
    privacy = private(threshold=PercentileThreshold())
    trained(privacy, rounds=1)
    assert privacy.accounted.epsilon is None
    assert "raw percentile" in privacy.accounted.reason


def test_a_target_is_met_and_smaller_clients_have_the_same_epsilon(trained):
    privacy = DifferentialPrivacy(
        "record", FixedThreshold(), CorrelatedGaussianMechanism(), None, 4.0, delta=1e-3, sampling="fixed"
    )
    trained(privacy, rounds=3)
    epsilons = privacy.accounted.by_client
    assert 3.98 < privacy.accounted.epsilon <= 4
    assert epsilons["alps"] == epsilons["cape"]
