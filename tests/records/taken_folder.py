"""A run's folder in which somebody else works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adpfl_bench.records.run_lock import RunLock


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Let another thread hold a folder's lock, which keeps this one out as another process would."""
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with RunLock(folder).held():
            holds.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()
