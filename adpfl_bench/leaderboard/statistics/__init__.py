"""Statistics of how sure a comparison is: tests, intervals and rankings as pure functions of case scores.

Patients, not cases and not cases times seeds, are what is independent; seeds are a second source of chance. So

* `pairwise_tests` averages over seeds and over a patient's cases before it tests, and corrects for all pairs;
* `MeanBootstrap` resamples patients and seeds both;
* `rank_methods` ranks the methods for each patient, and says how the order changes with other patients.
"""

from adpfl_bench.leaderboard.statistics.bootstrap import Interval, MeanBootstrap
from adpfl_bench.leaderboard.statistics.paired_scores import PairedScore, PairedScores
from adpfl_bench.leaderboard.statistics.pairwise import (
    PairwiseTest,
    hodges_lehmann,
    holm,
    pairwise_tests,
    rank_biserial,
    signed_rank_p,
)
from adpfl_bench.leaderboard.statistics.ranking import Ranking, rank_methods

__all__ = [
    "Interval",
    "MeanBootstrap",
    "PairedScore",
    "PairedScores",
    "PairwiseTest",
    "Ranking",
    "hodges_lehmann",
    "holm",
    "pairwise_tests",
    "rank_biserial",
    "rank_methods",
    "signed_rank_p",
]
