"""Canaries: made-up units that join one client's training records, each in or out by a coin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from adpfl_bench.data.rounds.round_loader import LocalStep, PersistentWorkers, RecordKey, RoundLoader, group_records
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.data_block import CanariesBlock
from adpfl_bench.seeding import numpy_generator, torch_generator

_Records = Dataset[dict[str, Tensor]]
_BLOCKS = {2: 8, 3: 4}  # along each axis of pictures and of volumes
_LOUDNESS = 100.0


class Canaries:
    """Units of one client that exist for an audit alone.

    Every canary has its place in the plan of local steps, and in every public number that follows from it, whether it
    is in or out; one that is out brings nothing to the steps that it is planned for. So its coin decides between
    two neighbouring datasets under zero-out adjacency.

    Records of the dataset have keys from 0 up, those of canaries negative ones.

    Args:
        count: Number of canaries, at least 1.
        seed: Seed of the run; coins and contents follow from it.
        records: Records of each canary, at least 1.
        by_patient: Whether the client's units are patients.
        client: Whom they join; by default the client with the fewest units.
        clipped: Whether each unit's gradient is clipped by itself. If so, canaries are loud (see :meth:`record`), and
            those that are out drop out of their batches. If not, they must not take over the training, so they are
            ordinary; and those that are out stay in their batches, where the loss must give them no weight.

    Attributes:
        included: The coins, [count].
        wanted_client: The client that was asked for, if any.
        client: Whom they have joined; empty before.

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
        self.client = ""
        self._example: dict[str, Tensor] = {}

    def join(self, training: Mapping[str, Sequence[int]], patients: Mapping[int, str]) -> Mapping[str, Sequence[int]]:
        """Add the canaries to a client's training records.

        Args:
            training: Each client's training records.
            patients: Patient of each record.

        Returns:
            The training records with the canaries' behind the client's own.

        Raises:
            ConfigError: There is no such client.
        """
        units = patients if self.by_patient else None
        fewest = min(training, key=lambda client: (len(group_records(training[client], units)), client))
        self.client = self.wanted_client or fewest
        if self.client not in training:
            raise ConfigError(f"audit.client is {self.client}; possible are {', '.join(training)}.")
        keys = [-1 - i for i in range(self.count * self.records)]
        return {**training, self.client: [*training[self.client], *keys]}

    def add_to(self, dataset: _Records, example: int) -> CanaryRecords:
        """Give a dataset their records.

        Args:
            dataset: Maps a key to ``image`` and ``label``.
            example: One of its records, whose shapes and types those of the canaries have.
        """
        self._example = dataset[RecordKey(example, 0)]
        return CanaryRecords(dataset, self)

    @property
    def patients(self) -> Mapping[int, str]:
        """The patient of each of their records: each canary is one."""
        return {-1 - i: f"canary {i // self.records}" for i in range(self.count * self.records)}

    def owner(self, record: int) -> int:
        """The canary that a record belongs to, or -1."""
        return (-1 - record) // self.records if record < 0 else -1

    def record(self, key: int) -> dict[str, Tensor]:
        """Make a record: ``image`` and ``label`` of the shapes of the dataset's own.

        The image is of blocks of random colours, under noise. The label is on in half of all places, at random, so that
        nothing can be learned of it. Labels of loud canaries are -100 and 101 in place of 0 and 1, drawn place by
        place: so each gradient is a sum over places with random signs, large and nearly orthogonal to all others. No
        real record has such labels, but a guarantee is for every record. Labels of ordinary canaries are 0 and 1, in
        blocks: of single places, gradients would come near their mean.
        """
        generator = torch_generator(self.seed, "canary", -1 - key)
        image, label = self._example["image"], self._example["label"]

        def noise(like: Tensor, blocks: bool) -> Tensor:
            most = _BLOCKS.get(like.dim() - 1, 4) if blocks else max(like.shape)
            return torch.randn(like.shape[0], *(min(most, side) for side in like.shape[1:]), generator=generator)

        colours = functional.interpolate(noise(image, True)[None], size=image.shape[1:])[0] + 0.5 * noise(image, False)
        values = noise(label, blocks=not self.clipped)
        middle = values.flatten(1).median(dim=1).values.view(-1, *[1] * (label.dim() - 1))
        on = functional.interpolate((values > middle).float()[None], size=label.shape[1:])[0]
        if self.clipped:
            on = (1 + 2 * _LOUDNESS) * on - _LOUDNESS
        return {"image": colours.to(image.dtype), "label": on.to(label.dtype)}

    def describe(self) -> CanariesBlock:
        """The canaries in a run record's data block."""
        return CanariesBlock(
            client=self.client, count=self.count, included=int(self.included.sum()), records=self.records
        )


class CanaryRecords(Dataset[dict[str, Tensor]]):
    """A dataset with the canaries' records under their keys.

    Args:
        dataset: The dataset without them.
        canaries: The canaries.
    """

    def __init__(self, dataset: _Records, canaries: Canaries) -> None:
        self._dataset = dataset
        self._canaries = canaries

    def __getitem__(self, key: RecordKey) -> dict[str, Tensor]:
        """Bring a record; those of canaries are not augmented."""
        return self._canaries.record(key.record) if key.record < 0 else self._dataset[key]


class CanaryLoader(RoundLoader):
    """Brings the batches of a round without the canaries that are out.

    A batch has two more fields: ``slots``, the canaries that were planned for it, whether in or out, ascending; and
    ``canaries``, the canary of each of its records or -1, [B].

    Args:
        dataset: With the canaries' records.
        steps: The round's plan, with all canaries.
        round_index: Round, counted from 0.
        workers: As of a :class:`~adpfl_bench.data.rounds.round_loader.RoundLoader`.
        canaries: The canaries.
    """

    def __init__(
        self,
        dataset: _Records,
        steps: Sequence[LocalStep],
        round_index: int,
        workers: PersistentWorkers | None,
        canaries: Canaries,
    ) -> None:
        kept = [_without_excluded(step, canaries) for step in steps] if canaries.clipped else steps
        super().__init__(dataset, kept, round_index, workers)
        self._canaries = canaries
        self._slots = [sorted({canaries.owner(key.record) for key in step.keys} - {-1}) for step in steps]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the batches."""
        for step, slots, batch in zip(self.steps, self._slots, super().__iter__(), strict=True):
            owners = [self._canaries.owner(key.record) for key in step.keys]
            yield {**batch, "slots": slots, "canaries": torch.tensor(owners, dtype=torch.long)}


def _without_excluded(step: LocalStep, canaries: Canaries) -> LocalStep:
    """Take the records of canaries that are out from a step, and nothing else; units are counted anew."""
    owners = [canaries.owner(key.record) for key in step.keys]
    kept = [i for i, owner in enumerate(owners) if owner < 0 or canaries.included[owner]]
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(step.units[i] for i in kept))}
    return step._replace(keys=[step.keys[i] for i in kept], units=[numbers[step.units[i]] for i in kept])
