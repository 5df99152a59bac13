"""Three small hospitals with a folder of files each, and the same cases in one table for a simulation."""

import json
from contextlib import ExitStack
from pathlib import Path

import torch
import yaml

from adpfl_bench.cli import main
from adpfl_bench.deploy.coordinator import serve_rounds
from adpfl_bench.deploy.deployment_files import HospitalFile, ServerFile
from adpfl_bench.deploy.hospital import HospitalWorker
from tests.own_layouts import pictures, table

NAMES = ("north", "south", "west")
SMALL = {
    "data": {
        "init_args": {
            "image_size": [16, 16],
            "batch_size": 2,
            "validation_fraction": 0.25,
            "test_fraction": 0.25,
            "description": {
                "name": "discs",
                "channels": ["R", "G", "B"],
                "labels": {"disc": 1},
                "ids_identify": "patient",
            },
        }
    },
    "model": {
        "init_args": {
            "in_channels": 3,
            "network_arguments": {"channels": [4, 8], "strides": [2], "num_res_units": 0},
        }
    },
}


class SmallHospitals:
    """Files of a deployment of three hospitals, and of the simulation that it is compared with.

    Attributes:
        folder: Where all of it is.
        workers: The hospitals' workers that are alive.
    """

    def __init__(self, folder: Path, method: str, rounds: int = 2, **changes):
        self.folder, self.method = folder, method
        self.workers: dict[str, HospitalWorker] = {}
        self._holds = {}
        root = pictures(folder / "pictures", number=24)
        rows = [
            {
                "case": f"case_{index:03d}",
                "image": f"pictures/imagesTr/case_{index:03d}_0000.png",
                "mask": f"pictures/labelsTr/case_{index:03d}.png",
                "patient": f"p{index // 2}",
                "site": NAMES[index // 2 % 3],
            }
            for index in range(24)
        ]
        assert len(list((root / "imagesTr").iterdir())) == len(rows)
        table(folder / "all.csv", rows)
        for name in NAMES:
            table(folder / f"{name}.csv", [row for row in rows if row["site"] == name])
        small = {**SMALL, "federated": {"rounds": rounds}, **changes}
        (folder / "small.yaml").write_text(yaml.safe_dump(small))
        parts = [f"callbacks/{part}.yaml" for part in method.split("+")]
        self.config = ["tasks/own_pictures.yaml", "callbacks/fedavg.yaml", *parts, str(folder / "small.yaml")]

    def fit(self) -> Path:
        """Simulate the run in one process, and return its folder."""
        configs = [word for name in self.config for word in ("--config", name)]
        folder = self.folder / "simulated"
        place = ["--data.root", str(self.folder / "all.csv"), "--trainer.default_root_dir", str(folder)]
        assert main(["fit", *configs, *place, "--trainer.devices=1"]) == 0
        return folder

    def hospital_file(self, name: str, **more) -> HospitalFile:
        path = self.folder / f"{name}.yaml"
        stated = {"name": name, "home": name, "config": self.config, "data": {"root": f"{name}.csv"}}
        path.write_text(yaml.safe_dump({**stated, "require": None, "scores": "all", **more}))
        return HospitalFile.read(path)

    def server_file(self, **more) -> ServerFile:
        path = self.folder / "server.yaml"
        stated = {"hospitals": list(NAMES), "config": self.config, "folder": "server", "pause": 0}
        path.write_text(yaml.safe_dump({**stated, **more}))
        return ServerFile.read(path)

    def start(self, name: str, **more) -> HospitalWorker:
        """Start a hospital's worker, in place of the one that is there."""
        self.stop(name)
        hold = self._holds[name] = ExitStack()
        self.workers[name] = HospitalWorker(self.hospital_file(name, **more), hold)
        return self.workers[name]

    def stop(self, name: str) -> None:
        if name in self._holds:
            self._holds.pop(name).close()

    def exchange(self, requests):
        """Ask the workers, the last one first."""
        return {name: self.workers[name].answer(requests[name]) for name in reversed(list(requests))}

    def serve(self, exchange=None, **more) -> Path:
        return serve_rounds(self.server_file(**more), exchange or self.exchange, lambda seconds: None)


def checkpoint(folder: Path):
    """What the last checkpoint of a run's folder holds."""
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def weights(folder: Path):
    return checkpoint(folder)["state_dict"]


def same_weights(one: Path, other: Path) -> bool:
    here, there = weights(one), weights(other)
    return here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)


def record(folder: Path):
    return json.loads((folder / "run.json").read_text())


def noise_key(simulated: Path) -> str:
    """The key of a simulated run's repeatable noise."""
    return json.loads((simulated / "privacy_ledger.json").read_text())["sessions"][0]["key"]
