"""Memory that a training step of each task needs on a GPU, computed without one.

The tensors that a forward pass keeps for the backward pass are counted on fake tensors, which have shapes and no
memory, under bfloat16 autocast as in configs/gpu.yaml. To these are added weights, gradients, the optimizer's two
moments, and the federation's copies (global weights and the running sum). What a GPU's libraries take for themselves,
tensors that they keep at higher precision, workspaces and fragmentation come on top: plan for twice as much.

    python benchmarks/training_memory.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import torch
import yaml
from torch._subclasses.fake_tensor import FakeTensorMode

from adpfl_bench.config.config_files import packaged_configs, packaged_root
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.tasks.federated_task import FederatedTask

_COPIES = 7  # weights, gradients, two moments of the optimizer, global weights, running sum in 64 bits


def kept_bytes(task, shape: tuple[int, ...]) -> int:
    """Bytes that the forward pass keeps for the backward pass, each storage counted once."""
    storages: dict[int, int] = {}
    parameters = {p.untyped_storage()._cdata for p in task.parameters()}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            storages[storage._cdata] = storage.nbytes()
        alive.append(tensor)  # so that no address is used twice
        return tensor

    alive: list[torch.Tensor] = []
    label = torch.zeros(shape[0], len(task.predicted), *shape[2:])
    with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t), torch.autocast("cpu", torch.bfloat16):
        task.example_losses(torch.zeros(shape), label).mean()
    return sum(storages.values())


class Expected(NamedTuple):
    """What a step of a task is expected to need."""

    name: str
    task: FederatedTask
    shape: tuple[int, ...]
    parameters: int
    bytes: int


def expected(names: Sequence[str] = ()) -> Iterator[Expected]:
    """What a step of each task needs, or of some; the tasks are on fake tensors."""
    for name in packaged_configs():
        if not name.startswith("tasks/"):
            continue
        config = yaml.safe_load((packaged_root() / name).read_text())
        if names and config["task"] not in names:
            continue
        with FakeTensorMode():
            task, shape = task_and_shape(config)
            parameters = sum(parameter.numel() for parameter in task.parameters())
            total = 4 * parameters * _COPIES + kept_bytes(task, shape)
        yield Expected(config["task"], task, shape, parameters, total)


def task_and_shape(config: dict[str, Any]) -> tuple[FederatedTask, tuple[int, ...]]:
    """The task of a task file, and the shape of its batches."""
    model, data = config["model"], config["data"]["init_args"]
    module, _, class_name = model["class_path"].rpartition(".")
    arguments = {k: v for k, v in model["init_args"].items() if k not in ("optimizer", "lr_scheduler")}
    if class_name == "RegionsTask":  # of one's own data: the smallest that they may be
        arguments |= {"label_scheme": LabelScheme("own", ("foreground",)), "in_channels": 1}
    task = getattr(import_module(module), class_name)(**arguments)
    size = data["patch_size"] if "patch_size" in data else data["image_size"]
    return task, (data["batch_size"], task.in_channels, *size)


def main() -> None:
    """Print a line for each task file."""
    print(f"{'task':<12} {'network':<10} {'parameters':>12} {'batch':<22} {'expected GiB':>12}")
    for name, task, shape, parameters, total in expected():
        batch = "x".join(map(str, shape))
        network = type(task.network).__name__
        print(f"{name:<12} {network:<10} {parameters:>12,} {batch:<22} {total / 2**30:>12.1f}")


if __name__ == "__main__":
    main()
