r"""Intervals of a drop: of how much worse the same trained models score on the patients of another hospital.

A model that is good here by the chance of its training is often good there too: its own mean and the other's share
the training run, and no patient. With scores :math:`Y_{sp}` here and :math:`Z_{sq}` there, patients p and q are drawn
independently and seeds once for both; the percentiles' distances from the drop are scaled as those of
:class:`~adpfl_bench.leaderboard.statistics.bootstrap.MeanBootstrap`, by the variance

.. math:: v_a + v_b + v_c - \min(v_e, v_a, v_b + v_c)

of the seeds' drops over S, of patients' means here and there over their numbers, and of both tables' residuals, with
the degrees of freedom of all parts (Satterthwaite 1946). Of one seed that is Welch's interval, but for the bootstrap's
shape (Welch 1947, The Generalization of Student's Problem, Biometrika 34).
"""

import numpy as np

from adpfl_bench.errors import DataError
from adpfl_bench.leaderboard.statistics.bootstrap import (
    Interval,
    check_level,
    resample_patients,
    resample_seeds,
    scaled_percentiles,
)
from adpfl_bench.leaderboard.statistics.mean_variance import variance_parts
from adpfl_bench.leaderboard.statistics.paired_scores import FloatArray, PairedScores
from adpfl_bench.seeding import numpy_generator


class DropBootstrap:
    """Resampled drops of methods between two sets of patients; positive where the other's are scored worse.

    Args:
        own: The methods' scores here.
        there: Scores of the same methods and seeds there.
        resamples: Number of resamples, at least 100.
        seed: Everything follows from it.

    Raises:
        ConfigError: There are fewer than 100 resamples.
        DataError: Methods or their seeds are not the same.
    """

    def __init__(self, own: PairedScores, there: PairedScores, resamples: int = 10_000, seed: int = 0) -> None:
        for method in (*own.methods, *there.methods):
            here, other = (scores.seeds(method) if method in scores.methods else () for scores in (own, there))
            if here != other:
                raise DataError(
                    f"Expected the same runs of {method} here and there, but found seeds {list(here)} and"
                    f" {list(other)}: score the other data by all of them."
                )
        self._own, self._there = own, there
        self._sign = 1.0 if own.higher_is_better else -1.0
        self._here = resample_patients(own, resamples, seed)
        self._other = resample_patients(there, resamples, seed, "patients of another hospital")
        self._seed = seed

    def drop(self, method: str) -> float:
        """Return how much worse a method's mean over seeds and cases is there.

        Raises:
            ConfigError: If there is no such method.
        """
        return self._sign * (self._own.mean(method) - self._there.mean(method))

    def interval(self, method: str, level: float = 0.95) -> Interval | None:
        """Return the interval of a drop, over patients here and there and training runs; see the module.

        Returns:
            The interval, or ``None`` where either has one patient, whose variation nothing shows.

        Raises:
            ConfigError: If there is no such method, or the level is not in (0, 1).
        """
        check_level(level)
        centre = self.drop(method)
        if min(len(self._own.patients), len(self._there.patients)) == 1:
            return None
        by_run = self._sign * (self._here[method] - self._other[method])
        generator = numpy_generator(self._seed, "resampling", "seeds", method)
        deviations = resample_seeds(by_run, generator) - centre
        variance, degrees = self._variance(method)
        ends = scaled_percentiles(
            deviations[None], np.array([centre]), np.array([variance]), np.array([degrees]), level
        )
        return Interval(*ends[0].tolist())

    def _variance(self, method: str) -> tuple[float, float]:
        """Variance of the drop, and the degrees of freedom of that estimate."""
        parts = [variance_parts(scores, method) for scores in (self._own, self._there)]
        of_patients = [_of_mean(part.patient_effects) for part in parts]
        drops = self._own.values(method).mean(axis=1) - self._there.values(method).mean(axis=1)
        of_seeds = (0.0, 1) if len(drops) == 1 else _of_mean(drops)
        total = sum(variance for variance, _ in (of_seeds, *of_patients))
        squares = sum(variance**2 / freedom for variance, freedom in (of_seeds, *of_patients))
        patients = sum(variance for variance, _ in of_patients)
        shared = min(sum(part.residuals for part in parts), of_seeds[0], patients)
        freedom = total**2 / squares if squares > 0 else float(min(freedom for _, freedom in of_patients))
        return total - shared, freedom


def _of_mean(values: FloatArray) -> tuple[float, int]:
    """Variance of the mean of some values, and its degrees of freedom."""
    return float(values.var(ddof=1)) / len(values), len(values) - 1
