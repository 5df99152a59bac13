"""Summary of one run's scores, in a few lines."""

import math
from collections.abc import Collection, Sequence
from itertools import product

from adpfl_bench.federation.scored_models import GLOBAL_MODEL, Headline
from adpfl_bench.leaderboard.audits import Audit, audits_beside, contradictions, strongest
from adpfl_bench.leaderboard.protection import protected_word
from adpfl_bench.leaderboard.scored_run import SCORED_MODEL, headline_rows
from adpfl_bench.metrics.registry import UNSTATED, Metric
from adpfl_bench.records.blocks import PrivacyBlock
from adpfl_bench.records.protected import unit_text
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import ScoreMeans, count_missed, mean_over_models, sample_sd


def privacy_text(privacy: PrivacyBlock, audits: Sequence[Audit] = (), word: str | None = None) -> str:
    """Say what is stated, what is proved and what was measured of a run's privacy; ``word`` is the dataset's."""
    accounted = privacy.accounted
    audit = strongest(audits)
    measured = "none (no audit beside this run)" if audit is None else audit.bound
    if against := contradictions(audits, accounted.epsilon, accounted.delta):
        measured = f"! {measured} ({'; '.join(against)})"
    if privacy.unit == "none":
        return f"not private; epsilon nominal none, accounted none, audited {measured}"
    proved = (
        f"none ({accounted.reason})"
        if accounted.epsilon is None
        else f"{accounted.epsilon:.4g} at delta {accounted.delta:g}"
    )
    if accounted.epsilon is not None and accounted.not_covered:
        proved += f" (not covered: {'; '.join(accounted.not_covered)})"
    stated = "none" if privacy.nominal_epsilon is None else f"{privacy.nominal_epsilon:g}"
    unit = unit_text(privacy.unit, word or privacy.protects or privacy.unit)
    return f"unit {unit}; epsilon nominal {stated}, accounted {proved}, audited {measured}"


def summarize_run(directory: RunDirectory) -> str:
    """Describe a scored run in a few lines: scores by split and region, privacy, and where its record is.

    Where clients have models of their own, their scores come first and those of the global model, if it was scored
    too, below.

    Raises:
        RecordError: The run has no record or no scores.
    """
    lines = []
    scores = directory.read_scores()
    record = directory.find_record()
    headline: Headline = "global" if scores.model.equals(GLOBAL_MODEL).any() else "everyone"
    held_out: tuple[str, ...] = ()
    metrics = UNSTATED
    if record is not None:
        headline, held_out = record.federated.headline, record.federated.held_out_clients
        metrics = record.model.metrics
    for split, region in product(sorted(scores.split.present()), sorted(scores.region.present())):
        scored = scores.take(scores.split.equals(split) & scores.region.equals(region))
        judged: dict[Headline, ScoreColumns] = {headline: headline_rows(scored, headline, held_out)}
        judged.setdefault("global", headline_rows(scored, "global"))
        for name, chosen in judged.items():
            if len(chosen):
                of = "" if headline == "global" else f" ({_scored(name, chosen)})"
                lines.append(f"{split:>10} {region}{of}: {_scores_text(chosen, metrics, held_out)}")
    if record is not None:
        audits = audits_beside(directory.path, record)
        lines.append(f"{'privacy':>10} {privacy_text(record.privacy, audits, protected_word(record))}")
    lines.append(f"{'record':>10} {directory.path}")
    return "\n".join(lines)


def _scored(name: Headline, rows: ScoreColumns) -> str:
    """What was scored; while validating, own models score their own client's cases even if others' count at the end."""
    own = rows.model.texts() == rows.client.texts()
    return SCORED_MODEL["own" if own else name]


def _scores_text(scores: ScoreColumns, metrics: Sequence[Metric], held_out: Collection[str]) -> str:
    """Return means over the cases of one region and split; a case that several models scored counts once."""
    means = ScoreMeans(mean_over_models(scores), metrics, held_out)
    main, *others = (metric for metric in metrics if metric.ranked)
    deviation = sample_sd(means.scores.by(main)) or 0.0
    texts = [f"{_text(means, main)} (SD over {len(means.scores)} cases {deviation:.4f})"]
    texts += [_text(means, metric) for metric in others]
    missed = count_missed(scores)
    if missed is not None:
        texts.append(f"missed {missed}")
    if (worst := means.worst_client or ScoreMeans(means.scores, metrics).worst_client) is None:
        return ", ".join(texts)
    return f"{', '.join(texts)}; worst client {worst} {means.clients[worst]:.4f}"


def _text(means: ScoreMeans, metric: Metric) -> str:
    mean = means.mean(metric)
    value = math.nan if mean is None else mean
    if metric.measures:
        return f"{metric.title} {value:.2f} {metric.unit_text(means.distance_unit)}"
    return f"{metric.title} {value:.4f}"
