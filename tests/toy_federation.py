"""A federation so small that a round takes milliseconds, and FedAvg in plain PyTorch to compare with."""

import copy
import zlib

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import Dataset, default_collate

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.case import Case
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.partitioning.partition import NaturalPartition
from adpfl_bench.data.rounds.round_plan import plan_round
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.privacy.proofs import register_proof
from adpfl_bench.tasks.segmentation import SegmentationTask

SIZES = {"alps": 12, "bay": 9, "cape": 3}


class ToyExamples(Dataset):
    """Blobs of 8x8 pixels that depend on the case, under noise that depends on the key's seed."""

    def __init__(self, case_ids):
        self.blobs = [_blob(case_id) for case_id in case_ids]

    def __getitem__(self, key):
        noise = torch.Generator().manual_seed(key.seed)
        label = self.blobs[key.example]
        return Example(label + 0.3 * torch.randn(label.shape, generator=noise), label)


def _blob(case_id):
    row, column, height = (zlib.crc32(f"{case_id}{axis}".encode()) % 4 for axis in "rch")
    blob = torch.zeros(1, 8, 8)
    blob[:, row : row + 2 + height, column : column + 4] = 1
    return blob


class ToyDataModule(FederatedDataModule):
    """Clients with the given numbers of training examples (multiples of 3), kept in memory.

    Each has a third as many validation and a third as many test cases.
    """

    def __init__(self, sizes=None, batch_size=4, **federation):
        federation = {"validation_fraction": 0.2, "test_fraction": 0.2, **federation}
        super().__init__("memory", NaturalPartition(), batch_size=batch_size, **federation)
        self.sizes = sizes or SIZES

    def scan(self, root):
        names = [(site, f"{site}-{i}") for site, train in self.sizes.items() for i in range(train * 5 // 3)]
        return [Case(name, name, (), None, site) for site, name in names]

    def write_phantom(self, output, cases, seed):
        raise NotImplementedError

    phantom_name = "toy"

    def load_cases(self, cases):
        self.records = ToyExamples([case.case_id for case in cases])
        self.position = {case.case_id: i for i, case in enumerate(cases)}
        return self.records

    def evaluation_case(self, case, native):
        label = self.records.blobs[self.position[case.case_id]]
        grid = label.repeat_interleave(2, 1).repeat_interleave(2, 2) if native else label
        return EvaluationCase(label - 0.5, grid.to(torch.uint8))

    @property
    def own_records(self):
        """Positions of each client's training examples."""
        return {client.name: [self.position[case.case_id] for case in client.train] for client in self.clients}


class ToyTask(SegmentationTask):
    """Two convolutions with ``network`` (plain, batchnorm, dropout or unused) between them."""

    regions = ("blob",)
    spatial_dims = 2
    in_channels = 1

    def configure_network(self, network, arguments):
        between = {
            "plain": nn.Identity(),
            "batchnorm": nn.BatchNorm2d(4),
            "dropout": nn.Dropout(0.5),
            "unused": Unused(),
        }
        with torch.random.fork_rng():
            torch.manual_seed(7)
            first, last = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
        return nn.Sequential(first, between[network], nn.ReLU(), last)


class Unused(nn.Module):
    """Passes its input on and has a parameter that never gets a gradient."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5000))

    def forward(self, x):
        return x


def _toy_task(network="plain", optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.02), **arguments):
    return ToyTask(network, optimizer=optimizer, **arguments)


@pytest.fixture
def toy_data():
    """Makes a ToyDataModule."""
    return ToyDataModule


@pytest.fixture
def toy_task():
    """Makes a ToyTask; those of one network start from the same weights."""
    return _toy_task


@pytest.fixture
def make_trainer(tmp_path):
    """Makes a quiet Trainer; ``max_epochs`` is the FederatedLoop's rounds unless given."""

    def make(*callbacks, **arguments):
        loops = [callback for callback in callbacks if isinstance(callback, FederatedLoop)]
        defaults = {
            "max_epochs": loops[0].schedule.total_rounds if loops else 1,
            "enable_checkpointing": any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "default_root_dir": tmp_path,
        }
        return Trainer(callbacks=list(callbacks), **{**defaults, **arguments})

    return make


@pytest.fixture
def fit(make_trainer):
    """Trains a task on data under the given callbacks, and returns the Trainer."""

    def run(task, data, *callbacks, ckpt_path=None, **arguments):
        trainer = make_trainer(*callbacks, **arguments)
        trainer.fit(task, datamodule=data, ckpt_path=ckpt_path)
        return trainer

    return run


def looks_on(callback):
    """Vouch for a callback of the tests, so that runs with it have an epsilon."""
    register_proof(callback, "it only looks on")
    return callback


class WeightHistory(Callback):
    """Copies what the validation of each round sees."""

    def __init__(self):
        self.rounds = []

    def on_validation_start(self, trainer, pl_module):
        self.rounds.append(copy.deepcopy(pl_module.state_dict()))


@pytest.fixture
def history():
    """A callback whose ``rounds`` are the weights that each round's validation saw."""
    return WeightHistory()


def _plain_federation(task, data, schedule, make_optimizer, rate=lambda _: 1.0, on_gradient=None, keep=False):
    """FedAvg in plain PyTorch: the global weights after each round, by name.

    ``make_optimizer`` is called for each client's turn (``keep``: for each client once), ``rate`` gives the factor of
    its learning rate in a round, and ``on_gradient(client, gradients)`` may change gradients in place.
    """
    task = copy.deepcopy(task).train()
    parameters = dict(task.named_parameters())
    weights = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimizers, after_round = {}, []
    for index in range(schedule.rounds):
        plan = plan_round(schedule, index, data.own_records, data.batch_size)
        sizes = {step.client: data.train_sizes[step.client] for step in plan}
        average = {name: torch.zeros_like(value) for name, value in weights.items()}
        for client, size in sizes.items():
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(weights[name])
            if not keep or client not in optimizers:
                optimizers[client] = make_optimizer(list(parameters.values()))
                optimizers[client].defaults["first_lr"] = optimizers[client].param_groups[0]["lr"]
            optimizer = optimizers[client]
            optimizer.param_groups[0]["lr"] = rate(index) * optimizer.defaults["first_lr"]
            for step in plan:
                if step.client == client:
                    batch = default_collate([data.records[key] for key in step.keys])
                    optimizer.zero_grad()
                    task.example_losses(batch.image, batch.label).mean().backward()
                    if on_gradient is not None:
                        on_gradient(client, [parameter.grad for parameter in parameters.values()])
                    optimizer.step()
            for name, parameter in parameters.items():
                average[name] += parameter.detach() * (size / sum(sizes.values()))
        weights = average
        after_round.append(weights)
    return after_round


@pytest.fixture
def plain_federation():
    """FedAvg in plain PyTorch, to compare with."""
    return _plain_federation


@pytest.fixture
def difference():
    """Largest absolute difference of two sets of tensors with the same names (the second may have more)."""

    def largest(ours, reference):
        assert set(reference) >= set(ours)
        return max(
            float((ours[name].detach().double() - reference[name].detach().double()).abs().max()) for name in ours
        )

    return largest
