"""A run at three hospitals over Flower, on this machine, beside the simulation of the same run.

::

    OMP_NUM_THREADS=1 python benchmarks/deployment.py bits        # the same weights, thresholds and ledgers, bit by bit
    OMP_NUM_THREADS=1 python benchmarks/deployment.py overhead    # time of a round and bytes of a client, as ratios

It needs the extra ``deploy``, and takes some minutes. Everything is made of phantoms, in a temporary folder that is
kept where something failed; the exit status is 1 then. Noise is repeatable here, at each hospital by a key in its own
file (``test_noise``), but for the run that is to differ.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from loopback import Loopback

from adpfl_bench.deploy.hospital_home import HospitalHome
from adpfl_bench.privacy.journal import LedgerJournal

HOSPITALS = ("client-1", "client-2", "client-3")
_METHODS = {
    "fedavg": ("callbacks/fedavg.yaml",),
    "fedadam+scaffold": ("callbacks/scaffold.yaml", "callbacks/fedadam.yaml"),
    "adp_fl_quantile": ("callbacks/adp_fl_quantile.yaml",),
}
_SMALL: dict[str, Any] = {
    "model": {"init_args": {"network_arguments": {"channels": [4, 8], "strides": [2]}}},
    "data": {"init_args": {"image_size": [32, 32], "batch_size": 4}},
    "federated": {"rounds": 5},
}
_LONG_S = 900.0


class Pair:
    """A simulated run, and the deployment that is to repeat it.

    Args:
        folder: Where both are made.
        method: One of the methods.
        secure: The deployed run's noise is secret.
        settings: Further settings of both.
    """

    def __init__(self, folder: Path, method: str, secure: bool = False, settings: dict[str, Any] | None = None) -> None:
        self.folder, self.simulated = folder, folder / "simulated"
        folder.mkdir(parents=True)
        small = folder / "small.yaml"
        small.write_text(yaml.safe_dump({"method": method, **_SMALL, **(settings or {})}))
        self.config = ["tasks/isic.yaml", *_METHODS[method], str(small)]
        self.secure = folder / "secure.yaml"
        self.secure.write_text("privacy: {secure: true}\n")
        self._simulate()
        self.loopback = Loopback(folder / "deployed", HOSPITALS)
        self.loopback.prepare([*self.config, *([str(self.secure)] if secure else [])])
        self._fill(secure)

    @property
    def run(self) -> Path:
        """The deployed run's folder."""
        return self.loopback.folder / "server" / "run"

    def _simulate(self) -> None:
        data = self.folder / "data"
        words = [word for name in self.config for word in ("--config", name)]
        partition = {"class_path": "adpfl_bench.IIDPartition", "init_args": {"clients": len(HOSPITALS)}}
        size = ["--cases", "36", "--image_size", "[48,64]"]
        bench(["phantom", "isic", "--output", str(data), *size])
        words += [f"--data.root={data}", f"--data.partition={json.dumps(partition)}", "--trainer.accelerator=cpu"]
        bench(["fit", *words, f"--trainer.default_root_dir={self.simulated}", "--trainer.devices=1"])

    def _fill(self, secure: bool) -> None:
        """Give each hospital the cases that it had in the simulation, and its own settings."""
        with (self.simulated / "partition.csv").open(newline="") as file:
            client = {row["case"]: row["client"] for row in csv.DictReader(file)}
        for path in sorted((self.folder / "data").rglob("*")):
            cases = [case for case in client if case in path.name]
            if path.is_file():
                for name in {client[case] for case in cases} or HOSPITALS:
                    copy = self.loopback.folder / name / "data" / path.relative_to(self.folder / "data")
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, copy)
        key = noise_key(self.simulated)
        for name in HOSPITALS:
            path = self.loopback.folder / name / "hospital.yaml"
            stated = {**yaml.safe_load(path.read_text()), "require": None, "scores": "all"}
            stated |= {} if secure or key is None else {"test_noise": key}
            path.write_text(yaml.safe_dump({**stated, "options": ["--trainer.accelerator=cpu"]}))

    def deploy(self) -> bytes:
        """Make the deployed run, and return what it printed."""
        with self.loopback:
            self.loopback.start_all()
            self.loopback.start_run()
            return self.loopback.finish_run(_LONG_S)

    def differences(self) -> list[str]:
        """Return in what the deployed run differs from the simulated one."""
        found = [] if same_weights(self.simulated, self.run) else ["weights"]
        homes = [self.loopback.folder / name / "home" for name in HOSPITALS]
        own_thresholds = sorted(row for home in homes for row in thresholds(home))
        found += [] if thresholds(self.simulated) == own_thresholds else ["thresholds"]
        own: dict[str, Counter[str]] = {}
        for home in homes:
            own |= releases(home)
        return found + ([] if own == releases(self.simulated) else ["ledgers"])


def bench(words: Sequence[str]) -> None:
    """Run a command of the suite.

    Raises:
        SystemExit: It fails.
    """
    done = subprocess.run([sys.executable, "-m", "adpfl_bench", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """Return the global weights of a run's last round."""
    state = torch.load(run / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs have ended with the same bits."""
    a, b = weights_of(one), weights_of(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def thresholds(run: Path) -> list[tuple[str, str, str]]:
    """Return the clipping thresholds of a run by round and client, as they stand in rounds.csv."""
    with (run / "rounds.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == "clipping_threshold" and row["client"] != "all"]
    return sorted((row["round"], row["client"], row["value"]) for row in rows)


def releases(run: Path) -> dict[str, Counter[str]]:
    """Return by client how often what was released, as a run's journal has it."""
    found: dict[str, Counter[str]] = {}
    for ledger in LedgerJournal(run).read().values():
        for client, entries in ledger.state_dict().items():
            for *release, number in entries:
                found.setdefault(client, Counter())[json.dumps(release)] += number
    return found


def noise_key(run: Path) -> str | None:
    """Return the key of a simulated run's noise, or None where it has none."""
    return next((session.key for session in LedgerJournal(run).read()), None)


def bits(folder: Path) -> bool:
    """Compare deployed runs with simulated ones."""
    whole = True
    for method in _METHODS:
        pair = Pair(folder / method, method)
        printed = pair.deploy()
        found = pair.differences() if (pair.run / "run.json").exists() else [printed.decode(errors="replace")]
        whole &= not found
        print(
            f"{method}: {'weights, thresholds and ledgers are the same' if not found else ', '.join(found)}", flush=True
        )
    pair = Pair(folder / "secure", "adp_fl_quantile", secure=True)
    pair.deploy()
    found = pair.differences()
    whole &= found == ["weights", "thresholds"]
    print(f"secret noise: {', '.join(found)} differ, ledgers {'too' if 'ledgers' in found else 'do not'}", flush=True)
    return whole


def overhead(folder: Path) -> bool:
    """Tell what a round and a client's messages cost beside the simulation."""
    pair = Pair(folder / "overhead", "adp_fl_quantile", settings={"federated": {"rounds": 10}})
    with pair.loopback:
        pair.loopback.start_all()
        pair.loopback.start_run()
        pair.loopback.wait_for(lambda: rounds_made(pair.run) >= 1, "the first round")
        start, first = time.monotonic(), rounds_made(pair.run)
        pair.loopback.wait_for(lambda: rounds_made(pair.run) >= 10, "the last round")
        deployed = (time.monotonic() - start) / (10 - first)
        pair.loopback.finish_run(_LONG_S)
    simulated = json.loads((pair.simulated / "run.json").read_text())["wall_seconds"] / 10
    answer = len(HospitalHome(pair.loopback.folder / HOSPITALS[0] / "home").reached().answer)
    weights = sum(value.numel() * value.element_size() for value in weights_of(pair.run).values())
    print(f"a round: {deployed:.1f} s deployed, {simulated:.2f} s simulated, {deployed / simulated:.1f} times as long")
    print(f"an update: {answer:,} bytes, {answer / weights:.2f} times those of the weights")
    return True


def rounds_made(run: Path) -> int:
    """Return the last round that stands in a run's rounds.csv."""
    path = run / "rounds.csv"
    numbers = [line.split(",")[0] for line in path.read_text().splitlines()[1:]] if path.exists() else []
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


_PARTS: dict[str, Callable[[Path], bool]] = {"bits": bits, "overhead": overhead}


def main() -> int:
    """Make one part; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*_PARTS])
    part = parser.parse_args().part
    folder = Path(tempfile.mkdtemp(prefix="deployment-"))
    if _PARTS[part](folder):
        shutil.rmtree(folder)
        return 0
    print(f"Everything is in {folder}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
