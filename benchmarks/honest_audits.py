"""Audits of honest runs over all settings: how many are accused, beside the error rate that is stated.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE nice python benchmarks/honest_audits.py --runs 200

Every run draws its unit, mechanism, threshold, sampling, precision, source of noise, client method, optimizer,
aggregation and seed, trains a small network on phantoms of skin lesions, and is audited with 30 canaries. Printed are
the settings of every accused run with what it is accused of, the number of runs by each setting, and the rate.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import BenchError
from adpfl_bench.federation.client_methods import ClientMethod, Ditto, FedProx, Scaffold
from adpfl_bench.privacy.audit.error_rates import ERROR_RATE
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.blocks import AuditedBlock
from adpfl_bench.tasks.skin_lesion import SkinLesionTask

UNITS = ("record", "patient", "batch", "client")
MECHANISMS = {
    "Gaussian": GaussianMechanism,
    "Laplace, L2": LaplaceMechanism,
    "Laplace, L1": lambda: LaplaceMechanism("l1"),
}
THRESHOLDS = {"fixed": FixedThreshold, "quantile": QuantileThreshold, "histogram": HistogramThreshold}
METHODS = {"none": ClientMethod, "FedProx": FedProx, "Scaffold": Scaffold, "Ditto": Ditto}
OPTIMIZERS = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.02),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.02, momentum=0.9),
    "AdamW": lambda parameters: torch.optim.AdamW(parameters, lr=0.002),
}
NETWORK = {"channels": (4, 8), "strides": (2,), "num_res_units": 0}


def draw(seed: int) -> dict[str, Any]:
    """Draw the settings of one run."""
    generator = np.random.default_rng([seed, 2718])

    def one_of(names: Any) -> str:
        return str(generator.choice(list(names)))

    unit = one_of(UNITS)
    by_unit = unit in ("record", "patient")
    return {
        "unit": unit,
        "mechanism": one_of(MECHANISMS),
        "threshold": one_of(THRESHOLDS) if unit != "batch" else "fixed",
        "sampling": one_of(("shuffle", "poisson", "fixed")) if by_unit else "shuffle",
        "precision": one_of(("32-true", "64-true", "bf16-mixed")),
        "noise": one_of(("seeded", "secret")),
        "z": one_of(("0.5", "1", "4")),
        "method": one_of(name for name in METHODS if not (unit == "client" and name == "Scaffold")),
        "optimizer": one_of(OPTIMIZERS),
        "state": one_of(("reset", "keep")),
        "normalize": one_of(("yes", "no")),
        "participants": one_of(("all", "2 of 3")),
        "passes": one_of(("1", "2")),
        "seed": seed,
    }


def audited(settings: dict[str, Any], phantoms: Path) -> AuditedBlock:
    """Train with canaries, and return what was found."""
    mechanism = MECHANISMS[settings["mechanism"]]()
    if settings["sampling"] == "fixed" and settings["mechanism"] == "Gaussian":
        mechanism = CorrelatedGaussianMechanism()
    privacy = DifferentialPrivacy(
        settings["unit"],
        THRESHOLDS[settings["threshold"]](),
        mechanism,
        float(settings["z"]),
        delta=1e-3,
        sampling=settings["sampling"],
        normalize=settings["normalize"] == "yes",
        secure=settings["noise"] == "secret",
    )
    loop = FederatedLoop(
        rounds=3,
        clients_per_round=2 if settings["participants"] == "2 of 3" else None,
        local_epochs=int(settings["passes"]),
        client_method=METHODS[settings["method"]](),
        client_optimizer_state=settings["state"],
        seed=settings["seed"],
    )
    data = ISICDataModule(
        Path("phantom"),
        IIDPartition(3),
        batch_size=4,
        image_size=(16, 16),
        phantom_cases=30,
        phantom_directory=phantoms,
    )
    torch.manual_seed(settings["seed"])
    task = SkinLesionTask("UNet", NETWORK, optimizer=OPTIMIZERS[settings["optimizer"]])
    audit = PrivacyAudit(30)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=loop.schedule.total_rounds,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            precision=settings["precision"],
            default_root_dir=folder,
            callbacks=[loop, privacy, audit],
        )
        trainer.fit(task, datamodule=data)
    assert audit.result is not None
    return audit.result


def main() -> None:
    """Run the audits, and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="number of runs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first one")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "adpfl_bench"):
        logging.getLogger(name).setLevel(logging.ERROR)
    counts: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    accused, above, diverged = 0, 0, 0
    with tempfile.TemporaryDirectory() as phantoms:
        for seed in range(arguments.first, arguments.first + arguments.runs):
            settings = draw(seed)
            try:
                result = audited(settings, Path(phantoms))
            except BenchError as error:  # noise may let a network diverge, which is no accusation
                diverged += 1
                print(json.dumps({"settings": settings, "ended": str(error)}), flush=True)
                continue
            counts.update(f"{name} {value}" for name, value in settings.items() if name != "seed")
            tests.update(name for name, check in result.checks.items() if check.passed is not None)
            failed = {name: check.reason for name, check in result.checks.items() if check.passed is False}
            exceeds = result.accounted is not None and result.epsilon > result.accounted
            accused, above = accused + bool(failed), above + exceeds
            if failed or exceeds:
                print(json.dumps({"settings": settings, "failed": failed, "exceeds": exceeds}), flush=True)
    print("runs by setting:", ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    print("runs by check that was decided:", ", ".join(f"{name}: {count}" for name, count in sorted(tests.items())))
    print(f"{diverged} runs diverged under their noise, and were not audited to the end")
    audits = arguments.runs - diverged
    print(f"{audits} honest runs, {accused} accused by a check; stated error rate of each: {ERROR_RATE:.1e}")
    print(f"audited epsilon above the accounted one: {above} (at most 5 % of them by chance)")


if __name__ == "__main__":
    main()
