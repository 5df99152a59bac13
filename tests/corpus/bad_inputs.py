"""The table of bad inputs: ``python -m tests.corpus.bad_inputs`` tries every kind and prints what came.

Each kind is tried in a process that is forked from this one, which has imported what is needed, so that one that hangs
in compiled code, or takes the memory, costs that kind alone.
"""

import argparse
import os
import pickle
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from adpfl_bench.datasets.catalogue import DATASETS, find_datamodule
from tests.corpus.good_inputs import GoodInputs
from tests.corpus.kind import Kind
from tests.corpus.registry import KINDS, areas, sample
from tests.corpus.trial import SECONDS, Trial, try_kind
from tests.effort import ACCIDENTS_SEED

_IMPORTED = ("adpfl_bench.running.training", "adpfl_bench.cli.verify", "monai.networks.nets", "monai.inferers")
"""What trials would else import each for itself, which takes longer than most of them."""
_MEMORY = 8 * 2**30
"""Of address space beyond what is taken when a trial begins, so that one that asks for more fails by itself."""


def main(words: Sequence[str] | None = None) -> int:
    """Try kinds and print the table; the exit status is 1 if one did not end as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.bad_inputs", description=__doc__)
    parser.add_argument("areas", nargs="*", help=f"which areas; by default all: {', '.join(areas())}")
    parser.add_argument("--name", default="", help="only kinds whose names hold this")
    parser.add_argument("--share", type=float, default=1.0, help="only a share of each area, drawn by the seed")
    parser.add_argument("--seed", type=int, default=ACCIDENTS_SEED, help="by default ADPFL_ACCIDENTS_SEED, or 0")
    parser.add_argument("--failures", action="store_true", help="print only what did not end as expected")
    options = parser.parse_args(words)
    if unknown := sorted(set(options.areas) - set(areas())):
        parser.error(f"there is no area {unknown[0]}; there are {', '.join(areas())}")
    wanted = [kind for kind in KINDS if (not options.areas or kind.area in options.areas) and options.name in kind.name]
    if options.share < 1:
        print(f"a share of {options.share:g} of each area, by the seed {options.seed}")
        wanted = sample(options.seed, options.share, wanted)
    for name in _IMPORTED:
        import_module(name)
    for name in DATASETS:
        find_datamodule(name)
    with tempfile.TemporaryDirectory() as folder:
        good = GoodInputs(Path(folder) / "good")
        for name in dict.fromkeys(kind.ask.start for kind in wanted):
            made = forked(lambda name=name: _make(good, name), 10 * SECONDS)
            assert made.verdict == "as expected", f"{name}: {made.came}"
        trials = [_try(kind, good, Path(folder), options.failures) for kind in wanted]
    _print_summary(wanted, trials)
    return int(any(trial.verdict != "as expected" for trial in trials))


def _try(kind: Kind, good: GoodInputs, folder: Path, failures: bool) -> Trial:
    place = Path(tempfile.mkdtemp(dir=folder))
    trial = forked(lambda: try_kind(kind, good, place), SECONDS + 20)
    if trial.verdict != "as expected" or not failures:
        print(f"{trial.verdict.upper() if trial.verdict != 'as expected' else 'ok'} | {kind.label} | {kind.ask.name}")
        print(f"    expected  {kind.expected}\n    came      {trial.came}  ({trial.seconds:.2f} s)", flush=True)
    return trial


def _make(good: GoodInputs, name: str) -> Trial:
    """Make a good input, which later processes find on the disk: this one must not start torch's threads."""
    return Trial("as expected", str(good[name]))


def forked(work: Callable[[], Trial], seconds: float) -> Trial:
    sys.stdout.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _limit_memory()
            result = pickle.dumps(work())
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(result)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.close(writing)
    started, result = time.monotonic(), b""
    while (left := seconds - (time.monotonic() - started)) > 0 and select.select([reading], [], [], left)[0]:
        piece = os.read(reading, 2**16)
        result += piece
        if not piece:
            break
    else:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if result:
        found: Any = pickle.loads(result)
        assert isinstance(found, Trial)
        return found
    if time.monotonic() - started >= seconds:
        return Trial("hang", f"nothing within {seconds:g} s, in compiled code", seconds)
    return Trial("traceback", f"the process ended by itself, with the status {status}")


def _limit_memory() -> None:
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + _MEMORY, hard))


def _print_summary(tried: Sequence[Kind], trials: Sequence[Trial]) -> None:
    counts = Counter((kind.area, trial.verdict) for kind, trial in zip(tried, trials, strict=True))
    verdicts = [verdict for verdict in dict.fromkeys(trial.verdict for trial in trials) if verdict != "as expected"]
    columns = ["as expected", *verdicts]
    width = max([len(kind.area) for kind in tried] + [5])
    print(f"\n{'area':<{width}}  kinds  " + "  ".join(columns))
    for area in dict.fromkeys(kind.area for kind in tried):
        numbers = "  ".join(f"{counts[area, verdict]:>{len(verdict)}}" for verdict in columns)
        print(f"{area:<{width}}  {sum(kind.area == area for kind in tried):>5}  {numbers}")
    totals = "  ".join(f"{sum(trial.verdict == verdict for trial in trials):>{len(verdict)}}" for verdict in columns)
    print(f"{'all':<{width}}  {len(tried):>5}  {totals}")
    slowest = max(zip(trials, tried, strict=True), key=lambda pair: pair[0].seconds, default=None)
    if slowest is not None:
        print(
            f"slowest: {slowest[1].label}, {slowest[0].seconds:.1f} s; together {sum(t.seconds for t in trials):.0f} s"
        )


if __name__ == "__main__":
    sys.exit(main())
