"""What no sentence is known for: an error's type and message in one line, and its traceback in a file that it names."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import adpfl_bench

NO_SENTENCE = "ended by an error that it has no sentence for"
"""What is said of such errors, by which they can be told from those that have one."""

_LONGEST_MESSAGE = 300
_PACKAGES = ("torch", "lightning", "monai", "numpy", "jsonargparse")


def say_unexpected(error: BaseException, words: Sequence[str]) -> str:
    """Say what went wrong and where the whole of it is.

    The file goes to the working directory, or to the folder of temporary files where nothing can be written there; the
    traceback stands in the sentence where neither can be written.

    Args:
        error: What no part of the suite has a sentence for.
        words: The command line after the program's name.
    """
    message = " ".join(str(error).split())
    gist = f"{type(error).__name__}: {message[:_LONGEST_MESSAGE]}" if message else type(error).__name__
    text = _whole(error, words)
    path = _write(text)
    where = f"its traceback is in {path}" if path else f"its traceback is\n{text}"
    return (
        f"{words[0]} {NO_SENTENCE} ({gist}). What was written before is kept;"
        f" {where}. It names files, but holds no image: please report it."
    )


def _whole(error: BaseException, words: Sequence[str]) -> str:
    versions = " ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    told = "".join(traceback.format_exception(error))
    where = f"Python {platform.python_version()}, {platform.platform()}"
    return f"adpfl-bench {adpfl_bench.__version__}, {where}\n{versions}\nadpfl-bench {shlex.join(words)}\n\n{told}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _write(text: str) -> Path | None:
    name = f"adpfl-bench-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (Path.cwd, tempfile.gettempdir):
        try:
            path = Path(folder()) / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:  # of a folder that is gone, read-only or full: the next one, or the terminal
            continue
        return path
    return None


def reader_has_left(error: BaseException) -> bool:
    """Whether an error says that who reads the output, as ``head`` does, has seen enough; what is left goes nowhere."""
    if not isinstance(error, BrokenPipeError):
        return False
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return True
