"""Work that threads do behind this one, which goes on with the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from adpfl_bench.peers import peers
from adpfl_bench.processors import count_processors

_Result = TypeVar("_Result")

MOST = 2
"""Pieces that are at work, or wait for it, at a time: what they hold stays in memory until they are done."""


class WorkBehind(Generic[_Result]):
    """Work on pieces in threads, whose results come in the order in which the pieces were begun.

    Where this process has one processor to itself, a piece is done when it is begun.
    """

    def __init__(self) -> None:
        self._begun: deque[Future[_Result]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, work: Callable[[], _Result]) -> list[_Result]:
        """Begin a piece.

        Args:
            work: What is done; it may not touch what this thread goes on with.

        Returns:
            Results of earlier pieces, the oldest first, as far as this one had to wait for them.

        Raises:
            Exception: What an earlier piece raised; those behind it are dropped.
        """
        threads = min(MOST, peers().divided(count_processors()) - 1)
        if threads < 1:
            return [*self.finish(), work()]
        done = self._take(MOST - 1)
        self._pool = self._pool or ThreadPoolExecutor(threads, "behind")
        self._begun.append(self._pool.submit(work))
        return done

    def finish(self) -> list[_Result]:
        """Wait for all pieces, and return the results that have not been returned yet.

        Raises:
            Exception: As above.
        """
        done = self._take(0)
        self.drop()
        return done

    def drop(self) -> None:
        """Forget what has not been returned; a piece that is at work runs to its end, for nobody."""
        self._begun.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _take(self, left: int) -> list[_Result]:
        done = []
        try:
            while len(self._begun) > left:
                done.append(self._begun.popleft().result())
        except BaseException:  # of a piece, or a stop that came while this thread waited
            self.drop()
            raise
        return done
