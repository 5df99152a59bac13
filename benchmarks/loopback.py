"""A deployment on this machine, of real processes: one SuperLink, and a worker and a node for each hospital."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

_BIN = Path(sys.executable).parent
_BENCH = (sys.executable, "-m", "adpfl_bench")


class Loopback:
    """A deployment's processes, over TLS and with authenticated nodes; all are ended with the block.

    Args:
        folder: The deployment's folder, written by :meth:`prepare`.
        hospitals: Names of the hospitals.
    """

    def __init__(self, folder: Path, hospitals: Sequence[str]) -> None:
        self.folder, self.hospitals = folder, hospitals
        self.port, *ports = free_ports(1 + len(hospitals))
        self.node_ports = dict(zip(hospitals, ports, strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        quiet = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        home = {"FLWR_HOME": str(folder / "server" / "flwr"), "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
        self.environment = {**os.environ, **quiet, **home, "OMP_NUM_THREADS": "1"}

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self.processes]:
            self.kill(name, signal.SIGTERM)
        for log in self._logs:
            log.close()

    def prepare(self, config: Sequence[str]) -> None:
        """Write the deployment's files and keys."""
        words = ["deploy", "init", str(self.folder), "--superlink", f"127.0.0.1:{self.port}"]
        words += [word for name in config for word in ("--config", name)]
        self.bench(*words, *(word for name in self.hospitals for word in ("--hospital", name)))
        self.bench("deploy", "certificates", str(self.folder))

    def bench(self, *words: str) -> str:
        """Run a command of the suite, and return what it prints.

        Raises:
            SystemExit: It fails.
        """
        return self._done([*_BENCH, *words])

    def start_all(self) -> None:
        """Start everything, and make the SuperLink know the nodes."""
        self.start_superlink()
        for name in self.hospitals:
            key = self.folder / "server" / "nodes" / f"{name}.pub"
            self._done([_BIN / "flwr", "supernode", "register", key, "trial", "--name", name])
            self.start_worker(name)
            self.start_node(name)

    def start_superlink(self) -> None:
        """Start the SuperLink, and wait until it listens."""
        keys = {"ca-certfile": "ca.crt", "certfile": "server.crt", "keyfile": "server.key"}
        words = [word for name, file in keys.items() for word in (f"--ssl-{name}", self.folder / "server" / file)]
        words += ["--host", "127.0.0.1", "--port", self.port, "--database", self.folder / "server" / "superlink.db"]
        words += ["--enable-supernode-auth", "--disable-runtime-dependency-installation"]
        before = len(self.log("superlink"))
        self.start("superlink", [_BIN / "flower-superlink", *words])
        self.wait_for(lambda: b"startup complete" in self.log("superlink")[before:], "the SuperLink")

    def start_worker(self, name: str) -> None:
        """Start a hospital's worker."""
        self.start(f"worker {name}", [*_BENCH, "deploy", "serve", self.folder / name / "hospital.yaml"])

    def start_node(self, name: str) -> None:
        """Start a hospital's node."""
        words = ["--superlink", f"127.0.0.1:{self.port}", "--port", self.node_ports[name]]
        self.start(f"node {name}", [*_BENCH, "deploy", "node", self.folder / name / "hospital.yaml", *words])

    def start_run(self) -> None:
        """Start the run, or go on with it."""
        self.start("run", [_BIN / "flwr", "run", self.folder / "server" / "app", "trial", "--stream"])

    def finish_run(self, seconds: float) -> bytes:
        """Wait for the run's end, and return what it has printed."""
        self.processes.pop("run").wait(seconds)
        return self.log("run")

    def start(self, name: str, words: Sequence[object]) -> None:
        """Start a process; what it prints is appended to a log of its name."""
        log = self._log_path(name).open("ab")
        self._logs.append(log)
        self.processes[name] = subprocess.Popen(
            [str(word) for word in words],
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it is ended with all that it has started
        )

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process with all that it has started, and wait for its end."""
        process = self.processes.pop(name)
        try:
            os.killpg(process.pid, how)
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        except ProcessLookupError:
            process.wait()

    def log(self, name: str) -> bytes:
        """Return what a process, and those of its name before it, have printed."""
        path = self._log_path(name)
        return path.read_bytes() if path.exists() else b""

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
        """Wait for something.

        Raises:
            SystemExit: It has not come.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"Waited {seconds:g} s for {what}; the logs are in {self.folder}.")
            time.sleep(0.05)

    def _done(self, words: Sequence[object]) -> str:
        done = subprocess.run(
            [str(word) for word in words], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, words))} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def _log_path(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '_')}.log"


def free_ports(number: int) -> list[int]:
    """Return ports of this machine that are free."""
    held = [socket.socket() for _ in range(number)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
