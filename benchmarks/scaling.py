"""Rounds of 4, 64 and 1,000 clients against a hand-written loop, and peak memory from 4 to 10,000 clients.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/scaling.py

The same pictures of 32x32 are divided among more and more clients, all of whom take part in every round, so that the
steps of a round are as many and their turns become short: a client of a thousand makes one step. Suite and loop (that
of ``federated_loop.py``) alternate in one process; what counts are the ratios of medians. Peak memory is that of a
process of its own which trains one round on 10,000 pictures of 16x16, in which every client has its turn.
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
from federated_loop import Kind

from adpfl_bench.records.environment import peak_memory_mb

CLIENTS, CASES, KIND = (4, 64, 1000), 2000, Kind(size=32, batch_size=2, channels=(8, 16, 32), strides=(2, 2))
FEW, MANY, TINY = 4, 10_000, Kind(size=16, batch_size=8, channels=(8, 16), strides=(2,))


def peak(clients: int, folder: Path) -> float:
    """Peak memory in MiB of a round of so many clients, in a process of its own."""
    command = [sys.executable, __file__, "--peak", str(clients), str(folder)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--only", choices=("time", "memory"))
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
        for clients in options.clients if options.only != "memory" else ():
            folder = scratch / f"run-{clients}"
            found = federated_loop.compare(folder, options.rounds, cases=CASES, clients=clients, kind=KIND)
            figures = {key: float(f"{value:.3g}") for key, value in found.items()}
            print(f"{clients:>5} clients", json.dumps(figures), flush=True)
        if options.only != "time":
            peak(FEW, scratch)  # draws the phantoms, which takes memory too
            few, many = (peak(clients, scratch) for clients in (FEW, MANY))
            print(f"peak memory: {few:.0f} MiB with {FEW} clients, {many:.0f} with {MANY:,}: ratio {many / few:.2f}")


if __name__ == "__main__":
    main()
