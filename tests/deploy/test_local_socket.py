"""A worker's socket is its owner's, outlives whoever asks, and says where nobody is."""

import socket
import stat
import threading
import time

import pytest

from adpfl_bench.deploy.local_socket import WorkerAway, answer_all, ask, socket_path
from adpfl_bench.errors import ConfigError


@pytest.fixture
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("h")


def listening(path, answer, most):
    thread = threading.Thread(target=answer_all, args=(path, answer, most), daemon=True)
    thread.start()
    while not path.is_socket():
        time.sleep(0.001)
    return thread


def test_requests_are_answered_and_whoever_leaves_is_no_trouble(home, capsys):
    path = socket_path(home)
    path.write_text("left by a killed worker")
    thread = listening(path, lambda request: request * 2, 4)
    connected(lambda: ask(path, b"ab"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as leaver:
        leaver.connect(str(path))
        leaver.sendall(b"\0\0")
    large = bytes(3_000_000)
    assert ask(path, large) == large * 2
    assert ask(path, b"") == b""
    thread.join()
    assert "ended before it was whole" in capsys.readouterr().err
    assert not path.exists()


def connected(act):
    """Try until the socket listens, which takes a moment after it is there."""
    while True:
        try:
            return act()
        except WorkerAway:
            time.sleep(0.001)


def test_where_nobody_listens_a_sentence_says_what_to_start(home):
    with pytest.raises(WorkerAway, match="start it with adpfl-bench deploy serve"):
        ask(socket_path(home), b"a")


def test_an_answer_that_takes_too_long_is_waited_for_no_longer(home):
    path, wait = socket_path(home), threading.Event()
    thread = listening(path, lambda request: b"late" if wait.wait(10) else b"", 1)
    with pytest.raises(WorkerAway, match=r"within 0.05 s; it may still be at work"):
        connected_once(path)
    wait.set()
    thread.join()


def connected_once(path):
    while True:
        try:
            return ask(path, b"a", timeout=0.05)
        except WorkerAway as error:
            if "within" in str(error):
                raise


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="give the hospital a home with a shorter path"):
        answer_all(tmp_path / ("a" * 120) / "door.sock", bytes, 1)
