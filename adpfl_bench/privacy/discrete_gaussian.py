"""Discrete Gaussian noise: whole numbers, drawn exactly, with nothing but whole numbers.

Source: Canonne, Kamath and Steinke 2020 (arXiv 2004.00010), Algorithms 1 to 3, for many values at a time: those that
are not decided yet go through the next step together, and of a lot of candidates the first ones that are left count.
Every chance is a fraction of whole numbers, which is met by comparing with a uniform whole number, so that the law has
no error of floating point at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.randomness import WORD_BITS, Randomness

LARGEST_DEVIATION = 2**24
"""Above, squares of values in the tails would not fit into 63 bits."""

_GAUSSIAN_KEPT, _LAPLACE_KEPT = 0.75, 0.62  # shares of candidates that are left, and a little less
_MORE = 32


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
    return _first(size, _GAUSSIAN_KEPT, lambda number: _gaussians(number, deviation, source))


def discrete_laplace(size: int, scale: int, source: Randomness) -> Tensor:
    """Draw values k with chances in proportion to ``exp(-|k| / scale)``, (size,) in int64 (Algorithm 2)."""
    return _first(size, _LAPLACE_KEPT, lambda number: _laplaces(number, scale, source))


def _first(size: int, kept: float, draw: Callable[[int], Tensor]) -> Tensor:
    """The first so many of independent values, which come in lots from which some are left out already."""
    lots = [draw(math.ceil(size / kept) + _MORE)]
    while (number := sum(len(lot) for lot in lots)) < size:
        lots.append(draw(math.ceil((size - number) / kept) + _MORE))
    return torch.cat(lots)[:size]


def _gaussians(candidates: int, deviation: int, source: Randomness) -> Tensor:
    """What is left of so many candidates for the Gaussian law."""
    values = discrete_laplace(candidates, deviation, source)
    return values[_with_chance_exp((values.abs() - deviation).square(), 2 * deviation**2, source)]


def _laplaces(candidates: int, scale: int, source: Randomness) -> Tensor:
    """What is left of so many candidates for the Laplace law."""
    drawn = _below(2 * scale, candidates, source)  # a whole number below the scale, and a sign
    values, negative = drawn // 2, drawn % 2 == 1
    taken = _with_chance_exp_of_part(values, scale, source)
    values, negative = values[taken], negative[taken]
    going = torch.arange(len(values), device=values.device)
    while len(going := going[_with_chance_exp_of_1(len(going), source)]):
        values[going] += scale
    kept = ~(negative & (values == 0))  # 0 has one sign
    return torch.where(negative, -values, values)[kept]


def _with_chance_exp(numerators: Tensor, denominator: int, source: Randomness) -> Tensor:
    """Say yes with the chance ``exp(-numerator / denominator)``, each by itself, [N] (Algorithm 1)."""
    ones = numerators // denominator
    yes = _with_chance_exp_of_part(numerators - ones * denominator, denominator, source)
    going = torch.nonzero(yes & (ones > 0)).flatten()
    made = 0
    while len(going):  # another factor exp(-1); whoever has failed once is out
        held = _with_chance_exp_of_1(len(going), source)
        yes[going[~held]] = False
        made += 1
        going = going[held & (ones[going] > made)]
    return yes


def _with_chance_exp_of_part(numerators: Tensor, denominator: int, source: Randomness) -> Tensor:
    """The same for exponents x from 0 to 1: in a row of trials of the chances x / 1, x / 2, ... an odd one fails first.

    ``1 - x + x^2/2 - ...`` is the chance of that.
    """
    yes = torch.zeros_like(numerators, dtype=torch.bool)
    going, trial = torch.arange(len(numerators), device=numerators.device), 1
    while len(going):
        on = _below(denominator * trial, len(going), source) < numerators[going]
        yes[going[~on]] = trial % 2 == 1
        going, trial = going[on], trial + 1
    return yes


def _with_chance_exp_of_1(size: int, source: Randomness) -> Tensor:
    """Say yes with the chance ``exp(-1)``, (size,): as before, where the first trial always succeeds."""
    going, trial = torch.arange(size, device=source.words(0).device), 2
    yes = torch.zeros_like(going, dtype=torch.bool)
    while len(going):
        on = _below(trial, len(going), source) == 0
        yes[going[~on]] = trial % 2 == 1
        going, trial = going[on], trial + 1
    return yes


def _below(limit: int, size: int, source: Randomness) -> Tensor:
    """Draw whole numbers from 0 to ``limit - 1``, each with the same chance, (size,) in int64."""
    most = 2**WORD_BITS // limit * limit
    words = source.words(size)
    while size and int(words.max()) >= most:  # hardly ever
        over = torch.nonzero(words >= most).flatten()
        words[over] = source.words(len(over))
    return words % limit
