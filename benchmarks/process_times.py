"""How long a round takes, and how much memory, by one process of two threads, by one of one, and by two of one.

::

    python benchmarks/process_times.py                    # 2-D and 3-D, plain and private
    python benchmarks/process_times.py --tasks isic       # 2-D alone
    python benchmarks/process_times.py --optimizer sgd    # clients step by SGD with momentum, in suite and loop

Each run is a command of its own on phantoms (``configs/phantom.yaml``, four clients of equal size, no validation), and
so is the loop written by hand, which trains with two threads; learning rates are constant. All are interleaved, the
first round is left out, and what counts is a ratio of medians; where a machine has other work they say little. Memory
is the largest sum, over the command and all processes that it has started, of what each has for itself and its part of
what they share (Pss of /proc).

Where the method is FedAvg, the weights in the end are compared with those of the loop: ``weights`` is the largest
difference, also of the loop on one thread to itself on two, which is what adding in another order makes. With AdamW it
is large after the first round, in any program (``federated_loop.py``); with SGD it is not.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MAIN = "import sys; from adpfl_bench.cli import main; sys.exit(main())"
_SIZES = {
    "isic": ("--data.phantom_cases", "240"),
    "brats": ("--data.phantom_cases", "24", "--federated.local_epochs", "1"),
}
_METHODS = {"isic": ("fedavg", "dp_sgd", "adp_fl_quantile"), "brats": ("fedavg", "adp_fl_quantile")}
_CLIENTS = '{"class_path": "adpfl_bench.IIDPartition", "init_args": {"clients": 4}}'
# Processes and threads of each.
_WAYS = {"one of two": ("1", 2), "one of one": ("1", 1), "two of one": ("2", 1)}
_BY_HAND, _ITSELF = "by hand, two threads", "by hand, one thread"
_FINAL = "by_hand.pt"
_STEADY = """
model: {init_args: {lr_scheduler: null}}
"""
_SGD = """
federated:
  client_optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.01, momentum: 0.9}}
"""


class Took(NamedTuple):
    """What a run took: seconds of all rounds but the first, seconds of the command, MiB."""

    rounds: float
    command: float
    memory: float


def command(scratch: Path, task: str, method: str, folder: Path, rounds: int) -> list[str]:
    """The command line of a run; a file ``sgd.yaml`` in the scratch folder is part of FedAvg's."""
    steady = scratch / "steady.yaml"
    steady.write_text(_STEADY)
    names = [f"tasks/{task}.yaml", f"callbacks/{method}.yaml", "configs/phantom.yaml", str(steady)]
    if method == "fedavg" and (scratch / "sgd.yaml").exists():
        names.append(str(scratch / "sgd.yaml"))
    words = ["fit", *(word for name in names for word in ("--config", name)), "--trainer.accelerator", "cpu"]
    words += ["--data.partition", _CLIENTS, "--data.phantom_directory", str(scratch / "phantoms")]
    words += [
        "--data.validation_fraction",
        "0",
        "--trainer.limit_val_batches",
        "0",
        "--score",
        "false",
        "--data.test_fraction",
        "0",
    ]
    return [*words, "--federated.rounds", str(rounds), "--trainer.default_root_dir", str(folder), *_SIZES[task]]


def run(words: Sequence[str], threads: int) -> Took:
    """Run a command that prints its rounds, and watch the memory of all its processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            peak[0] = max(peak[0], sum(map(proportional_memory, family(process.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed = process.communicate()[0]
    done.set()
    watcher.join()
    if process.returncode:
        sys.exit(printed)
    rounds = [float(found) for found in re.findall(r"^round .* ([\d.]+) s$", printed, flags=re.MULTILINE)]
    return Took(sum(rounds[1:]), time.perf_counter() - started, peak[0])


def family(process: int) -> list[int]:
    """The process, and all that it and its own have started."""
    found = [process]
    for entry in found:
        for children in Path(f"/proc/{entry}/task").glob("*/children"):
            try:
                found += [int(word) for word in children.read_text().split()]
            except OSError:  # it has ended
                continue
    return found


def proportional_memory(process: int) -> float:
    """MiB that a process has for itself, and its part of what it shares."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", lines, flags=re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def by_hand(words: Sequence[str]) -> None:
    """Train the rounds of a command line by FedAvg as one would write it, and print how long each took.

    It trains on the same examples in the same order, by MONAI's network, PyTorch's optimizer and one average a round,
    and leaves its weights in the run's folder.
    """
    import torch
    from monai.networks.nets import UNet
    from torch.utils.data import default_collate

    from adpfl_bench.data.rounds.round_plan import plan_round
    from adpfl_bench.running.planned_run import PlannedRun
    from adpfl_bench.running.training import run as made
    from adpfl_bench.tasks.losses import dice_cross_entropy

    planned = made(words, PlannedRun)
    task, data, schedule = planned.model, planned.datamodule, planned.config_init["federated"].schedule
    data.scheme = getattr(task, "scheme", None)
    data.setup("fit")
    arguments = planned.config.model.init_args.network_arguments
    network = UNet(
        task.spatial_dims, task.in_channels, len(task.regions),
        channels=arguments["channels"], strides=arguments["strides"], num_res_units=arguments["num_res_units"],
        norm=("INSTANCE", {"affine": True}), act="PRELU", bias=False,
    )  # fmt: skip
    network.load_state_dict(task.network.state_dict())
    make = planned.config_init["federated"].settings.client_optimizer or task.optimizer
    positions = {case.case_id: i for i, case in enumerate(c for client in data.clients for c in client.cases)}
    records = {client.name: [positions[case.case_id] for case in client.train] for client in data.clients}
    total = sum(map(len, records.values()))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    for index in range(schedule.rounds):
        started, client = time.perf_counter(), None
        average = {name: torch.zeros_like(value) for name, value in weights.items()}
        for step in plan_round(schedule, index, records, data.batch_size):
            if step.client != client:
                client = step.client
                network.load_state_dict(weights)
                optimizer = make(network.parameters())
            batch = default_collate([data._examples[key] for key in step.keys])
            optimizer.zero_grad()
            dice_cross_entropy(network(batch.image), batch.label).mean().backward()
            optimizer.step()
            if step.last:
                for name, value in network.state_dict().items():
                    average[name] += value * (len(records[client]) / total)
        weights = average
        print(f"round {index + 1} {time.perf_counter() - started:.3f} s", flush=True)
    folder = Path(planned.config.trainer.default_root_dir)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(weights, folder / _FINAL)


def difference(ours: Path, theirs: Path) -> float:
    """The largest difference of a weight, between what two runs have left in their folders."""
    import torch

    found = []
    for folder in (ours, theirs):
        if (folder / _FINAL).exists():
            found.append(torch.load(folder / _FINAL))
            continue
        state = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        found.append({name.removeprefix("network."): value for name, value in state.items()})
    return max(float((value - found[1][name]).abs().max()) for name, value in found[0].items())


def measure(scratch: Path, task: str, methods: Sequence[str], rounds: int, repetitions: int) -> None:
    """Print the ratios of a task."""
    took: dict[str, list[Took]] = {}
    weights: dict[str, float] = {}
    for index in range(repetitions):
        for name, threads in ((_BY_HAND, 2), (_ITSELF, 1)):
            folder = scratch / f"{task}-{name}"
            words = command(scratch, task, "fedavg", folder, rounds)
            took.setdefault(name, []).append(run([__file__, "--by_hand", *words], threads))
            weights[name] = difference(folder, scratch / f"{task}-{_BY_HAND}")
        for method in methods:
            for way, (processes, threads) in _WAYS.items():
                name = f"{method}, {way}"
                folder = scratch / f"{task}-{method}-{way.replace(' ', '-')}-{index}"
                words = [*command(scratch, task, method, folder, rounds), "--trainer.devices", processes]
                took.setdefault(name, []).append(run(["-c", MAIN, *words], threads))
                if method == "fedavg":
                    weights[name] = difference(folder, scratch / f"{task}-{_BY_HAND}")
    seconds = {name: statistics.median(one.rounds for one in all_of_it) for name, all_of_it in took.items()}
    whole = {name: statistics.median(one.command for one in all_of_it) for name, all_of_it in took.items()}
    memory = {name: statistics.median(one.memory for one in all_of_it) for name, all_of_it in took.items()}
    for name in took:
        one = f"{name.partition(',')[0]}, one of two"
        print(
            f"{task} {name:<30} rounds {seconds[name]:6.1f} s, / by hand {seconds[name] / seconds[_BY_HAND]:.2f}"
            + (f", / one of two {seconds[name] / seconds[one]:.2f}" if one in seconds else " " * 20)
            + (f"; command / one of two {whole[name] / whole[one]:.2f}" if one in whole else " " * 26)
            + f"; memory {memory[name]:,.0f} MiB"
            + (f"; weights {weights[name]:.1e}" if name in weights else ""),
            flush=True,
        )


def main() -> None:
    """Measure what is asked for."""
    if sys.argv[1:2] == ["--by_hand"]:
        by_hand(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description="How long rounds take by processes and threads.")
    parser.add_argument("--tasks", nargs="+", choices=tuple(_SIZES), default=list(_SIZES))
    parser.add_argument("--methods", nargs="+", help="in place of the task's own")
    parser.add_argument(
        "--optimizer", choices=("adamw", "sgd"), default="adamw", help="of FedAvg's clients, and the loop's"
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with tempfile.TemporaryDirectory() as folder:
        if given.optimizer == "sgd":
            (Path(folder) / "sgd.yaml").write_text(_SGD)
        for task in given.tasks:
            measure(Path(folder), task, given.methods or _METHODS[task], given.rounds, given.repetitions)


if __name__ == "__main__":
    main()
