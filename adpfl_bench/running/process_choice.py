"""Choice of a run's processes on a CPU, and of their threads, where the command line leaves it to the suite.

Two processes of one thread bring more than one process of two (benchmarks/process_times.py), since the clients of a
round need nothing of each other until its end. So there are as many processes as a round has participants, as far as
processors and memory allow, and each computes with its part of the processors. Both numbers follow from the machine
and the settings alone: sums within a step depend on the number of threads, and so would a run's bits depend on
whatever else they followed from.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_GIB = 2**30
_CLIENTS = 4  # what most tasks have, where only the data will tell
_PROCESS_GIB = 0.8  # what PyTorch, Lightning and MONAI take of a process's own (benchmarks/process_times.py)
_BYTES_PER_VOXEL = 2000  # of a training batch: twice what benchmarks/training_memory.py finds for the tasks' networks
_SHARE_OF_MEMORY = 0.8
_LIMITS = ("limit_val_batches", "limit_test_batches", "limit_predict_batches")
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Share(NamedTuple):
    """How a run is shared.

    Attributes:
        processes: Number of processes on this machine.
        threads: Threads that each of them computes with.
        reason: Why there is only one process; ``None`` where there are several, or no processor for a second.
    """

    processes: int
    threads: int
    reason: str | None = None


class Work(NamedTuple):
    """What there is to share.

    Attributes:
        participants: The most clients that train in a round.
        gib: Memory that a process will need, in GiB.
        alone: Why only one process can do it, if that is so.
        loaders: Worker processes for loading.
    """

    participants: int
    gib: float
    alone: str | None = None
    loaders: int = 0


def choose(work: Work, processors: int, memory_gib: float, threads: int | None = None) -> Share:
    """Choose processes and threads.

    Args:
        work: What there is to share.
        processors: How many this run may use, for computing and for loading.
        memory_gib: Memory of the machine, in GiB.
        threads: Threads of each process, where the environment states them (OMP_NUM_THREADS).
    """
    free = max(1, processors - work.loaders)
    fitting = max(1, int(_SHARE_OF_MEMORY * memory_gib / work.gib))
    most = 1 if work.alone else min(work.participants, fitting)
    own = threads or max(1, free // most)
    processes = max(1, min(most, free // own))
    reason = None
    if processes == 1 and free > 1:
        short = f"{memory_gib:.0f} GiB of memory are too little for two, which need some {2 * work.gib:.1f}"
        lonely = "one client at a time takes part" if work.participants == 1 else None
        reason = work.alone or lonely or (short if fitting == 1 else None)
    return Share(processes, own, reason)


def work_of(command: str, settings: Mapping[str, Any], trusted: Sequence[str]) -> Work:
    """Find out what a command line asks for.

    Args:
        command: ``fit`` or one of the commands that score.
        settings: What the command line states, by dotted name.
        trusted: Modules of others that it trusts.
    """
    patch = settings.get("data.patch_size") or settings.get("data.image_size") or ()
    sides = [side for side in patch if isinstance(side, int)] if isinstance(patch, list | tuple) else []
    batch = _whole(settings.get("data.batch_size")) or 1
    voxels = batch * math.prod(sides) if sides else 0
    return Work(
        participants=_participants(settings) if command == "fit" else _CLIENTS,
        gib=_PROCESS_GIB + _BYTES_PER_VOXEL * voxels / _GIB,
        alone=_alone(settings, trusted),
        loaders=_whole(settings.get("data.num_workers")) or 0,
    )


def _participants(settings: Mapping[str, Any]) -> int:
    if settings.get("federated.pooled") is True:
        return 1
    sizes = settings.get("data.partition.sizes")
    clients = len(sizes) if isinstance(sizes, list | tuple | dict) else _whole(settings.get("data.partition.clients"))
    clients = clients or _CLIENTS
    if drawn := _whole(settings.get("federated.clients_per_round")):
        return min(clients, drawn)
    share = settings.get("federated.participation", 1.0)
    return max(1, math.ceil(clients * share)) if isinstance(share, int | float) and 0 < share <= 1 else clients


def _alone(settings: Mapping[str, Any], trusted: Sequence[str]) -> str | None:
    """Why several processes would do something else than one, or refuse it."""
    if sys.platform != "linux":
        return "several have been tried on Linux alone"
    if trusted:
        return f"code of your own takes part ({', '.join(trusted)}), of which each process would run all"
    if "SLURM_JOB_ID" in os.environ:
        return "Slurm can put a run of several processes into its queue again by itself only if srun has started them"
    callbacks = settings.get("trainer.callbacks")
    if settings.get("trainer.max_time") is not None or "Timer" in str(callbacks):
        return "a Timer reads the clock"
    for name in _LIMITS:
        limit = settings.get(f"trainer.{name}", 1.0)
        if not (limit == 0 or (type(limit) is float and limit == 1.0)):
            return f"trainer.{name} is {limit}"
    for name in ("fast_dev_run", "overfit_batches", "profiler"):
        if settings.get(f"trainer.{name}"):
            return f"trainer.{name} is set"
    return None


def memory_gib() -> float:
    """Return the memory of this machine, or of the container that this process is in, in GiB."""
    found = [float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))]
    for place in map(Path, _CGROUPS):
        if place.is_file() and (stated := place.read_text().strip()).isdecimal():
            found.append(float(stated))
    return min(found) / _GIB


def _whole(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
