"""Peers: the processes that share one run, of which there is only one unless a command was started as several.

Everything that one process has to know of the others goes through :func:`peers`; all of them make the same calls, in
the same order.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from adpfl_bench.errors import BenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_Own = TypeVar("_Own")

_JOINING = timedelta(minutes=30)
_AS_LONG_AS_IT_TAKES = timedelta(days=30)  # one prepares volumes, or has the largest client, while the others wait
_FAILURE, _FAILURES = "failure", "failures"


PEER_LOST = 75
"""Exit status of a process that ends because another one has, which has left no word."""

LAUNCHED = "ADPFL_BENCH_LAUNCHED"
"""Set in the environment of processes that this program has started, which says itself how they ended."""


class PeerLost(BenchError):
    """Another process of the run has ended, or cannot be reached any more.

    Args:
        why: What it has left, which it has also printed; ``None`` where it has left no word.
        found: What was noticed of it.

    Attributes:
        why: What it has left.
    """

    def __init__(self, why: str | None, found: str) -> None:
        tell = why or "it left no word and was killed, perhaps for want of memory; --ckpt_path last goes on"
        super().__init__(f"Another process of this run has ended ({found}): {tell}")
        self.why = why

    @property
    def said(self) -> bool:
        """Whether it has said why."""
        return self.why is not None

    @property
    def perhaps_stopped(self) -> bool:
        """Whether it may have been stopped by a signal that this process will hear of in a moment."""
        return not self.said


class PeerPlace(NamedTuple):
    """Where a process computes.

    Attributes:
        device: Its device, such as ``cpu`` or ``cuda:3``.
        threads: Threads that it computes with on the CPU.
    """

    device: str
    threads: int


class Peers:
    """The processes of a run: one, which needs nobody.

    Attributes:
        rank: Which of them this one is, counted from 0. The first writes what the run leaves.
        count: How many there are.
        local_rank: Which of those of this machine this one is.
        local_count: How many of them are on this machine.
        places: Where they compute, by rank; empty before one has started to train.
        backend: What they exchange integers by, ``gloo`` or ``nccl``; ``None`` where there is nobody to exchange with.
    """

    rank = 0
    count = 1
    local_rank = 0
    local_count = 1
    places: tuple[PeerPlace, ...] = ()
    backend: str | None = None

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    @property
    def speaks(self) -> bool:
        """Whether this process says of all of them that they were stopped or lost one."""
        return self.first and LAUNCHED not in os.environ

    def sum_integers(self, tensors: Sequence[Tensor]) -> None:
        """Replace integer tensors, in place, by their sums over all processes.

        Raises:
            PeerLost: Another process has ended.
        """

    def settle(self, device: torch.device) -> None:
        """Settle how integers are exchanged, when it is known which device this process computes on."""

    def gather(self, own: _Own) -> list[_Own]:
        """Return what each process has brought, in the order of their ranks.

        Raises:
            PeerLost: Another process has ended.
        """
        return [own]

    def fail(self, sentence: str) -> bool:
        """Leave a sentence for the others on why this process ends; false where one of them has left one before."""
        return True

    def failure(self) -> str | None:
        """Return the first sentence that a process has left on why it ended; ``None`` where none has."""
        return None

    def leave(self) -> None:
        """Be alone again."""

    @contextmanager
    def first_then_others(self) -> Iterator[None]:
        """Let the first process do something before the others do, so that these find what it made.

        Raises:
            PeerLost: Another process has ended.
        """
        if not self.first:
            self.gather(None)
        yield
        if self.first and self.count > 1:
            self.gather(None)

    def divided(self, number: int) -> int:
        """Return this process's part of what there is on the machine, such as processors; of any number at least 1."""
        return max(1, number // self.local_count) if number > 0 else number


def sum_backend(devices: Sequence[str], nccl: bool) -> str:
    """Choose what integers are added up by: ``nccl`` where every process has a GPU to itself, else ``gloo``.

    Args:
        devices: By process the name of the GPU that it computes on, as :func:`gpu_name` has it.
        nccl: Whether PyTorch has NCCL.
    """
    return "nccl" if nccl and all(devices) and len(set(devices)) == len(devices) else "gloo"


def gpu_name(device: torch.device) -> str:
    """Return the name that a GPU has in all processes, which each may number in its own way; empty for other devices.

    A part of a GPU (MIG) has none either: NCCL does not connect parts.
    """
    import torch

    if device.type != "cuda" or torch.version.hip is not None or "MIG" in os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return ""
    return str(torch.cuda.get_device_properties(device).uuid)


class DistributedPeers(Peers):
    """The processes of a group of torch.distributed: objects over gloo, sums over NCCL where each has a GPU.

    Args:
        rank: Which of them this one is.
        count: How many there are.

    Raises:
        PeerLost: They did not come together.
    """

    def __init__(self, rank: int, count: int) -> None:
        import torch.distributed as distributed  # deferred: commands that do not train must start without torch
        from torch.distributed.rendezvous import rendezvous

        self.rank, self.count, self.backend = rank, count, "gloo"
        self._distributed = distributed
        self._sums: Any = None  # the group itself
        self._gpu: torch.device | None = None
        with self._in_a_sentence():
            self._store, *_ = next(rendezvous("env://", rank, count, timeout=_JOINING))
            distributed.init_process_group(
                "gloo", store=self._store, rank=rank, world_size=count, timeout=_AS_LONG_AS_IT_TAKES
            )
        hosts = self.gather(socket.gethostname())
        self.local_rank = hosts[:rank].count(hosts[rank])
        self.local_count = hosts.count(hosts[rank])

    def settle(self, device: torch.device) -> None:
        """Settle what integers are added up by, when it is known where each process computes."""
        self.backend = sum_backend(self.gather(gpu_name(device)), self._distributed.is_nccl_available())
        if self.backend == "nccl" and self._gpu is None:
            self._gpu = device
            with self._in_a_sentence():
                self._sums = self._distributed.new_group(backend="nccl", timeout=_AS_LONG_AS_IT_TAKES)

    def sum_integers(self, tensors: Sequence[Tensor]) -> None:
        """Add all tensors up in one reduction, on this process's GPU where all have one to themselves."""
        import torch

        if not tensors:
            return
        where = self._gpu or torch.device("cpu")  # of whatever device they are: all processes have to do the same
        flat = torch.cat([tensor.detach().to(where).reshape(-1) for tensor in tensors])
        with self._in_a_sentence():
            self._distributed.all_reduce(flat, group=self._sums)
        for tensor, total in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.view_as(tensor))

    def gather(self, own: _Own) -> list[_Own]:
        """Gather by pickles, of processes of one program."""
        found: list[Any] = [None] * self.count
        with self._in_a_sentence():
            self._distributed.all_gather_object(found, own)
        return found

    def fail(self, sentence: str) -> bool:
        """Leave the sentence in the store of the group, where nobody has left one."""
        with suppress(Exception):  # the process that has the store may have ended; this one ends too, and says why
            if self._store.add(_FAILURES, 1) > 1:
                return False
            self._store.set(_FAILURE, sentence)
        return True

    def failure(self) -> str | None:
        """Look into the store of the group."""
        with suppress(Exception):  # as above
            if self._store.check([_FAILURE]):
                return str(self._store.get(_FAILURE).decode())
        return None

    def leave(self) -> None:
        """Let go of the group; what the others do does not matter any more."""
        global _current
        with suppress(RuntimeError):
            self._distributed.destroy_process_group()
        _current = Peers()

    @contextmanager
    def _in_a_sentence(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # DistError, and what gloo says of a connection that has closed
            raise PeerLost(self.failure(), str(error).splitlines()[0]) from error


_current: Peers = Peers()


def peers() -> Peers:
    """Return the processes that share this one's run."""
    return _current


def join_peers(rank: int, count: int) -> Peers:
    """Come together with the other processes of a run, which MASTER_ADDR and MASTER_PORT lead to.

    Raises:
        PeerLost: They did not come together.
    """
    global _current
    _current = DistributedPeers(rank, count)
    return _current


def of_clients(kept: Mapping[str, _Own], clients: Collection[str]) -> dict[str, _Own]:
    """Return what is kept of some clients, of those that anything is kept of."""
    return {client: kept[client] for client in clients if client in kept}
