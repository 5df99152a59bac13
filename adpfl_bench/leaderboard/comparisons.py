"""Comparisons of every pair of methods of a table, on the same patients."""

from collections.abc import Mapping
from dataclasses import dataclass

from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.statistics.bootstrap import Interval, MeanBootstrap
from adpfl_bench.leaderboard.statistics.pairwise import PairwiseTest, pairwise_tests
from adpfl_bench.leaderboard.table_row import GroupLine

SIGNIFICANCE = 0.05
"""Largest corrected p-value that is called significant."""

FIRM, BY_TEST, CONTRADICTION = " *", " (*)", " (!)"
MARKS = {
    "first higher": FIRM,
    "first lower": FIRM,
    "first higher by the test alone": BY_TEST,
    "first lower by the test alone": BY_TEST,
    "test and mean disagree": CONTRADICTION,
    "undecided": "",
}
"""How tables mark a finding."""


@dataclass(frozen=True)
class ComparisonRow(GroupLine):
    """Two methods on one region; a line of comparisons.csv, with Dice in [0, 1] and differences first minus second.

    Attributes:
        region: Name of the region.
        first: What the table calls one method.
        first_settings: Tells apart its settings.
        second: What the table calls the other.
        second_settings: Tells apart its settings.
        patients: Number of patients, which are what the test and the interval count.
        first_seeds: Number of seeds of the first method.
        second_seeds: Number of seeds of the second.
        difference: Difference of the mean Dice over cases and seeds.
        difference_low: Lower end of its 95 % interval over patients and seeds.
        difference_high: Upper end.
        median_difference: Hodges and Lehmann's median of patients' differences.
        p: P-value of Wilcoxon's signed-rank test on patients' means over their cases and the seeds, two-sided.
        p_holm: The same after Holm's correction for all pairs of the table.
        tests: Number of these pairs.
        rank_biserial: Matched-pairs rank-biserial correlation, in [-1, 1]; 1 if the first is higher for every patient.
        first_sd_seeds: Standard deviation (ddof=1) over seeds of the first's mean Dice; ``None`` for one seed.
        second_sd_seeds: That of the second.
        finding: ``first higher`` or ``first lower`` where the corrected test is significant at 0.05 and the interval,
            with at least two seeds of both methods, lies on the same side of zero; the same ``by the test alone`` where
            only the former holds; ``test and mean disagree`` where a significant test points to one method and the mean
            to the other; else ``undecided``.
    """

    region: str
    first: str
    first_settings: str
    second: str
    second_settings: str
    patients: int
    first_seeds: int
    second_seeds: int
    difference: float
    difference_low: float
    difference_high: float
    median_difference: float
    p: float
    p_holm: float
    tests: int
    rank_biserial: float
    first_sd_seeds: float | None
    second_sd_seeds: float | None
    finding: str


def compare_pairs(
    group: Group, region: str, variants: Mapping[str, Variant], bootstrap: MeanBootstrap
) -> tuple[ComparisonRow, ...]:
    """Test every pair of methods, and bound the difference of their means.

    Args:
        group: A comparable group.
        region: Name of the region.
        variants: Its methods by the names that they have in the bootstrap's scores.
        bootstrap: Resampled mean Dice, of at least two patients.
    """
    scores = bootstrap.scores
    tests = pairwise_tests(scores)
    means = {method: scores.mean(method) for method in scores.methods}
    rows = []
    for test, found in zip(tests, bootstrap.differences(), strict=True):
        first, second = variants[test.first], variants[test.second]
        difference = means[test.first] - means[test.second]
        interval = found or Interval(difference, difference)
        rows.append(
            ComparisonRow(
                *group.names,
                region=region,
                first=first.label,
                first_settings=first.digest,
                second=second.label,
                second_settings=second.digest,
                patients=test.n,
                first_seeds=test.seeds[0],
                second_seeds=test.seeds[1],
                difference=difference,
                difference_low=interval.low,
                difference_high=interval.high,
                median_difference=test.difference,
                p=test.p,
                p_holm=test.p_holm,
                tests=len(tests),
                rank_biserial=test.rank_biserial,
                first_sd_seeds=test.seed_deviations[0],
                second_sd_seeds=test.seed_deviations[1],
                finding=_finding(test, difference, interval),
            )
        )
    return tuple(rows)


def _finding(test: PairwiseTest, difference: float, interval: Interval) -> str:
    if test.p_holm > SIGNIFICANCE:
        return "undecided"
    if difference * test.rank_biserial <= 0:
        return "test and mean disagree"
    direction = "first higher" if test.rank_biserial > 0 else "first lower"
    beyond_zero = interval.low > 0 or interval.high < 0
    return direction if beyond_zero and min(test.seeds) > 1 else f"{direction} by the test alone"
