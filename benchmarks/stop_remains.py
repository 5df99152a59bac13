"""What commands leave behind that were stopped: processes, records, files and their contents."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

_TABLES = ("rounds.csv", "cases.csv", "partition.csv", "data.csv")  # tables of runs state times and memory


def living(session: int, variable: str) -> list[int]:
    """Return processes that have not ended: those of a session, and those that were started with a variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, leader = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            ours = int(leader) == session or variable.encode() in (folder / "environ").read_bytes()
        except OSError:
            continue
        if ours and state != "Z":
            found.append(int(folder.name))
    return found


def statuses(folder: Path) -> str:
    """Return the statuses that runs' records state."""
    records = [json.loads(path.read_text())["status"] for path in sorted(folder.rglob("run.json"))]
    return ", ".join(sorted(set(records))) or "none"


def leavings(folder: Path) -> str:
    """Return how many rounds of runs are on disk, whether a checkpoint is, and what is half-written."""
    runs = [path.parent for path in sorted(folder.rglob("run.json"))]
    rounds = [_rounds(run / "rounds.csv") for run in runs]
    checkpoints = [(run / "checkpoints/last.ckpt").exists() for run in runs]
    half = [path for path in folder.rglob(".*") if path.is_file() and not path.name.startswith(".lock")]
    parts = [f"{'+'.join(map(str, rounds))} round{'' if rounds == [1] else 's'}" if runs else ""]
    parts += ["checkpoint" if all(checkpoints) else "no checkpoint"] if runs and sum(rounds) else []
    parts += [f"{len(half)} half-written"] if half else []
    return ", ".join(part for part in parts if part) or "nothing"


def _rounds(table: Path) -> int:
    whole = table.read_text().rsplit("\n", 1)[0] if table.exists() else ""
    last = whole.rpartition("\n")[2].partition(",")[0]
    return int(last) if last.isdigit() else 0


def contents(folder: Path, epsilon: bool = True) -> dict[str, str]:
    """Return what runs left: digests of weights, tables and pictures, and the names of all else.

    Args:
        folder: Where the runs are.
        epsilon: Whether the lines of rounds.csv on epsilon count.
    """
    digests = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".lock") or path.name == "printed":
            continue
        name = str(path.relative_to(folder))
        digests[name] = "there"
        if path.name in _TABLES or path.suffix == ".png":
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if epsilon or b",epsilon," not in line]
            digests[name] = hashlib.sha256(b"".join(kept)).hexdigest()
        elif path.suffix == ".ckpt":
            digests[name] = _weights(path)
        elif path.name == "run.json":
            digests[name] = json.loads(path.read_text())["status"]
    return digests


def _weights(path: Path) -> str:
    import torch  # deferred: the trials of the tests have no weights

    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return hashlib.sha256(b"".join(state[name].numpy().tobytes() for name in sorted(state))).hexdigest()
