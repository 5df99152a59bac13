"""The suite's round against a hand-written PyTorch loop that does the same steps, and its memory by clients.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/federated_loop.py

Eight clients train a 2-D UNet (16-32-64-128) on 128x128 phantoms with batches of 8. The suite runs as on the command
line, with records and checkpoints; the loop trains, averages and nothing else. Rounds alternate in one process, so that
both see the same machine; what counts is the ratio of the medians. The weights after the first round show that both do
the same; later, AdamW amplifies the rounding of its first steps. Peak memory is that of a process of its own with 4 and
with 64 clients that share the same images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import default_collate

from adpfl_bench.callbacks.checkpointing import AtomicCheckpointIO, RoundCheckpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.data.rounds.round_plan import plan_round
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.records.environment import peak_memory_mb
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network
from adpfl_bench.tasks.skin_lesion import SkinLesionTask


class PlainLoop:
    """FedAvg written by hand over the same records, in the same order."""

    def __init__(
        self, data: FederatedDataModule, loop: FederatedLoop, network: torch.nn.Module, device: str = "cpu"
    ) -> None:
        self.data, self.schedule, self.device = data, loop.schedule, torch.device(device)
        self.network = build_network("UNet", 2, 3, 1, {"norm": ("INSTANCE", {"affine": True}), "act": "PRELU"}).to(
            device
        )
        self.network.load_state_dict(network.state_dict())
        self.weights = {name: value.clone() for name, value in self.network.state_dict().items()}

    def round(self, index: int) -> None:
        """Train every client from the global weights and average."""
        positions = {case.case_id: i for i, case in enumerate(c for client in self.data.clients for c in client.cases)}
        records = {client.name: [positions[case.case_id] for case in client.train] for client in self.data.clients}
        total = sum(map(len, records.values()))
        average = {name: torch.zeros_like(value) for name, value in self.weights.items()}
        optimizer, client = None, None
        for step in plan_round(self.schedule, index, records, self.data.batch_size):
            if step.client != client:
                client = step.client
                self.network.load_state_dict(self.weights)
                optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-3)
            batch = default_collate([self.data._examples[key] for key in step.keys])
            image, label = batch.image.to(self.device), batch.label.to(self.device)
            loss = dice_cross_entropy(self.network(image), label).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step.last:
                for name, value in self.network.state_dict().items():
                    average[name] += value * (len(records[client]) / total)
        self.weights = average
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Alternate(Callback):
    """After each of the suite's rounds, runs and times one of the loop's."""

    def __init__(self, plain: PlainLoop) -> None:
        self.plain = plain
        self.suite_seconds: list[float] = []
        self.plain_seconds: list[float] = []
        self.first_difference = float("nan")
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the first round."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the suite's clock, time the loop's round, and start the suite's clock again."""
        self.suite_seconds.append(time.perf_counter() - self._started)
        started = time.perf_counter()
        self.plain.round(trainer.current_epoch)
        self.plain_seconds.append(time.perf_counter() - started)
        if trainer.current_epoch == 0:
            weights = pl_module.network.state_dict()
            device = self.plain.device
            self.first_difference = max(
                float((self.plain.weights[n] - v.to(device)).abs().max()) for n, v in weights.items()
            )
        self._started = time.perf_counter()


def set_up(
    folder: Path, clients: int, cases: int, rounds: int, accelerator: str = "cpu"
) -> tuple[Trainer, SkinLesionTask, ISICDataModule]:
    """Build what the command line would build, without validation."""
    torch.manual_seed(0)
    data = ISICDataModule(
        "phantom",
        IIDPartition(clients),
        phantom_cases=cases,
        phantom_size=(128, 128),
        phantom_directory=folder.parent / "phantoms",
        validation_fraction=0.0,
        test_fraction=0.0,
    )
    callbacks = [FederatedLoop(rounds=rounds), DifferentialPrivacy(), RunRecorder(), RoundCheckpoint(folder)]
    trainer = Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=rounds,
        limit_val_batches=0,
        logger=False,
        default_root_dir=folder,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return trainer, SkinLesionTask(), data


def compare(folder: Path, rounds: int, accelerator: str = "cpu", cases: int = 256) -> dict[str, float]:
    """Time alternating rounds; the first, which warms up, is left out."""
    trainer, task, data = set_up(folder, 8, cases, rounds + 1, accelerator)
    data.setup("fit")
    device = "cuda" if accelerator == "gpu" else "cpu"
    timer = Alternate(PlainLoop(data, trainer.callbacks[0], task.network, device))
    trainer.callbacks.insert(-1, timer)
    trainer.fit(task, datamodule=data)
    suite, plain = statistics.median(timer.suite_seconds[1:]), statistics.median(timer.plain_seconds[1:])
    difference = timer.first_difference
    return {"ratio": suite / plain, "suite_s": suite, "plain_s": plain, "first_round_max_weight_difference": difference}


def peak(clients: int) -> float:
    """Peak memory in MiB of two rounds with the given number of clients, in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(clients)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds of each")
    parser.add_argument("--peak", type=int, help="only run two rounds with this many clients and print peak memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        if arguments.peak:
            trainer, task, data = set_up(folder, arguments.peak, 512, 2)  # at least a batch for each of 64 clients
            trainer.fit(task, datamodule=data)
            print(peak_memory_mb())
            return
        print(json.dumps(compare(folder, arguments.rounds), indent=2))
    few, many = peak(4), peak(64)
    print(json.dumps({"peak_mb_4_clients": few, "peak_mb_64_clients": many, "ratio": many / few}, indent=2))


if __name__ == "__main__":
    main()
