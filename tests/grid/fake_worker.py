"""A worker whose runs train nothing: what they do is stated as the setting ``model.behaviour``."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adpfl_bench.errors import AccountRefusal, ConfigError
from adpfl_bench.grid import work
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from tests.leaderboard.records import record_of

ROUNDS = 3


def configuration(words: Sequence[str]) -> dict[str, Any]:
    """The configuration of a fake run: the settings given on the command line."""
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    return {
        "model": {"behaviour": options.get("model.behaviour", "train")},
        "federated": {
            "rounds": int(options.get("federated.rounds", ROUNDS)),
            "seed": int(options.get("seed_everything", 0)),
        },
        "data": {
            "init_args": {
                "root": options.get("data.root", "phantom"),
                "num_workers": int(options.get("data.num_workers", 0)),
            }
        },
    }


def fit(words: list[str]) -> None:
    """Make the records of a run, from the last round on."""
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    directory, config = RunDirectory(Path(options["trainer.default_root_dir"])), configuration(words)
    behaviour, rounds = config["model"]["behaviour"], config["federated"]["rounds"]
    done = len(directory.read_rounds()) if directory.rounds_file.exists() else 0

    def save(status: str, **more: Any) -> None:
        cost = {"rounds_completed": done, "wall_seconds": 2.0 * done}
        directory.write_record(record_of(status=status, config=config, **cost, **more))

    if behaviour == "refuse":
        raise ConfigError("The partition needs 4 clients.")
    if behaviour == "no room" and not (directory.path.parent / "more").exists():
        raise AccountRefusal("The account has no room for this run.", 0)
    save("running")
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while done < rounds:
        if behaviour in ("slow", "deaf"):
            time.sleep(0.25)
        if behaviour == "raise" and done == 1:
            save("failed", error="ValueError: one")
            raise ValueError("one")
        if behaviour == "die always" or (behaviour == "die once" and done == 1 and _first_time(directory.path)):
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "starve" or (behaviour == "starve once" and done == 1 and _first_time(directory.path)):
            save("failed", error="no memory")
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
        directory.append_rounds([RoundRow(done + 1, "all", "val_dice", 0.5 + 0.1 * done)])
        done += 1
        save("running")
    save("trained")
    if behaviour != "unscored":
        save("finished")


def _first_time(folder: Path) -> bool:
    mark = folder / "died"
    first = not mark.exists()
    mark.touch()
    return first


def main(arguments: list[str]) -> int:
    """Make the fake run that the command line gives."""
    return work.main(arguments, fit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
