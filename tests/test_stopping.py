"""How a command is stopped."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from adpfl_bench.peers import PeerLost
from adpfl_bench.stopping import STOPPING, Stopped, StopSignals, exit_status, heeding_stops, is_stop, stop_signals
from tests.processes import alive

NUMBERS = pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def heeded_by_nobody() -> Iterator[None]:
    """Handlers as a process starts with, also where a shell has some ignored."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@NUMBERS
def test_the_first_signal_is_raised_and_known_after_it_was_lost(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with heeding_stops() as stops:
        with pytest.raises(Stopped) as caught:
            signal.raise_signal(number)
        assert (caught.value.number, stops.came, exit_status(number)) == (number, number, 128 + number)
        assert is_stop(ImportError("broken off"))
        with pytest.raises(Stopped):
            stop_signals().raise_postponed()
    assert signal.getsignal(number) is before
    assert not is_stop(ImportError("true"))
    stop_signals().raise_postponed()


def test_a_program_keeps_its_own_handlers_and_what_it_ignores() -> None:
    seen = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append("own"))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    with heeding_stops() as stops:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)
    assert (seen, stops.came) == (["own"], signal.SIGINT)


def test_within_a_command_there_is_one_protocol() -> None:
    with heeding_stops() as outer:
        with heeding_stops() as inner:
            assert inner is outer is stop_signals()
        assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.default_int_handler)


def test_a_stop_waits_for_what_must_be_done_whole() -> None:
    with heeding_stops() as stops:
        stops.postpone()
        signal.raise_signal(signal.SIGTERM)
        assert stops.came == signal.SIGTERM
        with pytest.raises(Stopped):
            stops.raise_postponed()
    with heeding_stops() as stops, stops.quiet():
        signal.raise_signal(signal.SIGHUP)
    assert stops.came == signal.SIGHUP


class _Odd:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def _lose_a_stop() -> None:
    _Odd()
    time.sleep(10)


def test_a_stop_that_python_can_only_ignore_is_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    hook = sys.unraisablehook
    with heeding_stops() as stops, pytest.raises(Stopped):
        _lose_a_stop()
    assert (stops.came, stops.count, capsys.readouterr().err) == (signal.SIGTERM, 1, "")
    assert sys.unraisablehook is hook


def test_whoever_counts_is_told_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with heeding_stops() as stops, stops.counting():
        for _ in range(2):  # as a terminal and a wrapper send it
            signal.raise_signal(signal.SIGINT)
        assert stops.count == 1
        monkeypatch.setattr("adpfl_bench.stopping._SAME_S", 0.0)
        signal.raise_signal(signal.SIGTERM)
    assert (stops.count, stops.came) == (2, signal.SIGINT)


def test_errors_of_loading_processes_wait_for_the_signal_that_both_were_sent() -> None:
    error = RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated.")
    with heeding_stops():
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        try:
            assert is_stop(error)
        finally:
            signal.signal(signal.SIGALRM, before)
    assert not is_stop(error)


def test_the_loss_of_another_process_waits_once_for_a_signal_that_both_may_have_been_sent() -> None:
    lost, failed = PeerLost(None, "connection closed"), PeerLost("The cat has walked over it.", "connection closed")
    for error, told in ((lost, True), (failed, False)):
        with heeding_stops() as stops:
            stops.patience_s = 5.0
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
            try:
                assert is_stop(error) == told
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
    with heeding_stops() as stops:
        stops.patience_s = 0.01
        assert not is_stop(lost)  # it was killed
        assert stops.patience_s == 0


def test_the_death_of_children_raises_nothing_once_a_stop_has_come() -> None:
    def complain(number: int, frame: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Terminated.")  # as torch does

    before = signal.signal(signal.SIGCHLD, complain)
    try:
        with heeding_stops():
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGCHLD)
        assert signal.getsignal(signal.SIGCHLD) is complain
    finally:
        signal.signal(signal.SIGCHLD, before)


@NUMBERS
def test_forked_processes_have_the_handlers_of_before(number: signal.Signals) -> None:
    with heeding_stops():
        child = multiprocessing.get_context("fork").Process(target=_raise, args=(number,))
        child.start()
        child.join()
    assert child.exitcode == (1 if number == signal.SIGINT else -number)  # KeyboardInterrupt ends with 1


def _raise(number: signal.Signals) -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    assert stop_signals().came is None
    signal.raise_signal(number)


_DEAF = """
import multiprocessing, signal, sys, time
from adpfl_bench.stopping import Stopped, heeding_stops
if __name__ == "__main__":
    with heeding_stops() as stops:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(100,))
        child.start()
        try:
            print(child.pid, flush=True)
            time.sleep(100)
        except Stopped:
            print("first", flush=True)
        time.sleep(100)  # a command that does not end
"""


@NUMBERS
def test_the_second_signal_ends_the_process_and_its_children_at_once(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _DEAF], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        child = int(process.stdout.readline())
        process.send_signal(number)
        assert process.stdout.readline() == b"first\n"
        process.send_signal(number)  # again at once, which is the same one
        time.sleep(0.6)
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(10) == 128 + number
        assert f"{number.name} for the second time; ended at once." in process.stderr.read().decode()
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_comes_to_where_no_command_runs() -> None:
    assert isinstance(stop_signals(), StopSignals)
    stop_signals().postpone()
    stop_signals().raise_postponed()
    assert is_stop(KeyboardInterrupt())
    assert is_stop(SystemExit(-1))
    assert not is_stop(ValueError("odd"))
