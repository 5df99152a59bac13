"""A deployed run in whose every round something is killed: it must end as the simulated run that nothing happened to.

::

    OMP_NUM_THREADS=1 python benchmarks/deployment_faults.py

Noise is repeatable, so that a release that was made twice shows in the ledger, and one that was made of anything else
in the weights. The exit status is 1 where they differ.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from deployment import Pair, rounds_made
from loopback import Loopback

_ROUNDS = 8
_LONG_S = 900.0
_FORWARDED_S = 10.0


class Faults:
    """What is done to a deployed run, one fault a round.

    Args:
        pair: The run, and what it is compared with.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair, self.loopback = pair, pair.loopback

    def play(self) -> None:
        """Make the run."""
        with self.loopback as loopback:
            loopback.start_all()
            loopback.kill("node client-1")
            loopback.start_run()
            self._say("before its update: a node is not there when the run begins, and comes")
            time.sleep(_FORWARDED_S)
            loopback.start_node("client-1")
            for number, fault in enumerate(
                [
                    self.answer_not_delivered,
                    self.worker_killed,
                    self.node_killed,
                    self.superlink_killed,
                    self.run_killed,
                ],
                1,
            ):
                loopback.wait_for(lambda least=number: rounds_made(self.pair.run) >= least, f"round {number}")
                fault()
            loopback.finish_run(_LONG_S)

    def answer_not_delivered(self) -> None:
        """A node is killed with its request at the worker, which computes an answer that nobody takes."""
        self._say("after its update: a node is killed, and the answer is computed but not delivered")
        with self._asked("client-2"):
            self.loopback.kill("node client-2")
        handed = b"could not be handed over"
        self.loopback.wait_for(lambda: handed in self.loopback.log("worker client-2"), "an answer that nobody takes")
        self.loopback.start_node("client-2")

    def worker_killed(self) -> None:
        """A worker is killed while it is asked."""
        self._say("during its update: a worker is killed")
        worker = self.loopback.processes["worker client-3"].pid
        self._stop_when_asked(worker)
        self.loopback.kill("worker client-3")
        self.loopback.start_worker("client-3")

    def node_killed(self) -> None:
        """A node is killed at any moment."""
        self._say("at any moment: a node is killed")
        self.loopback.kill("node client-3")
        self.loopback.start_node("client-3")

    def superlink_killed(self) -> None:
        """The SuperLink is killed, with the run's process, and the run goes on."""
        self._say("the SuperLink is killed")
        self.loopback.kill("superlink")
        self.loopback.kill("run")
        self.loopback.start_superlink()
        self.loopback.start_run()

    def run_killed(self) -> None:
        """The run's process is killed, and the run goes on."""
        self._say("the server's app is killed")
        self.loopback.wait_for(lambda: bool(server_apps(self.loopback)), "the server's app")
        for process in server_apps(self.loopback):
            os.kill(process, signal.SIGKILL)
        self.loopback.finish_run(_LONG_S)
        self.loopback.start_run()

    def _asked(self, name: str) -> _Stopped:
        worker = self.loopback.processes[f"worker {name}"].pid
        self._stop_when_asked(worker)
        return _Stopped(worker)

    def _stop_when_asked(self, worker: int) -> None:
        """Hold a worker, for as long as the request of a round takes to reach it."""
        os.kill(worker, signal.SIGSTOP)
        time.sleep(_FORWARDED_S)

    def _say(self, sentence: str) -> None:
        print(f"after round {rounds_made(self.pair.run)}, {sentence}", flush=True)


class _Stopped:
    """A process that is held until the block ends."""

    def __init__(self, process: int) -> None:
        self._process = process

    def __enter__(self) -> None:
        """It is held already."""

    def __exit__(self, *_: object) -> None:
        os.kill(self._process, signal.SIGCONT)


def server_apps(loopback: Loopback) -> list[int]:
    """Return the processes of a SuperLink's runs."""
    listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines()]
    return [int(pid) for pid, words in rows if "flwr-serverapp" in words and f":{loopback.port} " in words]


def impatient(pair: Pair) -> None:
    """Let the server ask again soon."""
    path = pair.loopback.folder / "server" / "server.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "pause": 2, "tries": 100}))


def main() -> int:
    """Make the runs and compare them; returns the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    pair = Pair(folder / "pair", "adp_fl_quantile", settings={"federated": {"rounds": _ROUNDS}})
    impatient(pair)
    Faults(pair).play()
    different = pair.differences() if (pair.run / "run.json").exists() else ["nothing was made"]
    print(f"in the end: {'weights, thresholds and ledgers are the same' if not different else ', '.join(different)}")
    if different:
        print(f"Everything is in {folder}.")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
