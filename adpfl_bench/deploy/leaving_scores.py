"""Scores that leave a hospital, by its policy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from adpfl_bench.deploy.deployment_files import HospitalFile, MeansOver
from adpfl_bench.deploy.messages import ScoredMean, ScoredSplit, ScoreFacts
from adpfl_bench.records.case_score import CaseScore, to_line


def leaving_scores(scores: Sequence[CaseScore], split: ScoredSplit, file: HospitalFile) -> ScoreFacts:
    """Return what may leave of the scores of a split's cases.

    Means are over cases of one region by one metric, each model for itself; what fewer cases than the policy asks for
    have a score of does not leave.
    """
    policy = file.scores
    if policy == "all":
        return ScoreFacts(split=split, cases=[to_line(score) for score in scores])
    if not isinstance(policy, MeansOver):
        return ScoreFacts(split=split, withheld="the hospital lets no scores leave it")
    groups: dict[tuple[str, str, str], list[float]] = {}
    for score in scores:
        for metric, value in score.values.items():
            groups.setdefault((score.model, score.region, metric), []).append(value)
    least = policy.means_over
    means = [
        ScoredMean(model=model, region=region, metric=metric, cases=len(own), mean=math.fsum(own) / len(own))
        for (model, region, metric), own in groups.items()
        if len(own) >= least
    ]
    fewer = len(groups) - len(means)
    withheld = f"{fewer} of {len(groups)} means are over fewer than {least} cases" if fewer else ""
    return ScoreFacts(split=split, means=means, withheld=withheld)
