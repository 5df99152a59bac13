"""A federation of 1,000 tiny clients that all keep state: peak memory, and time per client and round.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/many_clients.py

SCAFFOLD (a control variate for every client that has been seen) with 10 % participation: 100 of 1,000 clients make 2
local steps in each of 20 rounds, with records and a checkpoint after every round. Beside it the same work by 100
clients that all take part, and both with FedAvg, which keeps nothing. Each runs in a process of its own. What counts
are the ratios; the CPU's own times are printed for orientation. The control variates take 4 bytes x parameters x
clients seen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.checkpointing import AtomicCheckpointIO, RoundCheckpoint, last_checkpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.federation.client_methods import ClientMethod, Scaffold
from adpfl_bench.records.environment import peak_memory_mb
from adpfl_bench.tasks.skin_lesion import SkinLesionTask

CASES, PER_ROUND, STEPS = 2000, 100, 2
NETWORK = {"channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 0}
METHODS: dict[str, type[ClientMethod]] = {"fedavg": ClientMethod, "scaffold": Scaffold}


class Rounds(Callback):
    """Notes when rounds end."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.times = [time.perf_counter()]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the end of a round, with its record and before its checkpoint, which counts to the next one."""
        self.times.append(time.perf_counter())


def measure(method: str, clients: int, rounds: int, phantoms: Path) -> dict[str, float]:
    """Run one federation and say what it took."""
    torch.manual_seed(0)
    data = ISICDataModule(
        Path("phantom"),
        IIDPartition(clients),
        phantom_cases=CASES,
        phantom_size=(32, 32),
        image_size=(32, 32),
        batch_size=2,
        phantom_directory=phantoms,
        validation_fraction=0.0,
        test_fraction=0.0,
    )
    task = SkinLesionTask(network_arguments=NETWORK)
    loop = FederatedLoop(rounds, clients_per_round=PER_ROUND, local_steps=STEPS, client_method=METHODS[method]())
    timer = Rounds()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=rounds,
            limit_val_batches=0,
            logger=False,
            default_root_dir=folder,
            callbacks=[loop, DifferentialPrivacy(), RunRecorder(), timer, RoundCheckpoint(Path(folder))],
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, datamodule=data)
        checkpoint = last_checkpoint(Path(folder)).stat().st_size / 2**20
    seen = {c for index in range(rounds) for c in loop.schedule.participants(index, list(data.train_sizes))}
    seconds = (timer.times[-1] - timer.times[1]) / (rounds - 1) / PER_ROUND  # the first round warms up
    parameters = sum(parameter.numel() for parameter in task.parameters())
    return {
        "clients_seen": len(seen),
        "parameters": parameters,
        "peak_mib": peak_memory_mb(),
        "checkpoint_mib": checkpoint,
        "ms_per_client_round": 1000 * seconds,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--one", nargs=3, metavar=("METHOD", "CLIENTS", "PHANTOMS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        method, clients, phantoms = options.one
        print(json.dumps(measure(method, int(clients), options.rounds, Path(phantoms))))
        return
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            for clients in (PER_ROUND, 1000):
                command = [sys.executable, __file__, "--rounds", str(options.rounds)]
                command += ["--one", method, str(clients), folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                results[method, clients] = found = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"{method:8} {clients:5} clients, {found['clients_seen']:4} seen, {found['parameters']:,}"
                    f" parameters: peak {found['peak_mib']:.0f} MiB, checkpoint {found['checkpoint_mib']:.1f} MiB,"
                    f" {found['ms_per_client_round']:.1f} ms per client-round",
                    flush=True,
                )
    for method in METHODS:
        many, few = results[method, 1000], results[method, PER_ROUND]
        print(
            f"{method:8} 1000 / {PER_ROUND} clients: peak memory {many['peak_mib'] / few['peak_mib']:.2f},"
            f" time per client-round {many['ms_per_client_round'] / few['ms_per_client_round']:.2f}"
        )


if __name__ == "__main__":
    main()
