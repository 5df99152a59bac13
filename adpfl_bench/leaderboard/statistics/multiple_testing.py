"""Correction of p-values for the number of tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    r"""Holm's step-down correction: adjusted p-values that bound the chance of any false rejection.

    With the m values in ascending order, :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})`.
    Rejecting where :math:`\tilde p \le \alpha` keeps the family-wise error rate below :math:`\alpha` under any
    dependence of the tests (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 6).

    Args:
        p_values: The m p-values.

    Returns:
        Adjusted p-values in the order given, of shape ``[m]``.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
