"""One run over several processes, beside one process: the same bits, also after kills.

::

    OMP_NUM_THREADS=1 python benchmarks/processes.py bits        # methods times 1 to 4 processes, 2-D and 3-D
    OMP_NUM_THREADS=1 python benchmarks/processes.py kills       # one of the processes is killed, others go on
    OMP_NUM_THREADS=1 python benchmarks/processes.py torchrun    # two agents of torchrun on this machine

Runs are made on phantoms, in a temporary folder. ``bits``, ``kills`` and ``torchrun`` compare weights and ledger round
by round (by the chain of run.json), thresholds (rounds.csv), scores and kept cases, and end with status 1 where one
differs. How long runs take is measured by process_times.py.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FORKS = multiprocessing.get_context("forkserver")
_PRELOADED = ["adpfl_bench.running.training", "adpfl_bench.datasets.isic", "monai.networks.nets", "monai.inferers"]
_MAIN = "import sys; from adpfl_bench.cli import main; sys.exit(main())"
_TABLES = ("rounds.csv", "cases.csv", "partition.csv", "data.csv", "examples.npz")
_PARTIAL = ("--federated.clients_per_round", "2", "--federated.dropout", "0.3", "--federated.straggling", "0.5")

# Files and options by name; all on four clients, two rounds.
_METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fedavg": (("fedavg",), ()),
    "fedadam+scaffold": (("scaffold", "fedadam"), ()),
    "ditto": (("ditto",), ()),
    "fedbn": (("fedbn",), ("--model.network_arguments.norm", "BATCH", "--federated.buffers", "local")),
    "median": (("median",), ()),
    "adp_fl": (("adp_fl",), ()),
    "adp_fl_quantile": (("adp_fl_quantile",), ()),
    "dp_sgd": (("dp_sgd",), ()),
    "client_dp": (("client_dp",), ()),
    "adp_fl, partial": (("adp_fl",), _PARTIAL),
    "fedavg, partial": (("fedavg",), _PARTIAL),
    "fedadam+scaffold, partial": (("scaffold", "fedadam"), _PARTIAL),
    "client_dp, partial": (("client_dp",), _PARTIAL),
}


def command(task: str, method: str, folder: Path, *more: str) -> list[str]:
    """The command line of a run."""
    files, options = _METHODS[method]
    names = [f"tasks/{task}.yaml", *(f"callbacks/{name}.yaml" for name in files), "configs/smoke.yaml"]
    words = ["fit", *(word for name in names for word in ("--config", name)), "--trainer.accelerator", "cpu"]
    words += ["--data.partition", json.dumps({"class_path": "adpfl_bench.IIDPartition", "init_args": {"clients": 4}})]
    words += ["--data.phantom_directory", str(folder.parents[1] / "phantoms")]
    words += ["--trainer.devices", "1"]  # as many as are started here, and no more by itself
    return [*words, "--trainer.default_root_dir", str(folder), *options, *more]


def work(output: str, commands: Sequence[Sequence[str]], environments: Sequence[dict[str, str]]) -> None:
    """Run command lines one after the other in this process, each with its place among others."""
    from adpfl_bench.cli import main

    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 0
    for words, environment in zip(commands, environments, strict=True):
        os.environ.update(environment)
        status = status or main(list(words))
    sys.exit(status)


def start(commands: Sequence[Sequence[str]], count: int, output: Path) -> list[Any]:
    """Start the processes that share runs, which follow each other in them; one alone is told of no others."""
    ports = [free_port() for _ in commands]
    started = []
    for rank in range(count):
        places = [
            {"RANK": str(rank), "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            if count > 1
            else {}
            for port in ports
        ]
        process = _FORKS.Process(target=work, args=(f"{output}.{rank}", [list(c) for c in commands], places))
        process.start()
        started.append(process)
    return started


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def bits_of(folder: Path) -> dict[str, Any]:
    """What must not depend on the number of processes."""
    record = json.loads((folder / "run.json").read_text())
    facts = {name: record[name] for name in ("status", "rounds_completed", "privacy")}
    tables = {name: (folder / name).read_bytes() for name in _TABLES}
    return facts | tables | {"chain": record["digests"]["chain"]}


def compare(one: Path, other: Path, what: str) -> bool:
    """Print whether two runs are the same to the bit."""
    try:
        ours, theirs = bits_of(one), bits_of(other)
    except FileNotFoundError as error:
        print(f"{what:<44} MISSING {error.filename}", flush=True)
        return False
    different = [name for name in ours if ours[name] != theirs[name]]
    print(f"{what:<44} {'same bits' if not different else 'DIFFER: ' + ', '.join(different)}", flush=True)
    return not different


def bits(scratch: Path, counts: Sequence[int], only: str | None) -> bool:
    """Compare all methods by all numbers of processes with one process."""
    runs = [(task, method) for task in ("isic", "brats") if only in (None, task) for method in _METHODS]
    folders = {(count, run): scratch / str(count) / "-".join(run).replace(" ", "") for count in counts for run in runs}
    same = True
    for count in counts:
        commands = [command(*run, folders[count, run]) for run in runs]
        processes = start(commands, count, scratch / f"printed-by-{count}")
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            print((scratch / f"printed-by-{count}.0").read_text()[-2000:])
        for run in runs if count != counts[0] else ():
            what = f"{run[0]} {run[1]}, {count} processes"
            same = compare(folders[counts[0], run], folders[count, run], what) and same
    return same


def kills(scratch: Path, wanted: int, seed: int) -> bool:
    """Kill one of the processes of a run again and again, and go on with other numbers of them."""
    draw, killed, same, number = random.Random(seed), 0, True, 0
    options = ("--federated.rounds", "12", "--federated.client_method", "adpfl_bench.Scaffold")
    whole = scratch / "1" / "whole"
    start([command("isic", "adp_fl_quantile", whole, *options)], 1, scratch / "printed-whole")[0].join()
    while killed < wanted:
        number += 1
        folder, history = scratch / "1" / f"killed-{number}", []
        words = command("isic", "adp_fl_quantile", folder, *options, "--ckpt_path", "last")
        while True:
            count = draw.randint(1, 4)
            processes = start([words], count, scratch / f"printed-{number}")
            victim, before = draw.randrange(count), rounds_of(folder)
            if killed < wanted:
                while rounds_of(folder) <= before and all(process.is_alive() for process in processes):
                    time.sleep(0.002)
                time.sleep(draw.random() * 0.3)
                if processes[victim].is_alive():
                    os.kill(processes[victim].pid, signal.SIGKILL)
                    killed += 1
                    history.append(f"{victim} of {count}")
            for process in processes:
                process.join()
            if all(process.exitcode == 0 for process in processes):
                break
        same &= compare(whole, folder, f"{len(history)} kills ({', '.join(history)})")
    print(f"{killed} kills")
    return same


def rounds_of(folder: Path) -> int:
    """Rounds that a run has recorded."""
    try:
        return int(json.loads((folder / "run.json").read_text())["rounds_completed"])
    except FileNotFoundError:
        return 0


def torchrun(scratch: Path) -> bool:
    """Let two agents of torchrun on this machine, as two machines would, start two processes each."""
    one, shared, launched = (scratch / "1" / name for name in ("one", "torchrun", "launched"))
    run = [sys.executable, "-c", _MAIN]
    subprocess.run([*run, *command("isic", "adp_fl", one)], check=True, capture_output=True)
    agents = [
        subprocess.Popen([
            sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node_rank", str(node),
            "--nproc_per_node", "2", "--master_addr", "127.0.0.1", "--master_port", str(port), "--no_python",
            *run, *command("isic", "adp_fl", shared),
        ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in [free_port()] for node in range(2)
    ]  # fmt: skip
    print("statuses of the two agents:", [agent.wait() for agent in agents])
    found = subprocess.run([*run, *command("isic", "adp_fl", launched), "--trainer.devices", "3"], capture_output=True)
    print("status of --trainer.devices 3:", found.returncode)
    same = compare(one, shared, "two agents of torchrun, two processes each")
    return compare(one, launched, "--trainer.devices 3") and same


def main() -> int:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description="One run over several processes, beside one process.")
    parser.add_argument("what", choices=("bits", "kills", "torchrun"))
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[1, 2, 3, 4], help="numbers of processes; 1 comes first"
    )
    parser.add_argument("--task", choices=("isic", "brats"), help="bits of this task alone")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="seed of who is killed when")
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _FORKS.set_forkserver_preload(_PRELOADED)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        done = {
            "bits": lambda: bits(scratch, given.counts, given.task),
            "kills": lambda: kills(scratch, given.kills, given.seed),
            "torchrun": lambda: torchrun(scratch),
        }[given.what]()
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
