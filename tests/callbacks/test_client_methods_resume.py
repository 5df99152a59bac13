"""A run of a method with state that is resumed from any round ends with the bits of one that was never interrupted."""

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.federation.aggregation import CoordinateMedian, FedNova
from adpfl_bench.federation.client_methods import Ditto, FedProx, LocalTraining, Scaffold
from adpfl_bench.federation.server_optimizers import FedAdam, FedYogi
from adpfl_bench.privacy.mechanisms import LaplaceMechanism
from adpfl_bench.privacy.thresholds import PercentileThreshold
from tests.callbacks.test_federated_loop_resume import SIZES, plain

ROUNDS = 4

METHODS = {
    "fedprox": lambda: {"client_method": FedProx(0.1), "server_optimizer": lambda p: FedAdam(p, lr=0.01)},
    "scaffold": lambda: {"client_method": Scaffold(), "client_optimizer_state": "keep"},
    "scaffold yogi": lambda: {"client_method": Scaffold(), "server_optimizer": lambda p: FedYogi(p, lr=0.01)},
    "ditto": lambda: {"client_method": Ditto(0.1), "client_optimizer_state": "keep"},
    "local": lambda: {"client_method": LocalTraining(), "client_optimizer_state": "keep"},
    "fedbn": lambda: {"local_parameters": r"^network\.1\.", "buffers": "local"},
    "fine-tuning": lambda: {"fine_tuning_epochs": 1, "aggregator": FedNova()},
    "median": lambda: {"aggregator": CoordinateMedian(), "clients_per_round": 3},
    "pooled": lambda: {"pooled": True, "clients_per_round": None, "client_optimizer_state": "keep"},
    "unreliable": lambda: {"dropout": 0.3, "straggling": {"alps": 0.9}, "availability": "cyclic"},
}


@pytest.fixture
def play(toy_task, toy_data, fit):
    def run(name, *more, ckpt_path=None):
        task = toy_task("batchnorm")
        loop = FederatedLoop(**{"rounds": ROUNDS, "clients_per_round": 2, "seed": 3, **METHODS[name]()})
        privacy = DifferentialPrivacy("batch", PercentileThreshold(60.0, 5), LaplaceMechanism(), noise_multiplier=0.05)
        fit(task, toy_data(SIZES), loop, privacy, *more, ckpt_path=ckpt_path)
        models = {}
        for client in SIZES:
            loop.load_model(task, client)
            models[client] = {name: value.clone() for name, value in task.state_dict().items()}
        loop.load_model(task, None)
        state = {"weights": task.state_dict(), "loop": loop.state_dict(), "privacy": privacy.state_dict()}
        return plain({**state, "models": models, "rows": [vars(row) for row in task.scores]})

    return run


@pytest.mark.parametrize("name", METHODS)
def test_resuming_from_every_round_ends_with_the_same_bits(play, tmp_path, name):
    keep = ModelCheckpoint(tmp_path / "checkpoints", "{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    whole = play(name, keep)
    checkpoints = sorted((tmp_path / "checkpoints").glob("*.ckpt"))
    assert len(checkpoints) == ROUNDS + (name == "fine-tuning")
    for path in checkpoints[:-1]:
        assert play(name, ckpt_path=path) == whole
