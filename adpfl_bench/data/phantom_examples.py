"""Phantom examples beside a dataset: public, and of the shapes that its own have."""

from __future__ import annotations

import copy
from pathlib import Path

import torch

from adpfl_bench.data.case import Client
from adpfl_bench.data.datamodule import PHANTOM_ROOT, FederatedDataModule
from adpfl_bench.data.fingerprint import dataset_fingerprint
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.seeding import derive_seed


def phantom_examples(datamodule: FederatedDataModule, cases: int, seed: int) -> Example:
    """Return training examples of a phantom cohort of their own, prepared as a dataset's are.

    Args:
        datamodule: Says how cases become examples; nothing of its own data is read.
        cases: Number of phantom cases, which are drawn with ``seed``; so are the augmentations.
        seed: Their seed.

    Returns:
        Images [N, C, *spatial] and labels [N, ...], an example of each training case or patient.

    Raises:
        ConfigError: The dataset has no phantoms.
        DataError: They cannot be written or read.
    """
    twin = copy.copy(datamodule)
    twin.root, twin.phantom_cases, twin.phantom_seed = Path(PHANTOM_ROOT), cases, seed
    twin._plan, twin._contents = TrainingPlan(), None
    root, cases_found = twin._scan()
    twin.root = twin.holder(root, cases_found)
    twin._fingerprint = dataset_fingerprint(twin.root, cases_found)
    twin.use_clients([Client("phantoms", tuple(cases_found), (), ())])
    twin.read_contents()
    dataset = twin.load_cases(cases_found)
    keys = [key for own in twin.training.examples.values() for key in own if isinstance(key, int)]
    if not keys:
        raise ConfigError(f"Of {cases} phantom cases none is left to train on: make more of them.")
    found = [dataset[ExampleKey(key, derive_seed(seed, "phantom example", i))] for i, key in enumerate(keys)]
    return Example(*(torch.stack(parts) for parts in zip(*found, strict=True)))
