"""Conditions under which an input is given: permissions that bind root too, files that may not grow, a small disk."""

import contextlib
import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.corpus.kind import Answer, Ask

_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_OVERRIDE, _READ_SEARCH, _OWNER = 1 << 1, 1 << 2, 1 << 3
"""What lets root read, search and write in spite of permissions."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Take from this thread, and those that it starts, what lets root pass over permissions, which bind others."""
    if os.geteuid() != 0 or sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, rights = _Header(_LINUX_CAPABILITY_VERSION_3, 0), (_Rights * 2)()
    assert libc.capget(ctypes.byref(header), rights) == 0, os.strerror(ctypes.get_errno())
    before = rights[0].effective
    try:
        rights[0].effective = before & ~(_OVERRIDE | _READ_SEARCH | _OWNER)
        assert libc.capset(ctypes.byref(header), rights) == 0, os.strerror(ctypes.get_errno())
        yield
    finally:
        rights[0].effective = before
        assert libc.capset(ctypes.byref(header), rights) == 0, os.strerror(ctypes.get_errno())


@contextlib.contextmanager
def small_files(size: int = 100) -> Iterator[None]:
    """Let no file grow beyond some bytes, as on a disk that is full in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int = 16) -> Iterator[None]:
    """Put an empty disk of a few kilobytes into a folder; where nobody may mount one, files may not grow instead."""
    folder.mkdir(exist_ok=True)
    options = f"size={kilobytes}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        with small_files(1000 * kilobytes // 4):
            yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def under(condition: Callable[[Path], AbstractContextManager[None]], name: str, ask: Ask) -> Ask:
    """Return an ask that is made under a condition, which is given the input's folder."""

    def answer(root: Path) -> Answer:
        with condition(root):
            return ask.answer(root)

    return Ask(f"{ask.name}, {name}", ask.start, answer, ask.writes, ask.rewrites)
