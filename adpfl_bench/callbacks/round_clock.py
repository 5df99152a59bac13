"""Clock of a run's rounds: how long each took, and how long those will take that are still to come."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta


class RoundClock:
    """Times of the rounds that this process makes; a run that goes on is judged by the rounds since.

    Args:
        total: Rounds of the run.
        done: Those that were made before.
        now: Seconds of a clock that only goes forward.
    """

    def __init__(self, total: int, done: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self._total, self._first, self._now = total, done, now
        self._began = self._last = now()
        self._done, self._share = done, 0.0

    def advance(self, share: float) -> None:
        """Note that a share of the round at hand is done, in [0, 1]."""
        self._share = share

    def end_round(self) -> float:
        """Note that the round at hand has ended, and return the seconds that it took, validation included."""
        now = self._now()
        seconds, self._last = now - self._last, now
        self._done, self._share = self._done + 1, 0.0
        return seconds

    @property
    def left(self) -> float | None:
        """Seconds that the rounds to come will take, if they take as long as those so far; ``None`` before any step."""
        now = self._now()
        remaining, made = self._total - self._done, self._done - self._first
        if made == 0:  # nothing is known but the first steps
            return (now - self._began) * (remaining - self._share) / self._share if self._share > 0 else None
        each = (self._last - self._began) / made
        return each * max(remaining - 1, 0) + max(each - (now - self._last), 0.0) * (remaining > 0)


def left_text(seconds: float | None) -> str:
    """Say how long is left, in hours, minutes and seconds; a day has 24 hours."""
    return "-:--:-- left" if seconds is None else f"{timedelta(seconds=round(seconds))} left"
