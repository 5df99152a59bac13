"""Scores from arrays."""

import numpy as np

from adpfl_bench.leaderboard.statistics.paired_scores import PairedRun, PairedScores


def make_scores(values, patients=None, clients=None, higher_is_better=True):
    """Scores of methods given as arrays ``[S, N]``, or ``[N]`` for one seed; one case per patient unless given."""
    arrays = {method: np.atleast_2d(np.asarray(array, dtype=float)) for method, array in values.items()}
    n = next(iter(arrays.values())).shape[1]
    patients = [f"p{case:04d}" for case in range(n)] if patients is None else patients
    clients = ["clinic"] * n if clients is None else clients
    cases = [f"c{i:04d}" for i in range(n)]
    return PairedScores(
        {
            method: {seed: PairedRun(cases, list(patients), list(clients), run) for seed, run in enumerate(array)}
            for method, array in arrays.items()
        },
        higher_is_better,
    )
