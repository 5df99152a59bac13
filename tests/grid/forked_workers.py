"""Workers of a benchmark that are forked from it where the engine would start an interpreter, which takes seconds."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import IO, Any

import adpfl_bench.grid.engine as engine


class ForkedWorker:
    """What the engine uses of ``subprocess.Popen``, without the interpreter's start.

    The process is as a started one would be: a session of its own, the log as its output, and no handler of signals
    left of what it was forked from.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdout: IO[bytes],
        env: Mapping[str, str],
        start_new_session: bool,
        **streams: Any,
    ) -> None:
        assert start_new_session
        assert streams == {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        module, *arguments = command[command.index("-m") + 1 :]
        assert "torch" in sys.modules
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        started, ready = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                _become(stdout.fileno(), env)
                os.write(ready, b"!")
                status = import_module(module).main(arguments)
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else 1
            finally:
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(status)
        os.close(ready)
        os.read(started, 1)
        os.close(started)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, or the negative number of the signal that killed it; None while it runs."""
        if self._status is None:
            process, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if process else None
        return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)


def _become(output: int, environment: Mapping[str, str]) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ.clear()
    os.environ.update(environment)


def fork_workers(unless: Callable[[Sequence[str]], bool] = lambda command: False) -> None:
    """Let the engine of this process fork its workers, unless something is true of a worker's command."""

    def start(command: Sequence[str], **how: Any) -> Any:
        return (subprocess.Popen if unless(command) else ForkedWorker)(command, **how)

    engine.subprocess = SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
