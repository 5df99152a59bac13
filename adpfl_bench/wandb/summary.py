"""Summary of a run in single numbers, as Weights & Biases shows them in its tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from adpfl_bench.federation.scored_models import Headline
from adpfl_bench.leaderboard.audits import Audit, strongest
from adpfl_bench.leaderboard.protection import noise_source, person, protected_word
from adpfl_bench.leaderboard.scored_run import headline_rows
from adpfl_bench.metrics.registry import IOU, UNSTATED, Metric
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.run_directory import RoundRow
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns, join_scores
from adpfl_bench.records.score_means import ScoreMeans, count_missed, mean_over_models

Value = float | int | str

_OF_A_MECHANISM = ("target_epsilon", "noise_multiplier", "mechanism", "threshold", "clipping_norm", "sampling")


def score_summary(
    scores: Iterable[CaseScore],
    headline: Headline = "global",
    held_out: Collection[str] = (),
    metrics: Sequence[Metric] = UNSTATED,
) -> dict[str, Value]:
    """Summarise test cases, scored by the models that tables judge the run by.

    Args:
        scores: Of all models and regions.
        headline: Whose scores count.
        held_out: Clients that took no part in training.
        metrics: What the cases were scored by, the main metric first.

    Returns:
        The means over cases and regions by metric, as in ``dice``, ``hd95`` (in ``hd95_unit``) and ``nsd``;
        ``n_missed``; of the clients that took part in training ``worst_client``, ``worst_client_dice`` and
        ``client_spread``; ``dice/CLIENT`` of all. Of several regions the same for each, as in ``dice_REGION`` and
        ``dice_REGION/CLIENT``. Where clients' own models are judged and the global one was scored too, its Dice is
        ``dice_global``. What was not computed for every case is left out.
    """
    columns = ScoreColumns.of(scores)
    judged = _by_region(headline_rows(columns, headline, held_out))
    shown = [metric for metric in metrics if metric.name != IOU.name]  # it says what Dice says
    values: dict[str, Value] = _means(judged, shown, held_out) if judged else {}
    if len(judged) > 1:
        for name in judged:
            values.update(_means({name: judged[name]}, shown, held_out, f"_{name}"))
    of_global = _by_region(headline_rows(columns, "global"))
    if headline != "global" and of_global:
        mean = ScoreMeans(_cases(of_global), shown).mean(shown[0])
        values.update({} if mean is None else {f"{shown[0].name}_global": mean})
    return values


def _by_region(scores: ScoreColumns) -> dict[str, ScoreColumns]:
    return {name: scores.of_region(name) for name in scores.region.present()}


def _cases(by_region: Mapping[str, ScoreColumns]) -> ScoreColumns:
    return join_scores([mean_over_models(scores) for scores in by_region.values()])


def _means(
    by_region: Mapping[str, ScoreColumns], metrics: Sequence[Metric], held_out: Collection[str], suffix: str = ""
) -> dict[str, Value]:
    means, main = ScoreMeans(_cases(by_region), metrics, held_out), metrics[0].name
    worst = means.worst_client
    values: dict[str, Value | None] = {
        **{metric.name: means.mean(metric) for metric in metrics},
        "n_missed": count_missed(join_scores(list(by_region.values()))),
        "hd95_unit": means.distance_unit or None,
        "worst_client": worst,
        f"worst_client_{main}": None if worst is None else means.clients[worst],
        "client_spread": means.spread,
    }
    named = {f"{name}{suffix}": value for name, value in values.items() if value is not None}
    return {**named, **{f"{main}{suffix}/{client}": mean for client, mean in means.clients.items()}}


def record_summary(
    record: RunRecord, rounds: Iterable[RoundRow] = (), audits: Sequence[Audit] = ()
) -> dict[str, Value]:
    """Summarise a run's record.

    Returns:
        What the run was and cost, ``val_dice_max``, and its privacy. What does not apply, or is not proved, is left
        out; ``privacy/accounted_reason`` says why there is no accounted epsilon.
    """
    main = f"val_{record.model.metrics[0].name}"
    best = [row.value for row in rounds if (row.client, row.name) == (ALL_CLIENTS, main)]
    values: dict[str, Value | None] = {
        "task": record.task,
        "method": record.method,
        "seed": record.seed,
        "status": record.status,
        "rounds_completed": record.rounds_completed,
        "data/kind": record.data.kind,
        "chain": record.digests.chain.head if record.digests is not None else None,
        "parameters": record.model.parameters,
        f"{main}_max": max(best, default=None),
        "wall_seconds": record.wall_seconds,
        "peak_memory_mb": record.peak_memory_mb,
        "peak_gpu_memory_mb": record.peak_gpu_memory_mb,
        **_calibration(record),
        **{f"privacy/{name}": value for name, value in _privacy(record).items()},
    }
    if audit := strongest(audits):
        found = {name: getattr(audit.found, name) for name in ("epsilon", "delta", "confidence")}
        found["problems"] = "; ".join(audit.problems) or None
        values |= {f"privacy/audited_{name}": value for name, value in found.items()}
    return {name: value for name, value in values.items() if value is not None}


def _calibration(record: RunRecord) -> dict[str, Value]:
    """Expected calibration errors by region, of the models that tables judge the run by."""
    return {f"calibration_error/{block.region}": block.error for block in record.judged_calibration}


def _privacy(record: RunRecord) -> dict[str, Value | None]:
    privacy, accounted = record.privacy, record.privacy.accounted
    units_per_person, group_epsilon = person(record)
    values: dict[str, Value | None] = {
        "unit": privacy.unit,
        "protects": protected_word(record),
        "units_per_person": units_per_person,
        "group_epsilon": group_epsilon,
        "noise": noise_source(privacy),
        "nominal_epsilon": privacy.nominal_epsilon,
        "accounted_epsilon": accounted.epsilon,
        "accounted_reason": accounted.reason,
        "accounted_not_covered": "; ".join(accounted.not_covered) or None,
    }
    if privacy.unit != "none":
        values["delta"] = accounted.delta
        values |= {name: getattr(privacy, name) for name in _OF_A_MECHANISM}
    return values
