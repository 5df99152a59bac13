"""DifferentialPrivacy by itself: any LightningModule with a loss per example, on a plain DataLoader."""

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.nn import functional
from torch.utils.data import BatchSampler, DataLoader, TensorDataset, WeightedRandomSampler

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.data.rounds.poisson_loader import PoissonBatches, poisson_loader
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold

N, B = 24, 6
NO_LOADER = object()  # the module's own


class Block(nn.Module):
    """A residual block."""

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(2, width))

    def forward(self, x):
        return functional.relu(x + self.layers(x))


class Classifier(lightning.LightningModule):
    """A residual network as vision packages have them; it knows nothing of privacy but its loss per example."""

    def __init__(self, normalization=None):
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), normalization or nn.Identity(), Block(4), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Dropout(0.1), nn.Linear(4, 3),
        )  # fmt: skip

    def forward(self, image):
        return self.network(image)

    def example_losses(self, image, target):
        return functional.cross_entropy(self(image), target, reduction="none")

    def training_step(self, batch, batch_idx):
        image, target = batch
        return self.example_losses(image, target).mean()

    def validation_step(self, batch, batch_idx):
        image, target = batch
        self.log("val_accuracy", (self(image).argmax(1) == target).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def images(n=N):
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(n) % 3
    image = torch.randn(n, 3, 9, 9, generator=generator)
    image[:, 0] += target[:, None, None]
    return TensorDataset(image, target)


def private(**arguments):
    defaults = {"unit": "record", "threshold": FixedThreshold(1.0), "mechanism": GaussianMechanism(), "delta": 1e-3}
    return DifferentialPrivacy(**{**defaults, "noise_multiplier": 1.0, **arguments})


class PlainSteps(Callback):
    """Gradients that the optimizer is given, and the batches."""

    def __init__(self):
        self.gradients, self.batches = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.batches.append(batch)

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        if pl_module.network[0].weight.grad is not None:
            self.gradients.append(torch.cat([p.grad.flatten() for p in pl_module.parameters()]))


@pytest.fixture
def train(tmp_path):
    def run(privacy, *more, loader=None, module=None, epochs=2, folder="run", ckpt_path=None, **arguments):
        torch.manual_seed(0)
        module = module or Classifier()
        trainer = Trainer(
            callbacks=[privacy, *more], max_epochs=epochs, accelerator="cpu", logger=False, enable_model_summary=False,
            enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in more), enable_progress_bar=False,
            default_root_dir=tmp_path / folder, **arguments,
        )  # fmt: skip
        loader = None if loader is NO_LOADER else loader or DataLoader(images(), batch_size=B, shuffle=True)
        trainer.fit(module, loader, ckpt_path=ckpt_path)
        return module

    return run


def test_every_pass_is_one_release_and_is_accounted(train, capsys):
    privacy = private()
    module = train(privacy)
    assert privacy.ledger.events("all data") == {Release("GaussianMechanism", 1.0): 2}
    assert privacy.accounted.epsilon == client_epsilon({Release("GaussianMechanism", 1.0): 2}, 1e-3)
    assert privacy.accounted.not_covered == ()
    assert "privacy: unit record, FixedThreshold, GaussianMechanism with z = 1" in capsys.readouterr().out
    assert "training_step" not in vars(module)
    assert privacy.describe().ledger["all data"]


def test_what_the_optimizer_is_given_is_the_clipped_sum_under_noise(train):
    """Without dropout, with next to no noise."""
    module, seen = Classifier(), PlainSteps()
    module.network[5] = nn.Identity()
    start = [p.detach().clone() for p in module.parameters()]
    train(private(noise_multiplier=1e-6, threshold=FixedThreshold(0.05)), seen, module=module, epochs=1)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), start, strict=True):
            parameter.copy_(value)
    image, target = seen.batches[0]
    total = 0
    for i in range(len(image)):
        loss = module.example_losses(image[i : i + 1], target[i : i + 1])[0]
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()))])
        total = total + gradient * min(1.0, 0.05 / float(gradient.norm()))
    assert float((seen.gradients[0] - total / B).norm()) < 1e-4 * float(total.norm())


def test_poisson_batches_amplify_and_may_be_empty(train):
    loader, seen, privacy = poisson_loader(images(6), 1, seed=3), PlainSteps(), private(sampling="poisson")
    train(privacy, seen, loader=loader, epochs=6)
    sizes = [len(image) for image, _ in seen.batches]
    assert 0 in sizes
    assert len(set(sizes)) > 1
    assert privacy.ledger.events("all data") == {Release("GaussianMechanism", 1.0, sampling_rate=1 / 6): 36}
    assert all(float(gradient.norm()) > 0 for gradient in seen.gradients)


def test_public_draws_amplify_nothing_where_noise_is_secret(train):
    public = private(sampling="poisson", secure=True)
    train(public, loader=poisson_loader(images(), B, seed=0), epochs=1)
    secret = private(sampling="poisson", secure=True)
    train(secret, loader=poisson_loader(images(), B), epochs=1, folder="other")
    (release,) = public.ledger.events("all data")
    assert (release.sampling_rate, public.ledger.events("all data")[release]) == (1.0, 4)
    assert secret.accounted.epsilon < public.accounted.epsilon


def test_poisson_batches_have_their_rate():
    batches = PoissonBatches(50, 5, seed=1)
    counts = np.zeros(50)
    for _ in range(60):
        for batch in batches:
            counts[batch] += 1
    passes = 60 * len(batches)
    assert abs(counts.mean() - passes * 0.1) < 5 * np.sqrt(passes * 0.09 / 50)
    with pytest.raises(ConfigError, match="expected batch size of at least 1, but there are 50 and 0"):
        PoissonBatches(50, 0)


def test_noise_is_solved_for_and_a_threshold_learns(train):
    privacy = private(threshold=QuantileThreshold(), noise_multiplier=None, target_epsilon=3.0)
    train(privacy, epochs=3)
    assert 2.9 < privacy.accounted.epsilon <= 3.0
    assert privacy.threshold.current("all data") != 1.0


def test_a_module_that_is_trained_twice_pays_twice(train):
    first = private()
    module = train(first, epochs=1)
    second = private()
    train(second, module=module, epochs=1)
    assert second.accounted.epsilon == client_epsilon({Release("GaussianMechanism", 1.0): 2}, 1e-3)


@pytest.mark.parametrize(("secure", "count"), [(False, 3), (True, 4)])
def test_a_run_that_goes_on_counts_what_was_broken_off(train, tmp_path, secure, count):
    class Plug(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if (trainer.current_epoch, batch_idx) == (2, 1):
                raise RuntimeError("pulled")

    def keep():
        return ModelCheckpoint(tmp_path / "kept", save_last=True)

    with pytest.raises(RuntimeError, match="pulled"):
        train(private(secure=secure), keep(), Plug(), epochs=3)
    privacy = private(secure=secure)
    train(privacy, keep(), epochs=3, folder="other", ckpt_path=tmp_path / "kept/last.ckpt")
    assert sum(privacy.engine.books.spent.events("all data").values()) == count


def weighted(dataset):
    return DataLoader(dataset, B, sampler=WeightedRandomSampler(torch.ones(N), N))


class OwnBatches(BatchSampler):
    """Any batches."""


class Looks(Callback):
    """It could do anything."""


class OwnStep(Classifier):
    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        optimizer.step(closure=optimizer_closure)


@pytest.mark.parametrize(
    ("privacy", "changes", "reason"),
    [
        (private(), {"loader": weighted(images())}, "how WeightedRandomSampler draws examples is not known"),
        (
            private(),
            {"loader": DataLoader(images(), batch_sampler=OwnBatches(range(N), B, drop_last=False))},
            "how OwnBatches draws examples is not known",
        ),
        (private(), {"module": OwnStep()}, "OwnStep has optimizer_step of its own"),
        (private(threshold=PercentileThreshold()), {}, "raw percentile"),
        (private(noise_multiplier=0.0), {}, "noise multiplier is 0"),
        (private(unit="batch"), {"module": Classifier(nn.BatchNorm2d(4))}, "running statistics"),
    ],
)
def test_what_the_proof_does_not_know_claims_nothing(train, privacy, changes, reason):
    train(privacy, epochs=1, **changes)
    assert privacy.accounted.epsilon is None
    assert reason in privacy.accounted.reason


class Counting(Classifier):
    """Keeps a running mean of its own, in a buffer that no layer declares."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))

    def example_losses(self, image, target):
        self.mean += 0.1 * image.detach().mean((0, 2, 3))
        return super().example_losses(image, target)


@pytest.mark.parametrize("arguments", [{"epochs": 1}, {"epochs": 3, "max_steps": 2}])
def test_a_buffer_that_training_changes_claims_nothing(train, arguments):
    privacy = private(unit="batch")
    train(privacy, module=Counting(), **arguments)
    assert "the buffer mean of the network changed in training" in privacy.accounted.reason


def mixed(examples):
    """Every image holds a part of another one."""
    image, target = torch.utils.data.default_collate(examples)
    return (image + image.roll(1, 0)) / 2, target


@pytest.mark.parametrize("sampling", ["shuffle", "poisson"])
def test_a_batch_that_is_made_in_an_unknown_way_claims_nothing(train, sampling):
    how = {"batch_size": B} if sampling == "shuffle" else {"batch_sampler": PoissonBatches(N, B, seed=3)}
    privacy = private(sampling=sampling)
    train(privacy, loader=DataLoader(images(), collate_fn=mixed, **how), epochs=1)
    assert privacy.accounted.reason == "how mixed makes a batch of examples is not known"


class OtherLoader(Classifier):
    """Has larger batches from its second pass on."""

    def train_dataloader(self):
        return DataLoader(images(), batch_size=B if self.current_epoch == 0 else 2 * B)


def test_a_loader_that_changes_claims_nothing(train):
    privacy = private()
    train(privacy, module=OtherLoader(), loader=NO_LOADER, epochs=2, reload_dataloaders_every_n_epochs=1)
    assert privacy.accounted.reason == "the DataLoader changed during the run"


def test_an_unknown_callback_claims_nothing(train):
    privacy = private()
    train(privacy, Looks(), epochs=1)
    assert "Looks" in privacy.accounted.reason


class NoLosses(lightning.LightningModule):
    def training_step(self, batch, batch_idx):
        return batch[0].sum()

    def configure_optimizers(self):
        return torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)


@pytest.mark.parametrize(
    ("privacy", "changes", "sentence"),
    [
        (private(unit="patient"), {}, "without a FederatedLoop only an example is known"),
        (private(), {"module": NoLosses()}, r"NoLosses has no loss per example: give it a method example_losses"),
        (private(), {"module": Classifier(nn.BatchNorm2d(4))}, "BatchNorm2d, whose statistics mix the examples"),
        (private(sampling="poisson"), {}, "privacy.sampling is poisson, but the DataLoader draws by shuffle"),
        (private(units_per_step=3), {}, "units_per_step is 3, but the DataLoader's batches have 6"),
        (private(delta=0.5), {}, "privacy.delta is 0.5"),
        (private(), {"accumulate_grad_batches": 2}, "accumulate_grad_batches is 2"),
        (private(), {"gradient_clip_val": 1.0}, "the Trainer would clip again after the noise"),
        (private(), {"loader": DataLoader([torch.zeros(3)] * 300, B)}, "needs batches that are pairs of tensors"),
        (private(), {"loader": [[torch.zeros(3), torch.zeros(3)]]}, "needs one torch DataLoader"),
        (private(noise_multiplier=None, target_epsilon=1.0), {"epochs": -1, "max_steps": 3}, "max_epochs is -1"),
    ],
)
def test_refusals(train, privacy, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        train(privacy, **changes)


def test_without_privacy_nothing_is_touched(train):
    privacy = DifferentialPrivacy()
    train(privacy, epochs=1)
    assert privacy.accounted.epsilon is None
