"""The suite's rounds against a hand-written PyTorch loop that does the same steps.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/federated_loop.py [--only small] [--optimizer sgd]

Eight clients train on phantoms: ``unet`` is a 2-D UNet (16-32-64-128) on pictures of 128x128 with batches of 8,
``small`` one of 8-16-32 on 32x32 with batches of 4, whose steps take a few milliseconds. ``private`` is the first with
a clipped and noised gradient of each example; the loop beside it is not private.

The suite runs as on the command line, with records and checkpoints; the loop trains, averages and nothing else. It has
MONAI's network as MONAI makes it, with PyTorch's layers and AdamW, and MONAI's transforms, which are seeded for each
example so that it sees the same pixels; with ``--same_loading`` it loads examples as the suite does. Rounds alternate
in one process, so that both see the same machine; what counts are the ratios of the medians of wall and processor time,
and the least and greatest ratio of a round to the one beside it. ``loading`` is the share of the loop's time that its
examples take.

The largest difference of a weight after each round shows that both do the same: ``suite_and_loop``. Beside it,
``loop_and_itself`` is that of the loop to the same loop on another number of threads (not timed), which adds in another
order: AdamW divides a gradient by its own size, and so amplifies the rounding of its first steps in any program, where
SGD with momentum (``--optimizer sgd``, for both) does not. ``moved`` is how far training has moved a weight at most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from monai.networks.nets import UNet
from monai.transforms import Compose, RandFlipd, RandRotate90d, RandScaleIntensityd, RandShiftIntensityd
from torch.utils.data import default_collate

from adpfl_bench.callbacks.checkpointing import AtomicCheckpointIO, RoundCheckpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.no_profiler import NoProfiler
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.images.image_datamodule import normalize
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.data.rounds.augmentation import augment
from adpfl_bench.data.rounds.round_plan import Key, plan_round
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.skin_lesion import SkinLesionTask


class Kind(NamedTuple):
    """What is trained on what."""

    size: int = 128
    batch_size: int = 8
    channels: tuple[int, ...] = (16, 32, 64, 128)
    strides: tuple[int, ...] = (2, 2, 2)
    private: bool = False
    cases: int = 256

    @property
    def network(self) -> dict[str, Any]:
        """Arguments of the network that are not the suite's defaults."""
        return {"channels": self.channels, "strides": self.strides}


OPTIMIZERS: dict[str, Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer]] = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
}
KINDS = {
    "unet": Kind(),
    "small": Kind(size=32, batch_size=4, channels=(8, 16, 32), strides=(2, 2), cases=1024),
    "private": Kind(private=True),
}
CLIENTS = 8


class PlainLoop:
    """FedAvg written by hand over the same examples, in the same order."""

    def __init__(
        self,
        data: FederatedDataModule,
        loop: FederatedLoop,
        network: torch.nn.Module,
        kind: Kind,
        device: str = "cpu",
        same_loading: bool = False,
        optimizer: str = "adamw",
    ) -> None:
        self.data, self.schedule, self.device = data, loop.schedule, torch.device(device)
        self.optimizer = OPTIMIZERS[optimizer]
        norm = ("INSTANCE", {"affine": True})
        self.network = UNet(2, 3, 1, kind.channels, kind.strides, norm=norm, act="PRELU", bias=False).to(device)
        self.network.load_state_dict(network.state_dict())
        self.weights = {name: value.clone() for name, value in self.network.state_dict().items()}
        both = ["image", "label"]
        flips = [RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in (0, 1)]
        scale, shift = (
            RandScaleIntensityd("image", factors=0.1, prob=0.5),
            RandShiftIntensityd("image", offsets=0.2, prob=0.5),
        )
        self.transforms = Compose([*flips, RandRotate90d(both, prob=0.5), scale, shift])
        self.same_loading = same_loading
        self.loading_seconds = 0.0

    def batch(self, keys: Sequence[Key]) -> Example:
        """Bring examples."""
        started, examples = time.process_time(), []
        for key in keys:
            if self.same_loading:
                examples.append(self.data._examples[key])
                continue
            pixels, mask = self.data._cache[key.example]
            image, label = normalize(torch.tensor(pixels)), torch.tensor(mask).float()
            examples.append(Example(*augment(self.transforms, image, label, key.seed)))
        batch = default_collate(examples)
        self.loading_seconds += time.process_time() - started
        return batch

    def round(self, index: int) -> None:
        """Train every client from the global weights and average."""
        positions = {case.case_id: i for i, case in enumerate(c for client in self.data.clients for c in client.cases)}
        records = {client.name: [positions[case.case_id] for case in client.train] for client in self.data.clients}
        total = sum(map(len, records.values()))
        average = {name: torch.zeros_like(value) for name, value in self.weights.items()}
        optimizer, client = None, None
        for step in plan_round(self.schedule, index, records, self.data.batch_size):
            if step.client != client:
                client = step.client
                self.network.load_state_dict(self.weights)
                optimizer = self.optimizer(self.network.parameters())
            batch = self.batch(step.keys)
            image, label = batch.image.to(self.device), batch.label.to(self.device)
            loss = dice_cross_entropy(self.network(image), label).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step.last:
                for name, value in self.network.state_dict().items():
                    average[name] += value * (len(records[client]) / total)
        self.weights = average
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Alternate(Callback):
    """After each of the suite's rounds, runs and times one of the loop's, and has another loop make it too."""

    def __init__(self, plain: PlainLoop, other: PlainLoop | None) -> None:
        self.plain, self.other = plain, other
        self.suite: list[tuple[float, float]] = []
        self.loop: list[tuple[float, float]] = []
        self.start = plain.weights
        self.from_loop: list[float] = []
        self.of_loops: list[float] = []
        self._started = 0.0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of the first round."""
        self._started = _now()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the suite's clock, time the loop's round, and start the suite's clock again."""
        self.suite.append(_since(self._started))
        started = _now()
        self.plain.round(trainer.current_epoch)
        self.loop.append(_since(started))
        self.from_loop.append(largest_difference(self.plain.weights, pl_module.network.state_dict()))
        if self.other is not None:
            threads = torch.get_num_threads()
            torch.set_num_threads(1 if threads > 1 else 2)
            self.other.round(trainer.current_epoch)
            torch.set_num_threads(threads)
            self.of_loops.append(largest_difference(self.plain.weights, self.other.weights))
        if trainer.current_epoch == 0:
            self.plain.loading_seconds = 0.0
        self._started = _now()


def largest_difference(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """The largest difference of a weight."""
    return max(float((value - theirs[name].to(value.device)).abs().max()) for name, value in ours.items())


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> tuple[float, float]:
    wall, processor = _now()
    return wall - started[0], processor - started[1]


def set_up(
    folder: Path,
    clients: int,
    cases: int,
    rounds: int,
    accelerator: str = "cpu",
    kind: Kind = KINDS["unet"],
    optimizer: str = "adamw",
) -> tuple[Trainer, SkinLesionTask, ISICDataModule]:
    """Build what the command line would build, without validation."""
    torch.manual_seed(0)
    data = ISICDataModule(
        "phantom",
        IIDPartition(clients),
        phantom_cases=cases,
        phantom_size=(max(32, kind.size),) * 2,
        image_size=(kind.size, kind.size),
        batch_size=kind.batch_size,
        phantom_directory=folder.parent / f"phantoms-{kind.size}-{cases}",
        validation_fraction=0.0,
        test_fraction=0.0,
    )
    privacy = DifferentialPrivacy()
    if kind.private:
        privacy = DifferentialPrivacy("record", FixedThreshold(1.0), GaussianMechanism(), 1.0, normalize=True)
    callbacks = [
        FederatedLoop(rounds=rounds, client_optimizer=OPTIMIZERS[optimizer]),
        privacy,
        RunRecorder(),
        RoundCheckpoint(folder),
    ]
    trainer = Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=rounds,
        limit_val_batches=0,
        logger=False,
        default_root_dir=folder,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        profiler=NoProfiler(),
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    return trainer, SkinLesionTask(network_arguments=kind.network), data


def compare(
    folder: Path,
    rounds: int,
    accelerator: str = "cpu",
    cases: int | None = None,
    clients: int = CLIENTS,
    kind: Kind = KINDS["unet"],
    same_loading: bool = False,
    optimizer: str = "adamw",
    itself: bool = False,
) -> dict[str, float | list[float]]:
    """Time alternating rounds; the first, which warms up, is left out. ``itself`` adds ``loop_and_itself``."""
    trainer, task, data = set_up(folder, clients, cases or kind.cases, rounds + 1, accelerator, kind, optimizer)
    data.setup("fit")
    device = "cuda" if accelerator == "gpu" else "cpu"

    def loop() -> PlainLoop:
        return PlainLoop(data, trainer.callbacks[0], task.network, kind, device, same_loading, optimizer)

    timer = Alternate(loop(), loop() if itself and not kind.private else None)
    trainer.callbacks.insert(-1, timer)
    trainer.fit(task, datamodule=data)
    steps = trainer.global_step / (rounds + 1)
    (suite, suite_cpu), (plain, plain_cpu) = (
        [statistics.median(times) for times in zip(*rows[1:], strict=True)] for rows in (timer.suite, timer.loop)
    )
    moved = largest_difference(timer.start, timer.plain.weights)
    differs = {} if kind.private else {"suite_and_loop": timer.from_loop, "loop_and_itself": timer.of_loops}
    beside = [ours[1] / loops[1] for ours, loops in zip(timer.suite[1:], timer.loop[1:], strict=True)]
    return {
        "ratio": suite / plain,
        "cpu_ratio": suite_cpu / plain_cpu,
        "least_cpu_ratio": min(beside),
        "greatest_cpu_ratio": max(beside),
        "suite_s": suite,
        "plain_s": plain,
        "plain_cpu_ms_per_step": 1000 * plain_cpu / steps,
        "moved": moved,
        "loading": timer.plain.loading_seconds / sum(row[1] for row in timer.loop[1:]),
        **{name: found for name, found in differs.items() if found},
    }


def rounded(figures: dict[str, float | list[float]]) -> str:
    """Figures by name as JSON, with three digits."""
    short = {name: float(f"{value:.3g}") for name, value in figures.items() if isinstance(value, float)}
    lists = {name: [float(f"{one:.1e}") for one in value] for name, value in figures.items() if isinstance(value, list)}
    return json.dumps({**short, **lists})


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds of each")
    parser.add_argument("--only", choices=KINDS, help="one kind")
    parser.add_argument("--same_loading", action="store_true", help="let the loop load examples as the suite does")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw", help="of the clients, in suite and loop")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as scratch:
        for name in [options.only] if options.only else KINDS:
            found = compare(
                Path(scratch) / name,
                options.rounds,
                kind=KINDS[name],
                same_loading=options.same_loading,
                optimizer=options.optimizer,
                itself=True,
            )
            print(name, rounded(found), flush=True)


if __name__ == "__main__":
    main()
