"""Local socket of a hospital's worker: a file in its home that only its owner can open.

A connection carries one message each way, each behind its length as 8 bytes, the highest first. Requests are answered
one after the other, in the process that listens.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adpfl_bench.deploy.messages import MOST_BYTES
from adpfl_bench.errors import BenchError, ConfigError

SOCKET_NAME = "door.sock"

_LENGTH = struct.Struct(">Q")
_LONGEST_PATH = 100  # bytes; Linux has room for 107, macOS for 103
_PIECE = 2**20
_SLOWEST_S = 60.0  # to send a request that has begun; a peer that stops in its midst must not stop the others


class WorkerAway(BenchError):
    """Nobody answers at the socket."""


def socket_path(home: Path) -> Path:
    """Return where the worker of a hospital with this home listens."""
    return home / SOCKET_NAME


def ask(path: Path, request: bytes, timeout: float | None = None) -> bytes:
    """Bring a request to a hospital's worker, and return its answer.

    Args:
        path: The socket; see :func:`socket_path`.
        request: The request.
        timeout: Seconds to wait for the answer, which a round of training may take; ``None`` waits as long as the
            worker lives.

    Raises:
        WorkerAway: Nobody listens there, the worker ended while it was asked, or it took longer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(os.fspath(path))
            _send(connection, request)
            return _receive(connection)
    except TimeoutError:
        raise WorkerAway(
            f"The hospital's worker at {path} has not answered within {timeout:g} s; it may still be at work, and"
            " answers the same request with the same bytes when it is asked again."
        ) from None
    except OSError as error:
        raise WorkerAway(
            f"The hospital's worker does not answer at {path} ({error.strerror or error}): start it with adpfl-bench"
            " deploy serve HOSPITAL.yaml, which goes on where it stopped."
        ) from error


def answer_all(path: Path, answer: Callable[[bytes], bytes], most: int | None = None) -> None:
    """Listen at a socket and answer requests, one after the other, until the process is stopped.

    Who asks may go away meanwhile: it asks again.

    Args:
        path: The socket, in a folder of this process alone; one that a killed process has left is replaced.
        answer: Makes an answer of a request.
        most: Ends after so many requests.

    Raises:
        ConfigError: The path is too long for a socket.
    """
    with _listening(path) as listener:
        while most is None or most > 0:
            most = None if most is None else most - 1
            connection, _ = listener.accept()
            with connection:
                _answer_one(connection, answer)


def _answer_one(connection: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    try:
        connection.settimeout(_SLOWEST_S)
        request = _receive(connection)
    except OSError as error:
        print(f"A request ended before it was whole ({error.strerror or error}); it is passed over.", file=sys.stderr)
        return
    content = answer(request)
    try:
        _send(connection, content)
    except OSError as error:
        print(
            f"An answer could not be handed over ({error.strerror or error}); the same request gets it again.",
            file=sys.stderr,
        )


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ConfigError(
            f"The socket {path} has a path of {len(os.fsencode(path))} bytes, but the system takes {_LONGEST_PATH} at"
            " most: give the hospital a home with a shorter path."
        )
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    try:
        listener.listen()
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _send(connection: socket.socket, content: bytes) -> None:
    connection.sendall(_LENGTH.pack(len(content)))
    if content:  # or the other end may have answered, and gone, before nothing is sent to it
        connection.sendall(content)


def _receive(connection: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > MOST_BYTES:
        raise OSError(f"it states {length:,} bytes, of which at most {MOST_BYTES:,} are read")
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    content = bytearray()
    while len(content) < length:
        piece = connection.recv(min(_PIECE, length - len(content)))
        if not piece:
            raise OSError("the other end has closed the connection")
        content += piece
    return bytes(content)
