"""Variance of a mean over seeds and patients, and its degrees of freedom."""

from __future__ import annotations

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
    patients = len(scores.patients)
    seed_parts, residual_part, freedom = [0.0], 0.0, [1]
    patient_effects = np.zeros(patients)
    for method, weight in weights.items():
        table = weight * _influence(scores, method)
        seeds = len(table)
        seed_effects, of_patients = table.mean(axis=1), table.mean(axis=0)
        patient_effects += of_patients
        if seeds > 1:
            residuals = table - seed_effects[:, None] - of_patients + table.mean()
            residual_part += float((residuals**2).sum()) / ((seeds - 1) * (patients - 1) * seeds * patients)
            seed_parts.append(float(seed_effects.var(ddof=1)) / seeds)
            freedom.append(seeds - 1)
    patient_part = float(patient_effects.var(ddof=1)) / patients
    total = sum(seed_parts) + patient_part
    if total == 0:
        return MeanVariance(0.0, float(patients - 1))
    squares = patient_part**2 / (patients - 1) + sum(v**2 / f for v, f in zip(seed_parts, freedom, strict=True))
    return MeanVariance(total - min(residual_part, sum(seed_parts), patient_part), total**2 / squares)


def _influence(scores: PairedScores, method: str) -> FloatArray:
    """How far each patient in each run lifts the mean over cases, of shape ``[S, P]``."""
    sums, sizes = scores.patient_sums(method), scores.cases_per_patient
    influence: FloatArray = (sums - sizes * scores.mean(method)) * (len(sizes) / sizes.sum())
    return influence
