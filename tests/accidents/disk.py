"""Runs that meet an accident at a chosen file operation: killed there, or on a disk that is full or dead from then on.

A process that has imported everything stands between itself and its files (interposer.c); each run is forked from it.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

Accident = Literal["none", "killed", "full", "dead"]
ACCIDENTS: tuple[Accident, ...] = ("none", "killed", "full", "dead")
SOURCE = Path(__file__).with_name("interposer.c")


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
        status: Its exit status, or the negative number of the signal that killed it.
        printed: What it printed, on both streams.
        operations: Its file operations below the folder, in order: name and path.
    """

    status: int
    printed: str
    operations: list[str]


def missing() -> str | None:
    """Why accidents cannot be arranged here; ``None`` where they can."""
    if sys.platform != "linux":
        return "file operations are interposed on Linux alone"
    return None if shutil.which("cc") else "there is no C compiler (cc)"


class Disk:
    """A folder whose disk has accidents.

    Args:
        folder: Where runs are made; operations on what lies below it are counted.
        scratch: A folder of its own for what the accidents need.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self._scratch = scratch
        library = scratch / "interposer.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
        variables = {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1", "ADPFL_CACHE": str(folder / "cache")}
        words = [sys.executable, "-c", f"from {__name__} import serve; serve()", str(library)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **variables})

    def run(self, arguments: Sequence[str], accident: Accident = "none", operation: int = 0) -> Outcome:
        """Run ``adpfl-bench`` in the folder; the accident happens at the operation with this number, from 1."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        printed, notes = self._scratch / "printed", self._scratch / "operations"
        task = [str(self.folder), list(arguments), ACCIDENTS.index(accident), operation, str(printed), str(notes)]
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return Outcome(status, printed.read_text(), notes.read_text().splitlines())

    def close(self) -> None:
        """End the process that runs are forked from."""
        self._process.communicate()


def serve() -> None:
    """Fork a run for each line of standard input, and print how it ended."""
    library = ctypes.CDLL(sys.argv[1])
    # What a run imports is imported once.
    import monai.inferers
    import monai.networks.nets  # noqa: F401

    import adpfl_bench.datasets.isic
    import adpfl_bench.running.training  # noqa: F401

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        folder, arguments, accident, operation, printed, notes = json.loads(line)
        child = os.fork()
        if not child:
            os._exit(_play(library, folder, arguments, accident, operation, printed, notes))
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), file=answers)


def _play(
    library: ctypes.CDLL, folder: str, arguments: list[str], accident: int, operation: int, printed: str, notes: str
) -> int:
    from adpfl_bench.cli import main

    os.chdir(folder)
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    output, noted = os.open(printed, new), os.open(notes, new)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    library.accident_arm(os.fsencode(folder), ctypes.c_long(operation), accident, noted)
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
