"""Passes of a plain DataLoader: how it draws examples, as far as a proof has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, default_collate

from adpfl_bench.data.rounds.poisson_loader import EmptyBatches, PoissonBatches
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import Sampling


@dataclass(frozen=True)
class PlainPasses:
    """What is public of a loader's passes.

    Attributes:
        units: Number of examples.
        units_per_step: Examples of a batch, expected ones where they are drawn.
        steps: Batches of a pass.
        sampling: ``shuffle`` where a pass brings each example at most once, ``poisson`` where they are drawn.
        rate: Probability of an example to be in a batch, as far as it amplifies: 1 where the draws are public.
        fault: Why it is not known who is in which batch, or ``None``.
    """

    units: int
    units_per_step: int
    steps: int
    sampling: Sampling
    rate: float = 1.0
    fault: str | None = None


def read_passes(loader: Any, secure: bool) -> PlainPasses:
    """Find out how a loader draws.

    ``secure`` says whether noise is secret. Draws that follow from a seed are not, and amplify nothing then.

    Raises:
        ConfigError: It is no DataLoader of a dataset with a length.
    """
    dataset: Any = getattr(loader, "dataset", None)
    batches: Any = getattr(loader, "batch_sampler", None)
    if not isinstance(loader, DataLoader) or batches is None or not hasattr(dataset, "__len__"):
        raise ConfigError(
            "DifferentialPrivacy without a FederatedLoop needs one torch DataLoader of a dataset with a length that"
            f" makes batches, but training has {type(loader).__name__} of {type(dataset).__name__}."
        )
    units = len(dataset)
    if type(batches) is PoissonBatches:
        rate = 1.0 if secure and not batches.secret else batches.rate
        fault = None if batches.examples == units else "its PoissonBatches were made for another number of examples"
        fault = _collation(loader) or fault
        return PlainPasses(units, batches.expected, len(batches), "poisson", rate, fault)
    size = getattr(batches, "batch_size", None)
    if not isinstance(size, int):
        raise ConfigError(
            f"DifferentialPrivacy needs a public batch size, but {type(batches).__name__} states none: give the"
            " DataLoader a batch_size, or make it by poisson_loader."
        )
    return PlainPasses(units, size, len(loader), "shuffle", fault=_fault(loader, batches, units))


def _fault(loader: DataLoader[Any], batches: BatchSampler, units: int) -> str | None:
    sampler: Any = batches.sampler
    if type(loader) is not DataLoader:
        return f"how {type(loader).__name__} draws examples is not known"
    if fault := _collation(loader):
        return fault
    if type(batches) is not BatchSampler:
        return f"how {type(batches).__name__} draws examples is not known"
    if type(sampler) is RandomSampler:
        once = not sampler.replacement and sampler.num_samples == units
        return None if once else "its RandomSampler brings an example more than once in a pass"
    if type(sampler) is not SequentialSampler:
        return f"how {type(sampler).__name__} draws examples is not known"
    return None


def _collation(loader: DataLoader[Any]) -> str | None:
    """What makes batches of examples may mix them, so that a unit is in the gradients of others."""
    collate = loader.collate_fn
    if collate is default_collate or type(collate) is EmptyBatches:
        return None
    return f"how {getattr(collate, '__name__', type(collate).__name__)} makes a batch of examples is not known"
