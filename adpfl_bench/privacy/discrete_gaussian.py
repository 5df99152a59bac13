"""Discrete Gaussian noise: whole numbers, drawn exactly, with nothing but whole numbers.

Source: Canonne, Kamath and Steinke 2020 (arXiv 2004.00010), Algorithms 1 to 3, for many values at a time: those that
are not decided yet go through the next step together. Every chance is a fraction of whole numbers, which is met by
comparing with a uniform whole number, so that the law has no error of floating point at all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.randomness import WORD_BITS, Randomness

LARGEST_DEVIATION = 2**24
"""Above, squares of values in the tails would not fit into 63 bits."""


def discrete_gaussian(size: int, deviation: int, source: Randomness) -> Tensor:
    """Draw values k with chances in proportion to ``exp(-k^2 / (2 s^2))``, (size,) in int64 (Algorithm 3).

    Args:
        size: Number of values.
        deviation: The parameter s, a whole number from 1 to :data:`LARGEST_DEVIATION`; but for 10^-7 of it at s = 1
            it is the standard deviation.
        source: Where chance comes from.

    Raises:
        ConfigError: The deviation is out of range.
    """
    if not 1 <= deviation <= LARGEST_DEVIATION:
        raise ConfigError(
            f"Discrete Gaussian noise has a deviation from 1 to {LARGEST_DEVIATION} steps of its lattice, but it is"
            f" {deviation}."
        )
    found = source.words(0).new_zeros(size)
    left = torch.arange(size, device=found.device)
    while len(left):
        candidates = discrete_laplace(len(left), deviation, source)
        taken = _with_chance_exp((candidates.abs() - deviation).square(), 2 * deviation**2, source)
        found[left[taken]] = candidates[taken]
        left = left[~taken]
    return found


def discrete_laplace(size: int, scale: int, source: Randomness) -> Tensor:
    """Draw values k with chances in proportion to ``exp(-|k| / scale)``, (size,) in int64 (Algorithm 2)."""
    found = source.words(0).new_zeros(size)
    left = torch.arange(size, device=found.device)
    while len(left):
        values = _below(scale, len(left), source)
        taken = _with_chance_exp(values, scale, source)
        going = torch.nonzero(taken).flatten()
        while len(going := going[_with_chance_exp_of_part(torch.ones_like(going), 1, source)]):
            values[going] += scale
        negative = _below(2, len(left), source) == 1
        taken &= ~(negative & (values == 0))  # 0 has one sign
        found[left[taken]] = torch.where(negative, -values, values)[taken]
        left = left[~taken]
    return found


def _with_chance_exp(numerators: Tensor, denominator: int, source: Randomness) -> Tensor:
    """Say yes with the chance ``exp(-numerator / denominator)``, each by itself, [N] (Algorithm 1)."""
    ones = numerators // denominator
    yes = _with_chance_exp_of_part(numerators - ones * denominator, denominator, source)
    going = torch.nonzero(yes & (ones > 0)).flatten()
    made = 0
    while len(going):  # another factor exp(-1); whoever has failed once is out
        held = _with_chance_exp_of_part(torch.ones_like(going), 1, source)
        yes[going[~held]] = False
        made += 1
        going = going[held & (ones[going] > made)]
    return yes


def _with_chance_exp_of_part(numerators: Tensor, denominator: int, source: Randomness) -> Tensor:
    """The same for exponents from 0 to 1: how many trials in a row succeed, of chance exponent / 1, / 2, ..., is even.

    ``1 - x + x^2/2 - ...`` is the chance that the first failure is at an odd trial.
    """
    yes = torch.zeros_like(numerators, dtype=torch.bool)
    going, trial = torch.arange(len(numerators), device=numerators.device), 1
    while len(going):
        on = _below(denominator * trial, len(going), source) < numerators[going]
        yes[going[~on]] = trial % 2 == 1
        going, trial = going[on], trial + 1
    return yes


def _below(limit: int, size: int, source: Randomness) -> Tensor:
    """Draw whole numbers from 0 to ``limit - 1``, each with the same chance, (size,) in int64."""
    most = 2**WORD_BITS // limit * limit
    words = source.words(size)
    while len(over := torch.nonzero(words >= most).flatten()):
        words[over] = source.words(len(over))
    return words % limit
