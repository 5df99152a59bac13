"""Toy runs of many methods that one process trains, or several share: one start of the processes serves all methods."""

import os
import signal
import socket
import sys
import time
from contextlib import closing
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from adpfl_bench.callbacks.checkpointing import RoundCheckpoint, last_checkpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.examples import ExampleCases
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.first_process import leave_to_the_first
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import BenchError
from adpfl_bench.federation.aggregation import CoordinateMedian, FedNova
from adpfl_bench.federation.client_methods import ClientMethod, Ditto, Scaffold
from adpfl_bench.federation.server_optimizers import FedAdam
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from adpfl_bench.running.places import RunPlace, joined
from tests.callbacks.toy_mirror import ToyMirror
from tests.callbacks.toy_subspace import ToySubspace
from tests.toy_federation import ToyDataModule, ToyTask, looks_on

SIZES = {"alps": 12, "bay": 9, "cape": 3, "dale": 6}
ROUNDS = 3


def _sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def _private(unit, threshold, mechanism, **more):
    return DifferentialPrivacy(unit, threshold, mechanism, noise_multiplier=1.0, delta=0.01, **more)


# What is made of each: the loop's settings, the privacy, the toy network, and callbacks of its own.
RUNS = {
    "fedavg": dict,
    "scaffold, fedadam": lambda: {
        "loop": {"client_method": Scaffold(), "server_optimizer": FedAdam, "aggregation_weights": "uniform"}
    },
    "ditto": lambda: {"loop": {"client_method": Ditto()}},
    "fedbn": lambda: {"loop": {"local_parameters": r"^network\.1\.", "buffers": "local"}, "network": "batchnorm"},
    "fednova, kept optimizers": lambda: {
        "loop": {"aggregator": FedNova(), "client_optimizer_state": "keep", "client_optimizer": _sgd},
        "network": "batchnorm",
    },
    "median": lambda: {"loop": {"aggregator": CoordinateMedian()}, "network": "batchnorm"},
    "fine-tuning, dropout layer": lambda: {"loop": {"fine_tuning_epochs": 1}, "network": "dropout"},
    "adp_fl": lambda: {"privacy": _private("batch", PercentileThreshold(50, 7), LaplaceMechanism())},
    "adp_fl_quantile": lambda: {
        "loop": {"client_method": Scaffold()},
        "privacy": _private("patient", QuantileThreshold(), GaussianMechanism()),
        "callbacks": [ToyMirror()],
    },
    "dp_sgd": lambda: {
        "privacy": _private("record", HistogramThreshold(bins=5), GaussianMechanism(), sampling="poisson")
    },
    "dp_correlated": lambda: {
        "loop": {"clients_per_round": 3, "local_steps": 2},
        "privacy": _private("record", QuantileThreshold(), CorrelatedGaussianMechanism(2), sampling="fixed"),
    },
    "client_dp": lambda: {"privacy": _private("client", FixedThreshold(), GaussianMechanism())},
    # Rounds with fewer participants than processes, and with none for some of them.
    "partial": lambda: {
        "loop": {"clients_per_round": 2, "dropout": 0.4, "straggling": 0.5, "local_epochs": 2, "seed": 3},
        "privacy": _private("record", QuantileThreshold(), GaussianMechanism()),
        "callbacks": [ToySubspace(refresh=2)],
    },
    "stops early": lambda: {"callbacks": [EarlyStopping("val_dice", mode="max", patience=1)]},
}


# Those that three processes share too, which leave one without a turn in some rounds.
BY_THREE = ("scaffold, fedadam", "ditto", "fedbn", "median", "adp_fl_quantile", "partial")


@looks_on
class KilledIn(Callback):
    """Kills one process in the midst of a round."""

    def __init__(self, round_index):
        self._round = round_index

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self._round:
            os.kill(os.getpid(), signal.SIGKILL)


@looks_on
class KilledBeforeCheckpoint(Callback):
    """Kills the first process when a round is recorded and its checkpoint is not there, after the others had time."""

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)


@looks_on
class FailsIn(Callback):
    """Raises a sentence in a round."""

    def __init__(self, round_index):
        self._round = round_index

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self._round:
            raise BenchError("The cat has walked over the keyboard.")


class Unshared(ClientMethod):
    """Keeps a state and says nothing of other processes."""

    def state_dict(self):
        return {"kept": 1}


def train(name, folder, rank, ckpt_path=None, callbacks=(), after=()):
    """Train, validate and test one of the runs, into a folder."""
    what = RUNS[name]()
    task = ToyTask(what.get("network", "plain"), optimizer=lambda p: torch.optim.AdamW(p, lr=0.02))
    loop = FederatedLoop(rounds=ROUNDS, **what.get("loop", {}))
    parts = [*what.get("callbacks", ()), *callbacks, loop, what.get("privacy") or DifferentialPrivacy()]
    parts += [RunRecorder(overwrite=ckpt_path is None), ExampleCases(), *after, RoundCheckpoint(folder)]
    trainer = Trainer(
        callbacks=parts,
        max_epochs=loop.schedule.total_rounds,
        default_root_dir=folder,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    leave_to_the_first(trainer)
    data = ToyDataModule(SIZES, evaluation_batch_size=1)
    trainer.fit(task, datamodule=data, ckpt_path=ckpt_path)
    for score in (trainer.validate, trainer.test):
        score(task, datamodule=data, verbose=False)


def main(words):
    """Train the runs named, after how many processes and which one, as: FOLDER COUNT RANK NAME..."""
    folder, count, rank, *names = words
    count, rank = int(count), int(rank)

    def all_of_them():
        for name in names:
            if name == "killed":
                train("adp_fl_quantile", Path(folder) / name, rank, callbacks=[KilledIn(1)] if rank == 1 else ())
            elif name == "recorded":
                after = [KilledBeforeCheckpoint()] if rank == 0 else ()
                train("adp_fl_quantile", Path(folder) / name, rank, after=after)
            elif name.startswith("continued "):
                place = Path(folder) / name.removeprefix("continued ")
                train("adp_fl_quantile", place, rank, ckpt_path=last_checkpoint(place))
            elif name == "failing":
                train("fedavg", Path(folder) / name, rank, callbacks=[FailsIn(1)] if rank == 1 else ())
            else:
                train(name, Path(folder) / name, rank)

    try:
        if count == 1:
            all_of_them()
        else:
            with joined(RunPlace(rank, count)):
                all_of_them()
    except BenchError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def free_port():
    """A port that nobody listens at."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
