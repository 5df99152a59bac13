"""Whether other hospitals' data, and new patients', ever change a run: tried in many orders of commands.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/cohort_orders.py --orders 20

A run is trained once on phantoms. Of each order, a copy of it is given to all commands, in an order drawn from the
seed. The files of the run are hashed before and after each: a command that looks on must leave every one as it was, one
of the run's own (test, validate, predict) may write no cohort, and at the end verify-run finds nothing, and scores and
masks are those of the first order. The exit status is 1 where that fails.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from adpfl_bench.cli import main as adpfl_bench

RUN = Path("runs/isic/fedavg/seed0")
OWN = ("test", "validate", "predict")
"""Commands of the run itself, which may write its files again."""

_HERE = Path(__file__).parents[1]


def configured(command: str) -> list[str]:
    """A command of the run, on the phantoms of the smoke configuration."""
    files = [_HERE / "tasks/isic.yaml", _HERE / "callbacks/fedavg.yaml", _HERE / "configs/smoke.yaml"]
    configs = [word for file in files for word in ("--config", str(file))]
    return [
        command,
        *configs,
        "--data.phantom_directory",
        str(Path("../phantoms").absolute()),
        "--federated.rounds",
        "1",
    ]


def commands() -> Mapping[str, list[str]]:
    """Every command that looks at a run, with what it writes elsewhere."""
    return {
        "evaluate north": ["evaluate", str(RUN), "--cohort", "north=../other"],
        "evaluate south": ["evaluate", "runs", "--cohort", "south=../ham", "--layout", "ham10000"],
        "segment": ["segment", str(RUN), "../other", "--output", "masks"],
        "export": ["export", str(RUN), "--output", "bundle"],
        "leaderboard": ["leaderboard", "runs", "--output", "tables", "--overlays", "false"],
        "report": ["report", "runs", "--output", "report.html"],
        "verify-run": ["verify-run", "runs"],
        "test": configured("test"),
        "validate": configured("validate"),
        "predict": configured("predict"),
    }


def digests(cohorts: bool) -> dict[str, str]:
    """Hash the files of the run, or of its cohorts."""
    files = [path for path in RUN.rglob("*") if path.is_file()]
    chosen = [path for path in files if ("cohorts" in path.relative_to(RUN).parts) == cohorts]
    return {str(path.relative_to(RUN)): hashlib.sha256(path.read_bytes()).hexdigest() for path in chosen}


def run_quietly(words: Sequence[str]) -> None:
    """Run a command that must succeed."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        status = adpfl_bench(list(words))
    if status != 0:
        raise SystemExit(f"{' '.join(words)} ended with {status}:\n{said.getvalue()[-2000:]}")


def try_order(names: Sequence[str]) -> list[str]:
    """Run the commands in an order; what was changed that should not have been."""
    wrong = []
    for name in names:
        own, cohorts = digests(cohorts=False), digests(cohorts=True)
        run_quietly(commands()[name])
        if name not in OWN and digests(cohorts=False) != own:
            wrong.append(f"{name} changed the run")
        if not name.startswith("evaluate") and digests(cohorts=True) != cohorts:
            wrong.append(f"{name} changed a cohort")
        if any(digests(cohorts=True).get(path) != digest for path, digest in cohorts.items()):
            wrong.append(f"{name} changed a cohort that was there")
    run_quietly(["verify-run", "runs"])
    return wrong


def results() -> dict[str, str]:
    """What must not depend on the order: scores, of the run and of cohorts, and masks."""
    kept = {path: digest for path, digest in digests(cohorts=False).items() if path.endswith(("cases.csv", ".png"))}
    scores = {path: digest for path, digest in digests(cohorts=True).items() if path.endswith("cases.csv")}
    masks = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in Path("masks").glob("*.png")}
    return {**kept, **scores, **masks}


def main() -> None:
    """Print a line for each order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, failed = random.Random(options.seed), 0
    first: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        (home / "trained").mkdir()
        os.chdir(home / "trained")
        for name, dataset in (("other", "isic"), ("ham", "ham10000")):
            run_quietly(["phantom", dataset, "--output", f"../{name}", "--cases", "8", "--image_size", "[48,64]"])
        run_quietly(configured("fit"))
        for number in range(options.orders):
            os.chdir(home)
            shutil.copytree("trained", f"order{number}")
            os.chdir(f"order{number}")
            names = draw.sample(sorted(commands()), len(commands()))
            wrong = try_order(names)
            first = first or results()
            if results() != first:
                wrong.append("scores or masks are others than those of the first order")
            failed += bool(wrong)
            print(f"{number + 1:2d}  {'; '.join(wrong) or 'as it was'}  ({', '.join(names)})", flush=True)
            os.chdir(home)
            shutil.rmtree(f"order{number}")
    print(f"{options.orders - failed} of {options.orders} orders left the run as it was")
    raise SystemExit(int(failed > 0))


if __name__ == "__main__":
    main()
