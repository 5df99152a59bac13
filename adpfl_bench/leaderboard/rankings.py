"""Rankings of methods by patients, and how firm they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.statistics.paired_scores import PairedScores
from adpfl_bench.leaderboard.statistics.ranking import rank_methods
from adpfl_bench.leaderboard.table_row import GroupLine

SEPARATOR = "; "
"""Stands between the names of regions and metrics."""

_TAILS = (0.025, 0.975)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RankingRow(GroupLine):
    """The place of one method; a line of ranking.csv.

    For each patient, region and metric the methods are ranked (1 is best, equal ones share the mean of their ranks) by
    their means over seeds and the patient's cases; the mean of these ranks decides the final rank.

    Attributes:
        regions: The regions that count, separated by semicolons.
        metrics: The metrics that count, likewise.
        method: Name of the method.
        label: What tables call it.
        settings: Tells apart settings of the same method.
        patients: Number of patients.
        rank: Final rank, from 1; tied methods share the best.
        mean_rank: Mean of its ranks over patients, regions and metrics.
        rank_low: Smallest final rank that at least 2.5 % of the resamples of patients do not undercut.
        rank_high: Largest, likewise: in 95 % of the resamples the final rank is between the two.
        first_share: Share of the resamples in which it is first, alone or tied.
        rank_shares: Shares of the resamples with final rank 1, 2, ..., separated by spaces.
        stability: Mean over resamples of Kendall's tau-b between this order of all methods and the resample's.
    """

    regions: str
    metrics: str
    method: str
    label: str
    settings: str
    patients: int
    rank: int
    mean_rank: float
    rank_low: int
    rank_high: int
    first_share: float
    rank_shares: str
    stability: float


def rank_group(
    group: Group, by_region: Mapping[str, Mapping[str, PairedScores]], variants: Mapping[str, Variant], seed: int
) -> tuple[RankingRow, ...]:
    """Rank the methods of a group by all metrics of the given regions.

    Args:
        group: A comparable group.
        by_region: By region the scores of the same metrics, of the same methods and patients.
        variants: The methods by the names that they have in the scores.
        seed: Seed of the resamples.

    Returns:
        Best first.
    """
    titles = {metric.name: metric.title for metric in group.metrics}
    metrics = list(next(iter(by_region.values())))
    ranking = rank_methods([of_region[m] for of_region in by_region.values() for m in metrics], seed=seed)
    rows = []
    for index, name in enumerate(ranking.methods):
        shares = ranking.proportions[index]
        low, high = _range(shares)
        rows.append(
            RankingRow(
                *group.names,
                SEPARATOR.join(by_region),
                SEPARATOR.join(titles[metric] for metric in metrics),
                *variants[name].names,
                patients=ranking.n,
                rank=int(ranking.ranks[index]),
                mean_rank=float(ranking.mean_ranks[index]),
                rank_low=low,
                rank_high=high,
                first_share=float(shares[0]),
                rank_shares=" ".join(f"{share:.4g}" for share in shares),
                stability=ranking.stability,
            )
        )
    return tuple(rows)


def _range(shares: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, int]:
    """Return the ranks below and above which at most 2.5 % of the resamples lie."""
    cumulated = np.cumsum(shares) + _ROUNDING
    low, high = (int(np.argmax(cumulated >= tail)) + 1 for tail in _TAILS)
    return low, high
