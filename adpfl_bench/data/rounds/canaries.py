"""Canaries: made-up units that join one client's training examples, each in or out by a coin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from adpfl_bench.data.rounds.round_plan import CanaryExample, ExampleId, Key, PlannedStep, group_examples
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example, PlannedCanaries
from adpfl_bench.records.blocks import CanariesBlock
from adpfl_bench.seeding import numpy_generator, torch_generator

_BLOCKS = {2: 8, 3: 4}  # along each axis of pictures and of volumes
_LOUDNESS = 100.0


class Canaries:
    """Units of one client that exist for an audit alone.

    Every canary has its place in the plan of local steps, and in every public number that follows from it, whether it
    is in or out; one that is out brings nothing to the steps that it is planned for. So its coin decides between
    two neighbouring datasets under zero-out adjacency.

    Args:
        count: Number of canaries, at least 1.
        seed: Seed of the run; coins and contents follow from it.
        records: Examples of each canary, at least 1.
        by_patient: Whether the client's units are patients.
        client: Whom they join; by default the client with the fewest units.
        clipped: Whether each unit's gradient is clipped by itself. If so, canaries are loud (see :meth:`example`), and
            those that are out drop out of their batches. If not, they must not take over the training, so they are
            ordinary; and those that are out stay in their batches, where the loss must give them no weight.

    Attributes:
        included: The coins, [count].
        wanted_client: The client that was asked for, if any.
        client: Whom they have joined; ``None`` before.
        dataset: All examples, theirs included; once :meth:`add_to` was called.

    Raises:
        ConfigError: A number is below 1.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        records: int = 1,
        by_patient: bool = False,
        client: str | None = None,
        clipped: bool = True,
    ) -> None:
        if count < 1 or records < 1:
            raise ConfigError(
                f"audit.canaries and audit.records must be at least 1, but they are {count} and {records}."
            )
        self.count = count
        self.seed = seed
        self.records = records
        self.by_patient = by_patient
        self.clipped = clipped
        self.included: NDArray[np.bool_] = numpy_generator(seed, "canary coins").random(count) < 0.5
        self.wanted_client = client
        self.client: str | None = None
        self.dataset: Dataset[Example] | None = None
        self._like: Example | None = None

    def join(
        self, training: Mapping[str, Sequence[ExampleId]], patients: Mapping[ExampleId, str]
    ) -> Mapping[str, Sequence[ExampleId]]:
        """Add the canaries to a client's training examples, behind its own.

        Raises:
            ConfigError: There is no such client.
        """
        units = patients if self.by_patient else None
        fewest = min(training, key=lambda client: (len(group_examples(training[client], units)), client))
        self.client = self.wanted_client or fewest
        if self.client not in training:
            raise ConfigError(f"audit.client is {self.client}; possible are {', '.join(training)}.")
        return {**training, self.client: [*training[self.client], *self.examples]}

    @property
    def examples(self) -> list[CanaryExample]:
        """Their examples, canary after canary."""
        return [CanaryExample(canary, number) for canary in range(self.count) for number in range(self.records)]

    @property
    def patients(self) -> Mapping[ExampleId, str]:
        """The patient of each of their examples: each canary is one."""
        return {example: f"canary {example.canary}" for example in self.examples}

    def add_to(self, dataset: Dataset[Example], shaped_like: Key) -> Dataset[Example]:
        """Give a dataset their examples, of the shapes and types of one of its own."""
        self._like = dataset[shaped_like]
        self.dataset = _WithCanaries(dataset, self)
        return self.dataset

    def place(self, steps: Sequence[PlannedStep]) -> list[PlannedStep]:
        """Take canaries that are out from the steps of a round or, if they are not clipped, give them no weight."""
        return [self._placed(step) for step in steps]

    def _placed(self, step: PlannedStep) -> PlannedStep:
        owners = [key.canary if isinstance(key, CanaryExample) else None for key in step.keys]
        slots = sorted({owner for owner in owners if owner is not None})
        counts = [owner is None or bool(self.included[owner]) for owner in owners]
        if not self.clipped:
            weights = [float(each) for each in counts]
            return replace(step, weights=weights, canaries=PlannedCanaries(slots, owners))
        kept = [i for i, each in enumerate(counts) if each]
        numbers = {unit: number for number, unit in enumerate(dict.fromkeys(step.units[i] for i in kept))}
        return replace(
            step,
            keys=[step.keys[i] for i in kept],
            units=[numbers[step.units[i]] for i in kept],
            canaries=PlannedCanaries(slots, [owners[i] for i in kept]),
        )

    def examples_of(self, canary: int) -> list[Example]:
        """Make the examples of a canary."""
        return [self.example(CanaryExample(canary, number)) for number in range(self.records)]

    def example(self, which: CanaryExample) -> Example:
        """Make an example, of the shapes of the dataset's own.

        The image is of blocks of random colours, under noise. The label is on in half of all places, at random, so that
        nothing can be learned of it. Labels of loud canaries are -100 and 101 in place of 0 and 1, drawn place by
        place: so each gradient is a sum over places with random signs, large and nearly orthogonal to all others. No
        real example has such labels, but a guarantee is for every one. Labels of ordinary canaries are 0 and 1, in
        blocks: of single places, gradients would come near their mean.
        """
        assert self._like is not None
        image, label = self._like
        generator = torch_generator(self.seed, "canary", which.canary * self.records + which.number)

        def noise(like: Tensor, blocks: bool) -> Tensor:
            most = _BLOCKS.get(like.dim() - 1, 4) if blocks else max(like.shape)
            size = (like.shape[0], *(min(most, side) for side in like.shape[1:]))
            # Under 64-true the default type changes while a step is made, and another type is drawn otherwise.
            return torch.randn(size, generator=generator, dtype=torch.float32)

        colours = functional.interpolate(noise(image, True)[None], size=image.shape[1:])[0] + 0.5 * noise(image, False)
        values = noise(label, blocks=not self.clipped)
        middle = values.flatten(1).median(dim=1).values.view(-1, *[1] * (label.dim() - 1))
        on = functional.interpolate((values > middle).float()[None], size=label.shape[1:])[0]
        if self.clipped:
            on = (1 + 2 * _LOUDNESS) * on - _LOUDNESS
        return Example(colours.to(image.dtype), on.to(label.dtype))

    def describe(self) -> CanariesBlock:
        """Return the canaries in a run record's data block, once they have joined a client."""
        assert self.client is not None
        return CanariesBlock(
            client=self.client, count=self.count, included=int(self.included.sum()), records=self.records
        )


class _WithCanaries(Dataset[Example]):
    """A dataset and, beside its examples, those of canaries, which are not augmented."""

    def __init__(self, dataset: Dataset[Example], canaries: Canaries) -> None:
        self._dataset = dataset
        self._canaries = canaries

    def __getitem__(self, key: Key) -> Example:
        return self._canaries.example(key) if isinstance(key, CanaryExample) else self._dataset[key]
