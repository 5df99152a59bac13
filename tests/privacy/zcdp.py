"""Zero-concentrated DP from its definition, to compare the accountant with."""

import numpy as np

from adpfl_bench.privacy.accounting import client_epsilon

_ALPHA = 1 + np.geomspace(1e-4, 1e6, 500_000)


def zcdp_epsilon(rho, delta):
    """Canonne, Kamath and Steinke 2020, Proposition 12, minimised over a fine grid of orders."""
    return np.min(_ALPHA * rho + np.log1p(-1 / _ALPHA) - np.log(delta * _ALPHA) / (_ALPHA - 1)) if rho else 0.0


def largest_epsilon(ledger, delta):
    """The federation's epsilon: the largest of its clients', since each client's data are its own."""
    return max((client_epsilon(ledger.events(client), delta) for client in ledger.clients()), default=0.0)
