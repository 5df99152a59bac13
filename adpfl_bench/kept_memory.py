"""Memory that a process has freed and keeps, so that the system need not clear it anew for what is asked for next."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_SETTINGS = {"MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_MMAP_MAX_": "0"}
_TUNABLES = "GLIBC_TUNABLES"


def keep_freed_memory() -> None:
    """Let this process, and those that it starts, keep memory that they free, for what they allocate next.

    A training step, or a volume that is read, allocates and frees the same large arrays as the one before it. By
    default the C library gives arrays of 32 MiB and more back to the system, which clears every page when it hands it
    out again: up to a fifth of a step's processor time. At its peak a process holds what it held; below it, more.

    It is glibc's (``mallopt``); elsewhere, and where the environment has settings of malloc, nothing is done.
    """
    if sys.platform != "linux" or _TUNABLES in os.environ or any(name in os.environ for name in _SETTINGS):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return
    library.mallopt(_M_TRIM_THRESHOLD, -1)
    library.mallopt(_M_MMAP_MAX, 0)
    os.environ.update(_SETTINGS)
