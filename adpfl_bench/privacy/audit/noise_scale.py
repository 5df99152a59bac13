"""Scale of noise: whether each coordinate, tensor and release has as much as is stated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from adpfl_bench.privacy.audit.error_rates import ALPHA, ROUNDING, gamma_p_values

_SAMPLE = 2**18  # values kept for the law
_PER_RELEASE = 2**11


class NoiseScale:
    """Sums of the noise's size over coordinates, tensors and releases, and the exact tests of them.

    A value x in units of the stated scale has the size ``|x|`` under the Laplace law and ``x^2 / 2`` under the normal
    one: so the sum of n sizes follows Gamma(n, 1) or Gamma(n / 2, 1).

    Args:
        law: ``laplace`` or ``norm``.
        parts: Numbers of coordinates of the tensors that a release is made of; one tensor by default.
    """

    def __init__(self, law: str, parts: Sequence[int] = ()) -> None:
        self.law = law
        self.values = 0
        self._shape = 1.0 if law == "laplace" else 0.5
        self._parts = list(parts)
        self._places: Tensor | None = None
        self._releases: list[tuple[float, int]] = []
        self._never: Tensor | None = None
        self._sample: list[NDArray[np.float64]] = []
        self._sampled = 0

    def add(self, values: Tensor, noise: Tensor, rounding: Tensor) -> None:
        """Take in a release's noise.

        Args:
            values: In units of the stated scale, [P] in float64.
            noise: As it is, [P].
            rounding: By how much a value may have been rounded when it was added, [P]; what is rounded away is not
                taken for missing.
        """
        size = torch.maximum(values.abs(), rounding)
        if self.law != "laplace":
            size = size.square() / 2
        self._places = size if self._places is None else self._places + size
        self._releases.append((float(size.sum()), len(size)))
        self.values += len(size)
        without = noise == 0
        self._never = without if self._never is None else self._never & without
        if self._sampled < _SAMPLE:
            self._sample.append(spread(values, _PER_RELEASE))
            self._sampled += len(self._sample[-1])

    @property
    def ratio(self) -> float:
        """The estimated scale, in units of the stated one."""
        return self._scale(sum(size for size, _ in self._releases), self.values)

    @property
    def never(self) -> int:
        """Number of coordinates that no release had noise in; a single value may be rounded away, three are not."""
        return int(self._never.sum()) if self._never is not None and len(self._releases) >= 3 else 0

    def _scale(self, size: float, values: int) -> float:
        mean = size / (values * self._shape)
        return mean if self.law == "laplace" else mean**0.5

    def findings(self) -> tuple[list[str], dict[str, float | int]]:
        """Return what is wrong, most general first, and the figures that it was decided by."""
        assert self._places is not None
        count, places = len(self._releases), self._places.cpu().numpy()
        reasons = []
        total = np.array([sum(size for size, _ in self._releases)])
        if self._wrong(total, np.array([self.values]), 1)[0]:
            reasons.append(f"the noise has {self.ratio:.3g} times the stated scale")
        else:
            reasons += self._parts_off(places, count)
        if never := self.never:
            reasons.append(f"{never} coordinates are released without noise")
        p_places = np.minimum(1.0, len(places) * gamma_p_values(places, count * self._shape))
        worst = int(p_places.argmin())
        off = int(np.sum(p_places < ALPHA))
        if off and not reasons:
            scale = self._scale(float(places[worst]), count)
            reasons.append(f"the noise of coordinate {worst} has {scale:.3g} times the stated scale ({off} are off)")
        p_law = float(stats.kstest(np.concatenate(self._sample), getattr(stats, self.law).cdf).pvalue)
        if p_law < ALPHA and not reasons:
            reasons.append("the noise does not follow the stated law")
        figures: dict[str, float | int] = {
            "scale_ratio": self.ratio,
            "values": self.values,
            "ks_p_value": p_law,
            "coordinates_without_noise": never,
            "coordinates_off": off,
            "worst_coordinate_p_value": float(p_places[worst]),
        }
        return reasons, figures

    def _parts_off(self, places: NDArray[np.float64], count: int) -> list[str]:
        """Tensors, and releases, whose noise is off though that of all together is not."""
        ends = np.cumsum(self._parts) if self._parts else np.array([len(places)])
        sizes = np.diff(ends, prepend=0)
        tensors = np.add.reduceat(places, ends - sizes)
        reasons = []
        wrong = np.flatnonzero(self._wrong(tensors, sizes * count, len(tensors)))
        if len(wrong):
            scale = self._scale(float(tensors[wrong[0]]), int(sizes[wrong[0]]) * count)
            reasons.append(
                f"the noise of tensor {wrong[0] + 1} of {len(tensors)} has {scale:.3g} times the stated scale"
            )
        by_release = np.array(self._releases)
        wrong = np.flatnonzero(self._wrong(by_release[:, 0], by_release[:, 1], count))
        if len(wrong) and not reasons:
            scale = self._scale(float(by_release[wrong[0], 0]), int(by_release[wrong[0], 1]))
            reasons.append(
                f"the noise of release {wrong[0] + 1} has {scale:.3g} times the stated scale ({len(wrong)} are off)"
            )
        return reasons

    def _wrong(self, sums: NDArray[np.float64], values: NDArray[np.int64], looks: int) -> NDArray[np.bool_]:
        scales = sums / (values * self._shape)
        scales = scales if self.law == "laplace" else np.sqrt(scales)
        unlikely = looks * gamma_p_values(sums, np.asarray(values * self._shape, dtype=np.float64)) < ALPHA
        wrong: NDArray[np.bool_] = unlikely & (np.abs(scales - 1) > ROUNDING)
        return wrong


def spread(values: Tensor, count: int) -> NDArray[np.float64]:
    """About ``count`` of the values, evenly spread and always the same places."""
    places = torch.linspace(0, len(values) - 1, min(count, len(values)), device=values.device).long()
    return values[places].cpu().numpy()
