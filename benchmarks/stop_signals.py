"""What becomes of commands that are stopped by signals.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/stop_signals.py [--only fit,benchmark]

Each line is a real command in a process of its own, which gets a signal at a stated moment: to the process alone, or to
its whole group, as a terminal and Slurm send it. *left* are processes of the command that still live a second after it
has ended (six after SIGKILL, which loading processes notice by themselves). *same bits*: continued by the same command,
it ends with the same weights and tables as one that was never stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_MAIN = "import sys; from adpfl_bench.cli import main; sys.exit(main())"
_MARK = "ADPFL_STOP_TRIAL"
_ROUNDS = 4
_START_S, _END_S = 300.0, 300.0
_SMOKE = ("--config", "configs/smoke.yaml", "--data.phantom_directory=../phantoms", f"--federated.rounds={_ROUNDS}")
_RUN = ("--config", "tasks/isic.yaml", "--config", "callbacks/adp_fl.yaml", *_SMOKE)
_GRID = {
    "tasks": ["tasks/isic.yaml"],
    "methods": ["callbacks/fedavg.yaml", "callbacks/dp_fl.yaml"],
    "seeds": [0, 1],
    "configs": ["configs/smoke.yaml"],
    "overrides": {"data.phantom_directory": "../phantoms", "federated.rounds": 3 * _ROUNDS},
    "output": "out",
}

Moment = Callable[[Path], bool]


@dataclass(frozen=True)
class Trial:
    """A command, and the signal that stops it.

    Attributes:
        command: What the table calls it.
        words: The command line.
        number: The signal.
        at: What the table calls the moment.
        moment: Whether it has come; given the trial's folder.
        group: Whether the command's whole group is sent the signal.
        before: A command line that must have ended before; its folder is copied.
        again: The command line that continues; none where that is not possible.
    """

    command: str
    words: tuple[str, ...]
    number: signal.Signals
    at: str
    moment: Moment
    group: bool = False
    before: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What became of a trial: a line of the table."""

    trial: Trial
    status: int
    records: tuple[str, ...]
    left: int
    same: bool | None

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells of the line."""
        same = {None: "–", True: "yes", False: "NO"}[self.same]  # noqa: RUF001 - as tables are set
        target = "group" if self.trial.group else "process"
        records = ", ".join(sorted(set(self.records))) or "none"
        return (
            self.trial.command,
            f"{self.trial.number.name} to the {target}",
            self.trial.at,
            str(self.status),
            records,
            str(self.left),
            same,
        )


@dataclass
class Workshop:
    """Where trials are made.

    Args:
        folder: Folder of all trials.
        program: The command, without its words.
    """

    folder: Path
    program: Sequence[str] = (sys.executable, "-c", _MAIN)
    _whole: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def whole(self, words: tuple[str, ...], before: tuple[str, ...] = ()) -> Path:
        """Return the folder of a command that was never stopped; it is made once."""
        if words not in self._whole:
            folder = self._new(before)
            process = self._start(words, folder, "")
            if process.wait():
                raise SystemExit(f"{words} failed by itself:\n{(folder / 'printed').read_text()}")
            self._whole[words] = folder
        return self._whole[words]

    def attempt(self, trial: Trial) -> Outcome:
        """Stop a command, and continue it."""
        folder, mark = self._new(trial.before), uuid.uuid4().hex
        process = self._start(trial.words, folder, mark)
        deadline = time.monotonic() + _START_S
        while not trial.moment(folder):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{trial}: the moment did not come:\n{(folder / 'printed').read_text()}")
            time.sleep(0.002)
        (os.killpg if trial.group else os.kill)(process.pid, trial.number)
        status = process.wait(_END_S)
        time.sleep(6.0 if trial.number == signal.SIGKILL else 1.0)
        left = living(mark)
        records = tuple(json.loads(path.read_text())["status"] for path in sorted(folder.rglob("run.json")))
        same = None
        if trial.again:
            again = self._start(trial.again, folder, "").wait()
            same = again == 0 and contents(folder) == contents(self.whole(trial.words, trial.before))
        for number in left:
            os.kill(number, signal.SIGKILL)
        return Outcome(trial, 128 - status if status < 0 else status, records, len(left), same)

    def _new(self, before: tuple[str, ...]) -> Path:
        folder = self.folder / uuid.uuid4().hex[:8]
        if before:
            shutil.copytree(self.whole(before), folder)
        else:
            folder.mkdir()
        (folder / "grid.yaml").write_text(yaml.safe_dump(_GRID))
        (folder / "printed").unlink(missing_ok=True)  # of what was copied
        return folder

    def _start(self, words: Sequence[str], folder: Path, mark: str) -> subprocess.Popen[bytes]:
        with (folder / "printed").open("ab") as printed:
            return subprocess.Popen(
                [*self.program, *words],
                cwd=folder,
                env={**os.environ, _MARK: mark, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_heed,
            )


def _heed() -> None:
    """Undo what a shell does to what it runs in the background."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def living(mark: str) -> list[int]:
    """Return the processes that were started for a trial and have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes()
            ended = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if marked and not ended:
            found.append(int(folder.name))
    return found


def contents(folder: Path) -> dict[str, str]:
    """Return digests of what runs left: weights, rounds, and scores of cases."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in ("rounds.csv", "cases.csv") or path.suffix == ".png":
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name == "last.ckpt":
            digests[name] = _weights(path)
    return digests


def _weights(path: Path) -> str:
    import torch  # deferred: the trials of the tests have no weights

    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest()


def printed(text: str) -> Moment:
    """Moment at which a command has printed something."""
    return lambda folder: text in (folder / "printed").read_text(errors="replace")


def rounds(number: int, runs: int = 1) -> Moment:
    """Moment at which some runs have recorded a number of rounds."""

    def come(folder: Path) -> bool:
        tables = [path.read_text().rsplit("\n", 2) for path in folder.rglob("rounds.csv")]
        done = [table[-2].partition(",")[0] for table in tables if len(table) > 1]
        return sum(entry.isdigit() and int(entry) >= number for entry in done) >= runs

    return come


def status(name: str) -> Moment:
    """Moment at which a run's record has a status."""
    return lambda folder: any(f'"status": "{name}"' in path.read_text() for path in folder.rglob("run.json"))


def locked(folder: Path) -> bool:
    """Moment at which a command has taken a run's folder."""
    return any(folder.rglob(".lock"))


def after(seconds: float) -> Moment:
    """Moment some seconds after the command's start."""
    return lambda folder: time.time() - (folder / "printed").stat().st_mtime >= seconds


def trials() -> Iterator[Trial]:
    """Every command with every signal."""
    fit, again = ("fit", *_RUN), ("fit", *_RUN, "--ckpt_path=last")
    loading = printed("loading PyTorch")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        yield Trial("fit", fit, number, "while it loads", loading, again=again)
        yield Trial("fit", fit, number, "in round 3", rounds(2), again=again)
        yield Trial("fit", fit, number, "while it scores", status("trained"), again=again)
        workers = ("--data.num_workers=2",)
        yield Trial("fit, 2 loading", (*fit, *workers), number, "in round 3", rounds(2), True, again=(*again, *workers))
        for command in ("validate", "test", "predict"):
            words = (command, *_RUN)
            yield Trial(command, words, number, "at work", locked, before=fit, again=words)
        audit = ("audit", "--config", "tasks/isic.yaml", "--config", "callbacks/dp_fl_record.yaml", *_SMOKE)
        yield Trial("audit", (*audit, "--audit.canaries=30"), number, "in round 2", rounds(1))
        grid = ("benchmark", "--config", "grid.yaml", "--jobs=2")
        yield Trial("benchmark", grid, number, "in rounds of 2 runs", rounds(1, 2), again=grid)
        yield Trial("benchmark", grid, number, "in rounds of 2 runs", rounds(1, 2), True, again=grid)
        yield Trial("prepare", ("prepare", "lgg", "--root", "nowhere"), number, "while it loads", loading)
        yield Trial("privacy", ("privacy", *_RUN), number, "while it loads", loading)
        yield Trial("report", ("report", "runs"), number, "after a second", after(1.0), before=fit)
    yield Trial("fit", fit, signal.SIGKILL, "in round 3", rounds(2), again=again)
    yield Trial("fit, 2 loading", (*fit, *workers), signal.SIGKILL, "in round 3", rounds(2), again=(*again, *workers))
    yield Trial("benchmark", grid, signal.SIGKILL, "in rounds of 2 runs", rounds(1, 2), again=grid)


def main() -> None:
    """Print the table."""
    from adpfl_bench.text import make_table, print_table  # deferred: the tests look at single trials

    parser = argparse.ArgumentParser(description="Stop commands by signals.")
    parser.add_argument("--only", default="", help="Commands, separated by commas.")
    only = [name for name in parser.parse_args().only.split(",") if name]
    table = make_table(
        ["command", "signal", "moment", "exit status", "record", "left", "same bits"], ["command", "signal", "moment"]
    )
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder))
        for trial in trials():
            if not only or trial.command.partition(",")[0] in only:
                cells = workshop.attempt(trial).cells
                print(*cells, sep="  ", file=sys.stderr, flush=True)
                table.add_row(*cells)
    print_table("Commands that were stopped", table)


if __name__ == "__main__":
    main()
