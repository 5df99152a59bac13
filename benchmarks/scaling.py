"""Rounds of 4, 64 and 1,000 clients against a hand-written loop, and peak memory from 4 to 10,000 clients.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/scaling.py

The same pictures of 32x32 are divided among more and more clients, all of whom take part in every round, so that the
steps of a round are as many and their turns become short: a client of a thousand makes one step. Suite and loop (that
of ``federated_loop.py``) alternate in one process; what counts are the ratios of medians. Peak memory is that of a
process of its own which trains one round on 10,000 pictures of 16x16, in which every client has its turn; and that of
all processes together of such a run by the command, of one process and of two (``--only together``), twice a second the
sum of what each has for itself and its part of what they share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import federated_loop
import process_times
from federated_loop import Kind

from adpfl_bench.records.environment import peak_memory_mb

CLIENTS, CASES, KIND = (4, 64, 1000), 2000, Kind(size=32, batch_size=2, channels=(8, 16, 32), strides=(2, 2))
FEW, MANY, TINY = 4, 10_000, Kind(size=16, batch_size=8, channels=(8, 16), strides=(2,))


def peak(clients: int, folder: Path) -> float:
    """Peak memory in MiB of a round of so many clients, in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(clients), str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def together(clients: int, cases: int, processes: int, scratch: Path) -> float:
    """Peak memory in MiB of all processes of such a round on so many pictures, as a command."""
    side, channels, strides = TINY.size, list(TINY.channels), list(TINY.strides)
    words = process_times.command(scratch, "isic", "fedavg", scratch / f"together-{clients}-{processes}", 1)
    settings = {
        "--data.partition.init_args.clients": clients,
        "--data.phantom_cases": cases,
        "--data.phantom_size": [32, 32],
        "--data.image_size": [side, side],
        "--data.batch_size": TINY.batch_size,
        "--model.network_arguments": json.dumps({"channels": channels, "strides": strides, "num_res_units": 0}),
        "--trainer.devices": processes,
        "--record.overwrite": "true",
    }
    words += [str(word) for setting in settings.items() for word in setting]
    return process_times.run(["-c", process_times.MAIN, *words], 1).memory


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--only", choices=("time", "memory", "together"))
    parser.add_argument("--optimizer", choices=federated_loop.OPTIMIZERS, default="adamw", help="of the clients")
    parser.add_argument("--many", type=int, default=MANY, help="clients, and pictures, of --only together")
    parser.add_argument("--peak", nargs=2, metavar=("CLIENTS", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        clients, folder = options.peak
        run = Path(folder) / f"run-{os.getpid()}"
        trainer, task, data = federated_loop.set_up(run, int(clients), MANY, 1, kind=TINY)
        trainer.fit(task, datamodule=data)
        print(peak_memory_mb())
        return
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for clients in options.clients if options.only in (None, "time") else ():
            folder = scratch / f"run-{clients}"
            found = federated_loop.compare(
                folder,
                options.rounds,
                cases=CASES,
                clients=clients,
                kind=KIND,
                optimizer=options.optimizer,
            )
            print(f"{clients:>5} clients", federated_loop.rounded(found), flush=True)
        if options.only in (None, "memory"):
            peak(FEW, scratch)  # draws the phantoms, which takes memory too
            tell("one process", MANY, *(peak(clients, scratch) for clients in (FEW, MANY)))
        if options.only in (None, "together"):
            many = options.many
            together(FEW, many, 1, scratch)
            for number in (1, 2):
                peaks = (together(clients, many, number, scratch) for clients in (FEW, many))
                tell(f"the command, {number} processes", many, *peaks)


def tell(what: str, clients: int, few: float, many: float) -> None:
    """Print two peaks of memory, in MiB."""
    ratio = f"ratio {many / few:.2f}"
    print(f"peak memory, {what}: {few:.0f} MiB with {FEW} clients, {many:.0f} with {clients:,}: {ratio}", flush=True)


if __name__ == "__main__":
    main()
