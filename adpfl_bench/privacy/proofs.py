"""What the proof of an epsilon knows: one list of exact classes and settings, each with the line that covers it.

A class is known only as itself. A subclass, or another class of the same name, may do anything, so it is not known. The
author of one may state a proof of their own (:func:`register_proof`); records then say that the guarantee is *claimed
by the author*. Classes of other packages are named and not imported: they are looked up where they have been loaded.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import ACCOUNTED_LAWS, LawName

PartKind = Literal[
    "privacy unit", "sampling", "mechanism", "threshold rule", "local optimizer", "learning-rate schedule",
    "client method", "callback", "precision", "strategy", "device", "checkpoint writer", "logger",
]  # fmt: skip


@dataclass(frozen=True)
class Proof:
    """A line of the proof.

    Attributes:
        kind: What its parts are to a run.
        names: The parts that it is about: import paths of classes, or settings.
        statement: Why they are covered.
    """

    kind: PartKind
    names: tuple[str, ...]
    statement: str


@dataclass(frozen=True)
class ProofLine:
    """The line of the proof that covers one part of a run.

    Attributes:
        kind: What the part is to the run.
        name: Name of its class, or the setting.
        statement: Why it is covered.
        claimed: Whether its author states that, and not this suite.
    """

    kind: PartKind
    name: str
    statement: str
    claimed: bool = False


@dataclass(frozen=True)
class NoiseLaw:
    """The law that noise is accounted as.

    Attributes:
        name: The accounted law.
        factor: The noise hides what noise of that law with this many times its scale would hide.
    """

    name: LawName
    factor: float = 1.0


@dataclass(frozen=True)
class _Claim:
    statement: str
    law: NoiseLaw | None


_OPTIMIZERS = (
    "SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop", "Adafactor",
)  # fmt: skip
_SCHEDULES = (
    "StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts", "OneCycleLR", "SequentialLR", "ChainedScheduler",
)  # fmt: skip
_CLIENT_METHODS = ("ClientMethod", "FedProx", "Scaffold", "Ditto", "LocalTraining")
_SUITE_CALLBACKS = (
    "differential_privacy.DifferentialPrivacy", "examples.ExampleCases", "federated_loop.FederatedLoop",
    "prediction_writer.PredictionWriter", "privacy_audit.PrivacyAudit", "progress.RoundLines",
    "progress.RoundProgressBar", "run_recorder.RunRecorder", "slurm_requeue.SlurmRequeue",
)  # fmt: skip
_LOOKERS = (
    "DeviceStatsMonitor", "LearningRateMonitor", "ModelSummary", "RichModelSummary", "RichProgressBar",
    "TQDMProgressBar",
)  # fmt: skip


def _within(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names)


KNOWN: tuple[Proof, ...] = (
    Proof("privacy unit", ("batch",), "one clipped mean a step, of sensitivity 2C; a pass is one release (4)"),
    Proof("privacy unit", ("record", "patient"), "a sum of gradients clipped one by one, of sensitivity C"),
    Proof("privacy unit", ("client",), "a clipped change of the weights, of sensitivity C; a turn is one release"),
    Proof("sampling", ("shuffle",), "a unit is in one batch of each pass, and no amplification is claimed (4)"),
    Proof("sampling", ("poisson",), "each unit is drawn for itself at every step, and every step is a release (5)"),
    Proof("sampling", ("fixed",), "batches take turns, so a unit is in one of as many steps in a row as there are (9)"),
    Proof("mechanism", _within("adpfl_bench.privacy.mechanisms", "GaussianMechanism"), "Gaussian noise (1, 5)"),
    Proof(
        "mechanism",
        _within("adpfl_bench.privacy.correlated_noise", "CorrelatedGaussianMechanism"),
        "Gaussian noise on the sums times a banded matrix, of which a pass moves one column (9)",
    ),
    Proof("mechanism", _within("adpfl_bench.privacy.mechanisms", "LaplaceMechanism"), "Laplace noise (2, 3, 5)"),
    Proof(
        "mechanism",
        _within("adpfl_bench.privacy.summed_noise", "SummedGaussianMechanism"),
        "Gaussian noise on the sum of a round's clients, where nobody sees more than that (11)",
    ),
    Proof(
        "mechanism",
        _within("adpfl_bench.privacy.summed_discrete_noise", "SummedDiscreteGaussianMechanism"),
        "the same with sums and noise that are whole numbers, as a secure aggregation adds them up (12)",
    ),
    Proof("threshold rule", _within("adpfl_bench.privacy.thresholds", "FixedThreshold"), "C is a public constant"),
    Proof(
        "threshold rule",
        _within("adpfl_bench.privacy.private_thresholds", "QuantileThreshold", "HistogramThreshold"),
        "C is computed from noised sums alone, which are part of the release (6)",
    ),
    Proof(
        "local optimizer",
        _within("torch.optim", *_OPTIMIZERS),
        "steps on one gradient and the client's own state, never on the loss: post-processing of what was released,"
        " or part of the change that a client clips and noises",
    ),
    Proof(
        "learning-rate schedule",
        (*_within("torch.optim.lr_scheduler", *_SCHEDULES), "adpfl_bench.tasks.schedules.CosineOverRounds"),
        "counts rounds, which are public",
    ),
    Proof(
        "learning-rate schedule",
        ("torch.optim.lr_scheduler.ReduceLROnPlateau", "lightning.pytorch.cli.ReduceLROnPlateau"),
        "follows a validation score, which the guarantee names as not covered",
    ),
    Proof(
        "client method",
        _within("adpfl_bench.federation.client_methods", *_CLIENT_METHODS),
        "computes with released gradients and weights, or is refused for the unit client",
    ),
    Proof(
        "callback",
        _within("adpfl_bench.callbacks", *_SUITE_CALLBACKS),
        "makes the steps that this page describes, or only looks on",
    ),
    Proof(
        "callback",
        _within("adpfl_bench.callbacks", "phantom_geometry.PhantomGeometry", "phantom_subspace.PhantomSubspace"),
        "scales or splits gradients, before they are clipped, as phantoms say at weights that were released (10, 13)",
    ),
    Proof(
        "callback",
        _within("adpfl_bench.callbacks.phantom_mirror", "PhantomMirror"),
        "mixes gradients of phantoms into what was released, before the optimizer steps on it: post-processing (14)",
    ),
    Proof("callback", ("adpfl_bench.wandb.cases.WandbCases",), "shows test cases after training"),
    Proof(
        "callback",
        (
            *_within("lightning.pytorch.callbacks", *_LOOKERS),
            "lightning.pytorch.cli.SaveConfigCallback",
            "adpfl_bench.running.saved_configuration.SavedConfiguration",
        ),
        "only looks on",
    ),
    Proof(
        "callback",
        (
            "lightning.pytorch.callbacks.ModelCheckpoint",
            "lightning.pytorch.callbacks.EarlyStopping",
            "adpfl_bench.callbacks.checkpointing.RoundCheckpoint",
        ),
        "keeps or ends whole rounds; a choice by a validation score is named as not covered",
    ),
    Proof("callback", ("lightning.pytorch.callbacks.Timer",), "ends the run by the clock, named as not covered"),
    Proof("precision", ("32-true", "64-true"), "norms and sums are in float32 or wider"),
    Proof("precision", ("bf16-mixed",), "the same, since what is clipped unit by unit is computed in float32"),
    Proof(
        "strategy",
        ("lightning.pytorch.strategies.SingleDeviceStrategy",),
        "one device for each process; what several bring together has been released by then",
    ),
    Proof(
        "device",
        _within("lightning.pytorch.accelerators", "CPUAccelerator", "CUDAAccelerator"),
        "float32 is computed as float32",
    ),
    Proof(
        "checkpoint writer",
        ("lightning.pytorch.plugins.io.TorchCheckpointIO", "adpfl_bench.callbacks.checkpointing.AtomicCheckpointIO"),
        "writes what it is given, and reads it back",
    ),
    Proof(
        "logger",
        (
            *_within("lightning.pytorch.loggers", "CSVLogger", "TensorBoardLogger", "MLFlowLogger", "WandbLogger"),
            "adpfl_bench.wandb.logger.RunWandbLogger",
        ),
        "is told numbers and changes nothing",
    ),
)
"""The list; numbers in brackets are those of docs/privacy.md, *What is proved*."""

_CLAIMS: dict[type, _Claim] = {}


def register_proof(part: type, statement: str, *, like: LawName | None = None, factor: float = 1.0) -> None:
    """State a proof for a class of one's own, so that runs with it have an epsilon, *claimed by the author*.

    It holds for this class and for no subclass. Call it where the class is defined, after it.

    Args:
        part: The class: a mechanism, threshold rule, local optimizer, schedule, client method, callback, logger or
            another part of a Trainer.
        statement: Why a run with it is as private as one without, in a sentence; records quote it.
        like: For mechanisms, the law that bounds their noise.
        factor: At scale s the noise hides what noise of that law hides at scale ``factor * s``.

    Raises:
        ConfigError: The statement is empty, the part is no class or is known already, or the law is unknown.
    """
    if not isinstance(part, type) or not statement.strip():
        raise ConfigError(
            f"register_proof expects a class and a sentence that says why it is covered, but it was given {part!r} and"
            f" {statement!r}."
        )
    if any(_known(kind, part) for kind in {proof.kind for proof in KNOWN}):
        raise ConfigError(f"{part.__name__} has a proof of this suite already; register a class of your own.")
    if like is not None and like not in ACCOUNTED_LAWS:
        raise ConfigError(f"register_proof: like is {like}; possible are {', '.join(ACCOUNTED_LAWS)}.")
    if not 0 < factor < math.inf:
        raise ConfigError(f"register_proof: factor is a ratio of scales, greater than 0, but it is {factor}.")
    _CLAIMS[part] = _Claim(statement.strip(), NoiseLaw(like, factor) if like is not None else None)


def find_proof(kind: PartKind, part: type | str) -> ProofLine | None:
    """Find the line of the proof for a part of a run: a class or a setting; ``None`` where there is none."""
    name = part if isinstance(part, str) else part.__name__
    if (proof := _known(kind, part)) is not None:
        return ProofLine(kind, name, proof.statement)
    claim = _CLAIMS.get(part) if isinstance(part, type) else None
    # Noise is accounted by its law: without one there is nothing to compute with.
    if claim is None or (kind == "mechanism" and claim.law is None):
        return None
    return ProofLine(kind, name, claim.statement, claimed=True)


def noise_law(mechanism: type) -> NoiseLaw | None:
    """Return the law that a mechanism's noise is accounted as; ``None`` where no bound is known."""
    if _known("mechanism", mechanism) is not None:
        return next(NoiseLaw(law) for law in ACCOUNTED_LAWS if mechanism.__name__.endswith(law))
    claim = _CLAIMS.get(mechanism)
    return claim.law if claim is not None else None


def as_markdown() -> str:
    """Return the list as a table, as docs/privacy.md has it."""
    rows = [f"| {proof.kind} | {', '.join(_short(proof))} | {proof.statement} |" for proof in KNOWN]
    return "\n".join(["| what | known | why it is covered |", "|---|---|---|", *rows])


def _short(proof: Proof) -> Iterator[str]:
    for name in proof.names:
        yield f"`{name}`" if "." not in name or name.endswith("ReduceLROnPlateau") else f"`{name.rpartition('.')[2]}`"


def _known(kind: PartKind, part: type | str) -> Proof | None:
    for proof in KNOWN:
        if proof.kind == kind:
            if isinstance(part, str):
                if part in proof.names:
                    return proof
            elif any(_loaded(name) is part for name in proof.names):
                return proof
    return None


def _loaded(path: str) -> object:
    """The class of this name, if its module has been loaded."""
    module, _, name = path.rpartition(".")
    return getattr(sys.modules.get(module), name, None)
