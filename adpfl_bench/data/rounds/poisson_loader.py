"""Poisson-sampled batches for a plain DataLoader: each example independently in or out of every batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from adpfl_bench.errors import ConfigError
from adpfl_bench.seeding import Draws, SecretDraws, SeededDraws


class PoissonBatches(Sampler[list[int]]):
    """Batches that each example is in independently with one probability, as the amplification by sampling needs.

    Their sizes vary, and a batch may be empty. A pass has as many batches as one of fixed size would have.

    Args:
        examples: Number of examples n.
        expected: Expected size of a batch, at least 1; the probability is ``expected / n``, at most 1.
        seed: Seed of the draws; ``None`` draws from the operating system, as secret noise needs.

    Attributes:
        examples: As above.
        expected: As above, at most n.
        rate: The probability.

    Raises:
        ConfigError: A number is out of range.
    """

    def __init__(self, examples: int, expected: int, seed: int | None = None) -> None:
        if examples < 1 or expected < 1:
            raise ConfigError(
                "PoissonBatches needs at least 1 example and an expected batch size of at least 1, but there are"
                f" {examples} and {expected}."
            )
        self.examples = examples
        self.expected = min(expected, examples)
        self.rate = self.expected / examples
        self.secret = seed is None
        self._draws: Draws = SecretDraws() if seed is None else SeededDraws(seed)
        self._passes = 0

    def __len__(self) -> int:
        """Number of batches of a pass."""
        return -(-self.examples // self.expected)

    def __iter__(self) -> Iterator[list[int]]:
        """Draw the batches of the next pass."""
        this_pass = self._passes
        self._passes += 1
        for step in range(len(self)):
            drawn = self._draws.uniform(self.examples, "poisson", this_pass, step)
            yield [i for i, chance in enumerate(drawn) if chance < self.rate]


class EmptyBatches:
    """Collation that makes an empty batch, of the shape that an example has, of no examples.

    Args:
        example: Any example of the dataset, a pair of tensors or numbers; its values are not kept.
    """

    def __init__(self, example: Any) -> None:
        self._empty = [value[:0].clone() for value in default_collate([example])]

    def __call__(self, examples: Sequence[Any]) -> list[Tensor]:
        """Stack examples, as torch's default does."""
        return list(default_collate(list(examples))) if examples else [value.clone() for value in self._empty]


def poisson_loader(dataset: Dataset[Any], expected: int, seed: int | None = None, **loader: Any) -> DataLoader[Any]:
    """Make a DataLoader of Poisson-sampled batches.

    Args:
        dataset: Maps 0, ..., n - 1 to pairs of input and target; it has a length.
        expected: Expected size of a batch.
        seed: As :class:`PoissonBatches`.
        **loader: Further arguments of ``torch.utils.data.DataLoader``, such as ``num_workers``.
    """
    sized: Any = dataset
    batches = PoissonBatches(len(sized), expected, seed)
    return DataLoader(dataset, batch_sampler=batches, collate_fn=EmptyBatches(dataset[0]), **loader)
