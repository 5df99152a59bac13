"""Which errors are a shortage of memory, and what is said of them."""

import errno
import os
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from adpfl_bench.shortage import shortage


def raised(function: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the library has for it
        function()
    return caught.value


class Examples(Dataset[int]):
    """Examples in the loading of which something happens."""

    def __init__(self, accident: str) -> None:
        self.accident = accident

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if self.accident == "too large":
            return int(np.empty(2**58, np.uint8)[0])
        os.kill(os.getpid(), getattr(signal, self.accident))
        time.sleep(10)
        return index


def load(accident: str) -> list[int]:
    return list(DataLoader(Examples(accident), num_workers=1, multiprocessing_context="fork"))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: np.empty(2**58, np.uint8), "This machine has too little memory (it was asked for 256. PiB)"),
        (lambda: np.empty(2**48, np.uint8), "This machine has too little memory (it was asked for 256. TiB)"),
        (lambda: torch.empty(2**50), "This machine has too little memory (it was asked for 4503599627370496 bytes)"),
        (lambda: load("too large"), "This machine has too little memory (it was asked for 256. PiB)"),
        (lambda: load("SIGKILL"), "ended by the system, as it does when memory runs out: free memory, or use fewer"),
        (lambda: load("SIGTERM"), "ended by SIGTERM from outside: free memory, or use fewer of these processes"),
        (lambda: load("SIGBUS"), "too little shared memory: give the machine or container more"),
    ],
    ids=["numpy, PiB", "numpy, TiB", "torch", "a loading process", "killed", "terminated", "bus error"],
)
def test_what_libraries_raise_is_said_in_a_sentence(function: Callable[[], object], said: str) -> None:
    text = shortage(raised(function))
    assert text is not None
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.78 GiB of which"
                " 4.00 GiB is free."
            ),
            "The GPU has too little memory (it was asked for 20.00 GiB): give it more, or start a run that needs less",
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "The GPU has too"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "This machine has too little memory: give it more"),
        (MemoryError(), "This machine has too little memory: give it more"),
        (
            RuntimeError("unable to write to file </torch_1_2_3>: unable to allocate shared memory(shm) for file"),
            "too little shared memory",
        ),
    ],
)
def test_what_is_not_raised_here_is_known_by_its_words(error: BaseException, said: str) -> None:
    assert said in str(shortage(error))


def test_what_it_was_raised_from_counts() -> None:
    def fail() -> None:
        try:
            raise MemoryError
        except MemoryError as error:
            raise RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly") from error

    assert "This machine has too little memory" in str(shortage(raised(fail)))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("odd"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Segmentation fault."),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        KeyError("memory"),
    ],
    ids=repr,
)
def test_other_errors_are_none(error: BaseException) -> None:
    assert shortage(error) is None
