"""What a process frees it keeps, and so do those that it starts; settings of malloc that were there stay."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, subprocess, sys
from adpfl_bench.kept_memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        b"x" * 2**26
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 4

if sys.argv[1:]:
    keep_freed_memory()
    subprocess.run([sys.executable, __file__], check=True)
b"x" * 2**26
print(faults())
"""
PAGES = 2**26 // 2**14
"""Fewer than 64 MiB have of whatever size a page usually has."""


@pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")
def test_freed_memory_is_not_cleared_again_here_nor_in_a_process_that_is_started(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "script.py")
    with open(script, "w") as file:
        file.write(PROGRAM)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    plain["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)

    def printed(environment: dict[str, str], *words: str) -> list[int]:
        ended = subprocess.run([sys.executable, script, *words], env=environment, capture_output=True, check=True)
        return [int(line) for line in ended.stdout.split()]

    (cleared,) = printed(plain)
    assert cleared > PAGES
    kept, kept_by_child = printed(plain, "keep")
    assert max(kept, kept_by_child) < PAGES / 100
    own = {**plain, "MALLOC_TRIM_THRESHOLD_": "131072"}
    assert min(printed(own, "keep")) > PAGES
