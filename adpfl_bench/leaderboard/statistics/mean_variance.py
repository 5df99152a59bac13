"""Variance of means of scores under crossed random effects of patients and training runs."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from adpfl_bench.leaderboard.statistics.paired_scores import FloatArray, PairedScores


class MeanVariance(NamedTuple):
    """Variance of a mean under other patients and other training runs.

    Attributes:
        variance: Estimated variance of the mean.
        degrees_of_freedom: Of that estimate; positive.
    """

    variance: float
    degrees_of_freedom: float


def mean_variance(scores: PairedScores, weights: Mapping[str, float]) -> MeanVariance:
    r"""Variance of a weighted sum of methods' means, under crossed random effects.

    With scores :math:`Y_{sp} = \mu + a_s + b_p + e_{sp}` the mean has variance
    :math:`\sigma_a^2 / S + \sigma_b^2 / P + \sigma_e^2 / SP`. In the two-way table, :math:`v_a`, the variance of seeds'
    means over S, :math:`v_b`, that of patients' means over P, and :math:`v_e`, the residuals' mean square over SP, each
    contain the last term, so :math:`v_a + v_b - v_e` is unbiased (Searle, Casella and McCulloch 1992, Variance
    Components, chapter 4). Here it is :math:`v_a + v_b - \min(v_e, v_a, v_b)`, which is never below either part. The
    degrees of freedom are :math:`\nu = (v_a + v_b)^2 / (\frac{v_a^2}{S - 1} + \frac{v_b^2}{P - 1})` (Satterthwaite
    1946, An Approximate Distribution of Estimates of Variance Components, Biometrics Bulletin 2).

    For several methods, the parts of seeds and residuals add up, and patients' means are those of the weighted sum.
    Patients' unequal numbers of cases enter through their influence on the mean over the N cases,
    :math:`u_{sp} = \frac{P}{N} \sum_{c \in p} (Y_{sc} - \bar Y)`, which takes the place of :math:`Y_{sp}`. One seed
    does not show its part, which is left out.

    Args:
        scores: The methods' scores, of at least two patients.
        weights: By method, what its mean is multiplied by: 1 and -1 for a difference.
    """
    parts = [variance_parts(scores, method, weight) for method, weight in weights.items()]
    effects = np.zeros(len(scores.patients))
    for of_method in parts:
        effects += of_method.patient_effects
    seeds = [(part.seeds, float(part.degrees_of_freedom)) for part in parts]
    residuals = sum(part.residuals for part in parts)
    variance, degrees = combined_variances(effects[None], np.array([seeds]), np.array([residuals]))
    return MeanVariance(float(variance[0]), float(degrees[0]))


class VarianceParts(NamedTuple):
    """What one method contributes to the variance of a weighted sum of means.

    Attributes:
        patient_effects: Means of the patients' influences over seeds, of shape ``[P]``.
        seeds: The part of seeds.
        degrees_of_freedom: Of that part.
        residuals: The part of residuals.
    """

    patient_effects: FloatArray
    seeds: float
    degrees_of_freedom: int
    residuals: float


def variance_parts(scores: PairedScores, method: str, weight: float = 1.0) -> VarianceParts:
    """Take a method's table of influences apart."""
    table = weight * _influence(scores, method)
    seeds, patients = table.shape
    seed_effects, of_patients = table.mean(axis=1), table.mean(axis=0)
    if seeds == 1:
        return VarianceParts(of_patients, 0.0, 1, 0.0)
    residuals = table - seed_effects[:, None] - of_patients + table.mean()
    residual_part = float((residuals**2).sum()) / ((seeds - 1) * (patients - 1) * seeds * patients)
    return VarianceParts(of_patients, float(seed_effects.var(ddof=1)) / seeds, seeds - 1, residual_part)


def combined_variances(effects: FloatArray, seeds: FloatArray, residuals: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variances and degrees of freedom of several weighted sums.

    Args:
        effects: Patients' effects, summed over methods, of shape ``[W, P]``.
        seeds: The methods' parts of seeds and their degrees of freedom, of shape ``[W, methods, 2]``.
        residuals: Their parts of residuals, summed over methods, of shape ``[W]``.
    """
    patients = effects.shape[1]
    patient_part = effects.var(ddof=1, axis=1) / patients
    seed_part, squares = np.zeros(len(effects)), np.zeros(len(effects))
    for variance, freedom in seeds.transpose(1, 2, 0):
        seed_part += variance
        squares += variance**2 / freedom
    total = seed_part + patient_part
    squares = patient_part**2 / (patients - 1) + squares
    with np.errstate(invalid="ignore"):
        degrees = np.where(total == 0, patients - 1.0, total**2 / squares)
    return total - np.minimum(residuals, np.minimum(seed_part, patient_part)), degrees


def _influence(scores: PairedScores, method: str) -> FloatArray:
    """How far each patient in each run lifts the mean over cases, of shape ``[S, P]``."""
    sums, sizes = scores.patient_sums(method), scores.cases_per_patient
    influence: FloatArray = (sums - sizes * scores.mean(method)) * (len(sizes) / sizes.sum())
    return influence
