"""Shortage of memory, in whatever words a library has for it, said in a sentence."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

# Of torch, which has no exceptions of its own for most of these.
_LOADING_PROCESS = re.compile(r"DataLoader worker \(pid \d+\) is killed by signal: (Killed|Bus error|Terminated)")
_GPU = re.compile(r"(CUDA|HIP|MPS backend|XPU)\b.{0,40}out of memory|CU\w+_STATUS_ALLOC_FAILED", re.IGNORECASE)
_MACHINE = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|Cannot allocate memory|Caught \w*MemoryError in Data"
)
_SHARED = re.compile(
    r"out of shared memory|unable to (allocate|write to|mmap).{0,40}shared memory|shared memory\(shm\)"
)
_AMOUNT = re.compile(r"(?:tried to allocate|Unable to allocate)\s+([\d.]+) ?(bytes|[KMGTPE]i?B)", re.IGNORECASE)

_SMALLER = "give it more, or start a run that needs less (data.batch_size, the size of images or patches)"


def shortage(error: BaseException) -> str | None:
    """Say what a shortage of memory asks for; ``None`` if an error is none.

    Args:
        error: What was raised; also what it was raised from is looked at.
    """
    for cause in _causes(error):
        text = str(cause)
        if killed := _LOADING_PROCESS.search(text):
            if killed[1] == "Bus error":
                return _shared()
            who = "the system, as it does when memory runs out" if killed[1] == "Killed" else "SIGTERM from outside"
            return (
                f"A process that loads data was ended by {who}: free memory, or use fewer of these processes with"
                " --data.num_workers (0 loads in the training process)."
            )
        if _SHARED.search(text):
            return _shared()
        if _GPU.search(text):
            return f"The GPU has too little memory{_amount(text)}: {_SMALLER}."
        if isinstance(cause, MemoryError) or _MACHINE.search(text) or getattr(cause, "errno", None) == errno.ENOMEM:
            return f"This machine has too little memory{_amount(text)}: {_SMALLER}."
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _shared() -> str:
    return (
        "The processes that load data have too little shared memory: give the machine or container more (docker run"
        " --shm-size), or use fewer of them with --data.num_workers (0 loads in the training process)."
    )


def _amount(text: str) -> str:
    found = _AMOUNT.search(text)
    return f" (it was asked for {found[1]} {found[2]})" if found else ""
