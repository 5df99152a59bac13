"""Digests of what three rounds of every method leave behind, to compare before and after a change that must not matter.

    python benchmarks/weights_digest.py --output before.json     # on the commit before
    python benchmarks/weights_digest.py --against before.json    # on the commit after

Every method file is run on phantoms of dermoscopy, CT and MRI, in one process. Digested are the final weights,
`rounds.csv`, `cases.csv` and `partition.csv`. It uses the command line only, so that it runs on any commit.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from adpfl_bench.cli import main

TASKS = ("isic", "kits", "brats")
ROUNDS = "3"


def methods(repository: Path) -> list[str]:
    """Names of the method files."""
    return sorted(path.stem for path in (repository / "callbacks").glob("*.yaml"))


def tensors(value: object) -> Iterator[torch.Tensor]:
    """All tensors in a checkpoint's block, in its order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


def digest_weights(folder: Path) -> str:
    """Digest of the network's final weights."""
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    state = hashlib.sha256()
    for tensor in tensors(checkpoint["state_dict"]):
        state.update(tensor.contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


def digest_table(path: Path) -> str:
    """Digest of a table's values that are no times."""
    state = hashlib.sha256()
    with path.open(newline="") as file:
        for row in csv.reader(file):
            if not any("seconds" in cell or cell == "time" for cell in row):
                state.update(repr(row).encode())
    return state.hexdigest()[:16]


def run(method: str, task: str, phantoms: Path, folder: Path) -> dict[str, str]:
    """Digests of one run."""
    files = [f"tasks/{task}.yaml", f"callbacks/{method}.yaml", "configs/smoke.yaml"]
    words = [word for file in files for word in ("--config", file)]
    words += ["--data.phantom_directory", str(phantoms), "--federated.rounds", ROUNDS]
    if method == "client_dp":
        words += ["--privacy.delta", "0.01"]
    status = main(["fit", *words, "--trainer.default_root_dir", str(folder)])
    if status != 0:
        return {"status": str(status)}
    found = {"weights": digest_weights(folder)}
    found |= {name: digest_table(folder / f"{name}.csv") for name in ("rounds", "cases", "partition")}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--methods", nargs="*")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    repository = Path(__file__).resolve().parent.parent
    given.output = given.output and given.output.resolve()
    given.against = given.against and given.against.resolve()
    before = json.loads(given.against.read_text()) if given.against else {}
    found: dict[str, dict[str, str]] = {}
    differ = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        for task in given.tasks:
            for method in given.methods or methods(repository):
                name = f"{task}/{method}"
                found[name] = run(method, task, Path(scratch) / "phantoms", Path(scratch) / "run" / task / method)
                same = "" if not before else " same" if before.get(name) == found[name] else " DIFFERENT"
                differ += same == " DIFFERENT"
                print(name, found[name], same, file=sys.stderr, flush=True)
                if given.output:
                    given.output.write_text(json.dumps(found, indent=1))
    if before:
        print(f"{len(found)} runs compared, {differ} differ")
    sys.exit(1 if differ else 0)
