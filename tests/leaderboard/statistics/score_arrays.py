"""Scores from arrays."""

import numpy as np

from adpfl_bench.leaderboard.statistics.paired_scores import PairedScore, PairedScores


def make_scores(values, patients=None, clients=None, higher_is_better=True):
    """Scores of methods given as arrays ``[S, N]``, or ``[N]`` for one seed; one case per patient unless given."""
    arrays = {method: np.atleast_2d(np.asarray(array, dtype=float)) for method, array in values.items()}
    n = next(iter(arrays.values())).shape[1]
    patients = [f"p{case:04d}" for case in range(n)] if patients is None else patients
    clients = ["clinic"] * n if clients is None else clients
    return PairedScores(
        {
            method: {
                seed: {f"c{i:04d}": PairedScore(float(run[i]), patients[i], clients[i]) for i in range(n)}
                for seed, run in enumerate(array)
            }
            for method, array in arrays.items()
        },
        higher_is_better,
    )
