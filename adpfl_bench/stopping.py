"""How a command is stopped: by SIGTERM, SIGINT or SIGHUP, with exit status 143, 130 or 129.

The first signal raises :class:`Stopped` where the command is, so that what it was doing is left whole and recorded. A
second one ends the process, and those that it started, at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DEFAULT = (signal.SIG_DFL, signal.default_int_handler)
# Ctrl-C reaches a process from the terminal, and perhaps once more from whatever started it.
_SAME_S = 0.5
_AGAIN_S = 0.02
_LOADING_PROCESS = "DataLoader worker"
_LOADING_PROCESS_S = 1.0


class Stopped(BaseException):
    """A signal that ends the command.

    It is no Exception, which would be taken for a failure, and no KeyboardInterrupt, after which Lightning ends the
    process by itself and deaf to a second one.

    Args:
        number: The signal.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


def exit_status(number: signal.Signals) -> int:
    """Return the exit status of a command that a signal ended, as shells have it."""
    return 128 + number


class StopSignals:
    """What signals have come to a command.

    Attributes:
        came: The first that tells it to stop.
        count: How many have come; the same one twice within half a second counts once.
        patience_s: Seconds to wait for one when another process of the run has ended without a word, perhaps since it
            has heard of a stop sooner.
    """

    def __init__(self) -> None:
        self.came: signal.Signals | None = None
        self.count = 0
        self.patience_s = 0.0
        self._last = 0.0
        self._counting = False
        self._quiet = 0
        self._postponed = False
        self._over = False
        self._lost = False
        self._before: dict[int, Any] = {}

    def heed(self, number: signal.Signals) -> None:
        """Take a signal for a stop from now on, unless the program has a handler of its own for it, or ignores it."""
        handler = signal.getsignal(number)
        earlier = getattr(handler, "__self__", None)
        if isinstance(earlier, StopSignals) and earlier._over:
            handler = earlier._before[number]
        if handler in _DEFAULT:
            self._before[number] = handler
            signal.signal(number, self._heed)

    def _heed(self, number: int, frame: Any) -> None:
        if self._over:  # Lightning puts back at its end what it found, also what was put back before that
            signal.signal(number, self._before[number])
            signal.raise_signal(number)
            return
        if self._lost:
            self._lost = False
            self._raise()
            return
        now, stop = time.monotonic(), signal.Signals(number)
        if self.came is not None and now - self._last < _SAME_S:
            return
        self._last = now
        self.count += 1
        if self.came is None:
            self.came = stop
            self._let_children_end()
            self._raise()
        elif not self._counting:
            _leave(stop)

    def _raise(self) -> None:
        if self.came is not None and not (self._counting or self._quiet or self._postponed):
            raise Stopped(self.came)

    def raise_again(self) -> None:
        """Raise once more in a moment what was raised where Python can only ignore it, such as in ``__del__``."""
        if self.came is not None and not self._over:
            self._lost = True
            timer = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), self.came))
            timer.daemon = True
            timer.start()

    def _let_children_end(self) -> None:
        """Let the end of loading processes, to which the signal was sent too, raise nothing in the midst of this."""
        if callable(handler := signal.getsignal(signal.SIGCHLD)) and signal.SIGCHLD not in self._before:
            self._before[signal.SIGCHLD] = handler
            signal.signal(signal.SIGCHLD, _nothing)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Only count what comes, for someone who looks at it and ends what there is to end."""
        self._counting = True
        try:
            yield
        finally:
            self._counting = False

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Do not raise the first signal, since something ends already and its end is being recorded."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def postpone(self) -> None:
        """Do not raise the first signal until :meth:`raise_postponed`, since what follows must be done whole."""
        self._postponed = True

    def raise_postponed(self) -> None:
        """Raise a stop that was postponed."""
        self._postponed = False
        if self.came is not None:
            raise Stopped(self.came)

    def restore(self) -> None:
        """Give the signals their former handlers back."""
        self._over = True
        for number, handler in self._before.items():
            signal.signal(number, handler)


_current: StopSignals | None = None


def stop_signals() -> StopSignals:
    """Return those of the command that runs, or an object that nothing comes to where none does."""
    return _current or StopSignals()


@contextmanager
def heeding_stops() -> Iterator[StopSignals]:
    """Let SIGTERM, SIGINT and SIGHUP stop what is done meanwhile; within itself, and outside the main thread, a no-op.

    Handlers of the program's own stay, and what it ignores it goes on ignoring: SIGHUP under nohup, SIGINT in the
    background of a shell's script.
    """
    global _current
    if _current is not None or threading.current_thread() is not threading.main_thread():
        yield stop_signals()
        return
    _current = StopSignals()
    ignored = sys.unraisablehook
    try:
        sys.unraisablehook = _not_ignored(_current, ignored)
        for number in STOPPING:
            _current.heed(number)
        yield _current
    finally:
        stops, _current = _current, None
        stops.restore()
        sys.unraisablehook = ignored


def is_stop(error: BaseException) -> bool:
    """Tell whether an error comes from a stop.

    It may have come out as anything where a library was in between. A loading process to which the same signal was sent
    may have died of it before this one has heard, and so may another process of the run.
    """
    stops = stop_signals()
    patience = stops.patience_s if getattr(error, "perhaps_stopped", False) else 0.0
    if _LOADING_PROCESS in str(error):
        patience = _LOADING_PROCESS_S
    if patience:
        with stops.quiet():
            deadline = time.monotonic() + patience
            while stops.came is None and _current is not None and time.monotonic() < deadline:
                time.sleep(0.01)
        stops.patience_s = 0.0  # whatever was to come has come
    return stops.came is not None or isinstance(error, (Stopped, KeyboardInterrupt, SystemExit))


def _not_ignored(stops: StopSignals, otherwise: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def hook(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Stopped):
            stops.raise_again()
        else:
            otherwise(unraisable)

    return hook


def _leave(number: signal.Signals) -> None:
    try:
        os.write(2, f"\nadpfl-bench: {number.name} for the second time; ended at once.\n".encode())
        for child in multiprocessing.active_children():
            child.kill()
    finally:
        os._exit(exit_status(number))


def _nothing(number: int, frame: Any) -> None:
    pass


def _forget() -> None:
    """Leave a forked process, of loading say, to what its signals do by themselves."""
    global _current
    if _current is not None:
        _current.restore()
        _current = None


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)
