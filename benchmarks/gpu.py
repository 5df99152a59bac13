"""What can only be known with a GPU, in one command of a few minutes: a line of JSON for each check.

    python benchmarks/gpu.py                              on the first GPU
    python benchmarks/gpu.py --device cpu --small         to its end without one: what it prints means nothing then

* weights: each family of methods trains the same on the GPU as on the CPU, within rounding, without noise.
* noise: Laplace and Gaussian noise drawn on the device has its law (Kolmogorov and Smirnov).
* resume: a run that is broken off and continued ends with the bits of one that was not (``deterministic: warn``), and
  which kernels torch warns of.
* waiting: share of a round in which the device computes nothing, in 2-D and with patches of 128^3 voxels in bfloat16.
* round: time of a round against a hand-written loop (``federated_loop.py``).
* private step: time of a step against one without privacy, and Opacus' (``dp_step.py``).
* memory: peak of a step of each task, beside what ``training_memory.py`` expects.
* sharing: time of two runs at once on the device, against one after the other.

The exit status is 1 if a check is not ok or ends with an error, which it prints.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dp_step
import federated_loop
import torch
import training_memory
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from scipy import stats
from torch.profiler import ProfilerActivity, profile

from adpfl_bench.callbacks.checkpointing import last_checkpoint
from adpfl_bench.cli import main as adpfl_bench
from adpfl_bench.config.config_files import packaged_root
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.running.option_checks import computes_bfloat16

Line = dict[str, Any]
WITHOUT_NOISE = ["--privacy.noise_multiplier=0", "--privacy.target_epsilon=null"]
FAMILIES: dict[str, tuple[list[str], list[str]]] = {
    "fedavg": (["fedavg"], []),
    "scaffold+fedadam": (["scaffold", "fedadam"], []),
    "ditto": (["ditto"], []),
    "median": (["median"], []),
    "adp_fl": (["adp_fl"], WITHOUT_NOISE),
    "adp_fl_quantile": (["adp_fl_quantile"], WITHOUT_NOISE),
    "client_dp": (["client_dp"], [*WITHOUT_NOISE, "--privacy.delta=0.01"]),
}
TOLERANCE = 0.02  # of how far the weights have moved


@dataclass(frozen=True)
class Place:
    """Where checks are made.

    Attributes:
        accelerator: As Lightning calls it.
        device: As torch calls it.
        small: As little as possible, to see that it runs.
        folder: For runs and phantoms.
    """

    accelerator: str
    device: str
    small: bool
    folder: Path

    def wait(self) -> None:
        """Wait until the device has done what it was told."""
        if self.device == "cuda":
            torch.cuda.synchronize()


def train(place: Place, accelerator: str, folder: Path, files: Sequence[str], options: Sequence[str]) -> str:
    """Train two rounds on phantoms by the command line; what it printed."""
    words = ["fit", *(word for file in files for word in ("--config", file)), "--federated.rounds=2", "--score=false"]
    words += ["--data.phantom_directory", str(place.folder / "phantoms"), f"--trainer.accelerator={accelerator}"]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = adpfl_bench([*words, f"--trainer.default_root_dir={folder}", *options])
    if status:
        raise RuntimeError(printed.getvalue().strip().splitlines()[-1])
    return printed.getvalue()


def fit(place: Place, accelerator: str, name: str, methods: Sequence[str], options: Sequence[str] = ()) -> list[Any]:
    """Train on small phantoms of skin lesions; the weights, as float64 vectors on the CPU."""
    folder = place.folder / name
    files = ["tasks/isic.yaml", *(f"callbacks/{method}.yaml" for method in methods), "configs/smoke.yaml"]
    optimizer = ["--model.optimizer", '{"class_path": "torch.optim.SGD", "init_args": {"lr": 0.05}}']
    train(place, accelerator, folder, files, [*optimizer, *options])
    weights = torch.load(last_checkpoint(folder), map_location="cpu", weights_only=True)["state_dict"]
    return [value.double().flatten() for value in weights.values()]


def check_weights(place: Place) -> Iterator[Line]:
    """Every family on the device and on the CPU."""
    start = torch.cat(fit(place, "cpu", "start", ["fedavg"], ["--federated.rounds=1", "--federated.local_steps=1"]))
    for name, (methods, options) in FAMILIES.items():
        here = torch.cat(fit(place, place.accelerator, f"{name}-here", methods, options))
        there = torch.cat(fit(place, "cpu", f"{name}-cpu", methods, options))
        difference, moved = float((here - there).abs().max()), float((there - start).abs().max())
        yield {"method": name, "difference": difference, "moved": moved, "ok": difference <= TOLERANCE * moved}


def check_noise(place: Place) -> Iterator[Line]:
    """A million values of each mechanism against its law."""
    source = Seeded(torch.Generator(place.device).manual_seed(0))
    laws = ((LaplaceMechanism(), stats.laplace(scale=0.3)), (GaussianMechanism(), stats.norm(scale=0.3)))
    for mechanism, law in laws:
        values = mechanism.sample(10_000 if place.small else 1_000_000, 0.3, source)
        p = float(stats.kstest(values.cpu().double().numpy(), law.cdf).pvalue)
        yield {"mechanism": type(mechanism).__name__, "p_value": p, "ok": p > 1e-4}


class BrokenOffError(Exception):
    """The run is broken off here."""


class BreakOff(Callback):
    """Breaks a run off at the start of its last round."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise at the last round's start."""
        if trainer.current_epoch == 2:
            raise BrokenOffError


def check_resume(place: Place) -> Iterator[Line]:
    """Three rounds at once, and three with a break."""
    outcomes, kernels = [], set()
    for name in ("whole", "broken"):
        weights, warned = _three_rounds(place, name, broken=name == "broken")
        outcomes.append(weights)
        kernels |= warned
    same = all(torch.equal(a, b) for a, b in zip(*outcomes, strict=True))
    yield {"bit_identical": same, "kernels_warned_of": sorted(kernels), "ok": same or bool(kernels)}


def _three_rounds(place: Place, name: str, broken: bool) -> tuple[list[torch.Tensor], set[str]]:
    folder = place.folder / name
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for attempt in range(1 + broken):
            trainer, task, data = federated_loop.set_up(folder, 4, 16 if place.small else 64, 3, place.accelerator)
            torch.use_deterministic_algorithms(True, warn_only=True)
            if broken and not attempt:
                trainer.callbacks.append(BreakOff())
            with contextlib.suppress(BrokenOffError), contextlib.redirect_stdout(io.StringIO()):
                trainer.fit(task, datamodule=data, ckpt_path=str(last_checkpoint(folder)) if attempt else None)
        torch.use_deterministic_algorithms(False)
    warned = {str(entry.message).split(" ")[0] for entry in caught if "deterministic" in str(entry.message)}
    return [value.cpu() for value in task.state_dict().values()], warned


def check_waiting(place: Place) -> Iterator[Line]:
    """Profile rounds of pictures, and of patches with the default network of volumes."""
    edge = 16 if place.small else 128
    tiny = ["--model.network=UNet", '--model.network_arguments={"channels":[4,8],"strides":[2],"num_res_units":0}']
    whole = ["--model.network=DynUNet", "--model.network_arguments={}"]
    volumes = [f"--data.{name}={json.dumps([edge] * 3)}" for name in ("patch_size", "phantom_size")]
    precision = "bf16-mixed" if place.device == "cuda" or computes_bfloat16() else "32-true"
    volumes += ["--federated.local_steps=2", f"--trainer.precision={precision}", *(tiny if place.small else whole)]
    yield {"of": "2-D", **_waiting(place, "isic", "smoke" if place.small else "phantom", []), "ok": True}
    yield {"of": "3-D", **_waiting(place, "brats", "smoke", volumes), "ok": True}


def _waiting(place: Place, task: str, size: str, options: Sequence[str]) -> Line:
    files = (f"tasks/{task}.yaml", "callbacks/fedavg.yaml", f"configs/{size}.yaml")
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if place.device == "cuda" else [])]
    folder, without = place.folder / f"profiled-{task}", "--trainer.limit_val_batches=0"
    with profile(activities=activities) as profiled:
        printed = train(place, place.accelerator, folder, files, [without, *options])
    seconds = sum(float(line.split()[-2]) for line in printed.splitlines() if line.startswith("round "))
    on_device = place.device == "cuda"
    kind = "self_device_time_total" if on_device else "self_cpu_time_total"
    events = [event for event in profiled.key_averages() if on_device or event.key.startswith("aten::")]
    busy = sum(getattr(event, kind) for event in events) / 1e6
    return {"seconds_of_rounds": seconds, "seconds_computed": busy, "waiting": max(0.0, 1 - busy / seconds)}


def check_round(place: Place) -> Iterator[Line]:
    """The suite's round against the hand-written loop's."""
    rounds, cases = (1, 64) if place.small else (7, 256)
    with contextlib.redirect_stdout(io.StringIO()):
        found = federated_loop.compare(place.folder / "rounds", rounds, place.accelerator, cases)
    yield {**found, "ok": found["suite_and_loop"][0] < 1e-2}


def check_private_step(place: Place) -> Iterator[Line]:
    """Medians of the ratios to the step without privacy."""
    cases = list(dp_step.CASES)[:1] if place.small else list(dp_step.CASES)
    for case in cases:
        seconds, failed = dp_step.interleaved(case, place.device, 2e9, 1 if place.small else 9)
        plain = statistics.median(seconds["without privacy"])
        ratios = {way: statistics.median(own) / plain for way, own in seconds.items()}
        yield {"case": case, "plain_s": plain, "ratios": ratios, "failed": failed, "ok": "this suite" in ratios}


def check_memory(place: Place) -> Iterator[Line]:
    """Peak of a step of each task beside what is expected."""
    for expected in training_memory.expected(["isic"] if place.small else []):
        line: Line = {"task": expected.name, "expected_gib": expected.bytes / 2**30, "ok": True}
        if place.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            config = yaml.safe_load((packaged_root() / f"tasks/{expected.name}.yaml").read_text())
            task, shape = training_memory.task_and_shape(config)
            task.cuda()
            copies = [parameter.detach().clone() for parameter in task.parameters() for _ in range(3)]
            optimizer = torch.optim.AdamW(task.parameters())
            label = torch.zeros(shape[0], len(task.predicted), *shape[2:], device="cuda")
            for _ in range(2):
                with torch.autocast("cuda", torch.bfloat16):
                    loss = task.example_losses(torch.zeros(shape, device="cuda"), label).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            peak = torch.cuda.max_memory_allocated()
            line |= {"peak_gib": peak / 2**30, "ratio": peak / expected.bytes}
            del task, copies, optimizer, label, loss
        yield line


def check_sharing(place: Place) -> Iterator[Line]:
    """Two runs of three rounds at once, against one after the other."""
    command = [sys.executable, __file__, "--device", place.device, *(["--small"] if place.small else []), "--one"]

    def start(name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, str(place.folder / name)], stdout=subprocess.DEVNULL)

    def seconds(*names: str, together: bool) -> float:
        began = time.perf_counter()
        if together:
            started = [start(name) for name in names]
            failed = [process.wait() for process in started]
        else:
            failed = [start(name).wait() for name in names]
        if any(failed):
            raise RuntimeError(f"a run ended with {failed}")
        return time.perf_counter() - began

    seconds("warm", together=False)  # phantoms and imports
    apart, together = seconds("a", "b", together=False), seconds("c", "d", together=True)
    yield {"apart_s": apart, "together_s": together, "ratio": together / apart, "ok": True}


CHECKS: dict[str, Callable[[Place], Iterator[Line]]] = {
    "weights": check_weights,
    "noise": check_noise,
    "resume": check_resume,
    "waiting": check_waiting,
    "round": check_round,
    "private step": check_private_step,
    "memory": check_memory,
    "sharing": check_sharing,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the lines; 1 if one is not ok."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="as little as possible, to see that it runs")
    parser.add_argument("--only", choices=CHECKS, nargs="+", default=list(CHECKS), help="some of the checks")
    parser.add_argument("--one", type=Path, metavar="FOLDER", help="only make one run there")
    options = parser.parse_args(arguments)
    accelerator = "gpu" if options.device == "cuda" else "cpu"
    if options.one:
        trainer, task, data = federated_loop.set_up(options.one, 4, 16 if options.small else 256, 3, accelerator)
        trainer.fit(task, datamodule=data)
        return 0
    name = torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(json.dumps({"check": "device", "name": name, "torch": torch.__version__, "small": options.small}), flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(accelerator, options.device, options.small, Path(scratch))
        for check in options.only:
            began = time.perf_counter()
            try:
                lines = list(CHECKS[check](place))
            except Exception as error:  # the other checks are worth their minutes
                lines = [{"ok": False, "error": f"{type(error).__name__}: {error}"}]
            took = round(time.perf_counter() - began, 1)
            for line in lines:
                failed += not line["ok"]
                print(json.dumps({"check": check, **line, "check_s": took}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
