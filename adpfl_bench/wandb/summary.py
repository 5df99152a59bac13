"""A run in single numbers, as Weights & Biases shows them in its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from adpfl_bench.leaderboard.audits import Audit, strongest
from adpfl_bench.leaderboard.headline import headline_rows
from adpfl_bench.leaderboard.run_summary import client_means
from adpfl_bench.records.averages import mean_if_all
from adpfl_bench.records.case_row import CaseRow
from adpfl_bench.records.case_score import CaseScore, mean_dice, mean_over_models
from adpfl_bench.records.federated_block import Headline
from adpfl_bench.records.privacy_block import PrivacyBlock
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.run_directory import RoundRow
from adpfl_bench.records.run_record import RunRecord

Value = float | int | str


def score_summary(
    rows: Sequence[CaseRow], headline: Headline = "global", held_out: Collection[str] = ()
) -> dict[str, Value]:
    """Summarise test cases, scored by the models that tables judge the run by.

    Args:
        rows: Rows of all models and regions.
        headline: Whose scores count.
        held_out: Clients that took no part in training.

    Returns:
        The means ``dice``, ``hd95`` (in ``hd95_unit``) and ``nsd`` over cases and regions; ``n_missed``; of the clients
        that took part in training ``worst_client``, ``worst_client_dice`` and ``client_spread``; ``dice/CLIENT`` of
        all. Of several regions the same for each, as in ``dice_REGION`` and ``dice_REGION/CLIENT``. Where clients' own
        models are judged and the global one was scored too, its Dice is ``dice_global``. What was not computed for
        every case is left out.
    """
    judged = headline_rows(rows, headline, held_out)
    by_region = {
        name: [row for row in judged if row.region == name] for name in dict.fromkeys(r.region for r in judged)
    }
    values: dict[str, Value] = _scores(by_region, held_out) if judged else {}
    if len(by_region) > 1:
        for name in by_region:
            values.update(_scores({name: by_region[name]}, held_out, f"_{name}"))
    of_global = headline_rows(rows, "global")
    if headline != "global" and of_global:
        values["dice_global"] = mean_dice(of_global)
    return values


def _scores(
    by_region: Mapping[str, Sequence[CaseRow]], held_out: Collection[str], suffix: str = ""
) -> dict[str, Value]:
    rows = [row for rows in by_region.values() for row in rows]
    cases: list[CaseScore] = [score for rows in by_region.values() for score in mean_over_models(rows).values()]
    values: dict[str, Value | None] = {
        "dice": float(np.mean([case.dice for case in cases])),
        "hd95": mean_if_all(case.hd95 for case in cases),
        "nsd": mean_if_all(case.nsd for case in cases),
        "n_missed": sum(row.missed for row in rows),
        "hd95_unit": "/".join(sorted({row.hd95_unit for row in rows})),
    }
    clients = client_means(cases)
    trained = {name: dice for name, dice in clients.items() if name not in held_out}
    if trained:
        worst = min(trained, key=lambda name: (trained[name], name))
        values["worst_client"] = worst
        values["worst_client_dice"] = trained[worst]
        values["client_spread"] = max(trained.values()) - trained[worst]
    named = {f"{name}{suffix}": value for name, value in values.items() if value is not None}
    return {**named, **{f"dice{suffix}/{client}": dice for client, dice in clients.items()}}


def record_summary(
    record: RunRecord, rounds: Iterable[RoundRow] = (), audits: Sequence[Audit] = ()
) -> dict[str, Value]:
    """Summarise a run's record.

    Args:
        record: The run's record.
        rounds: The lines of rounds.csv.
        audits: Audits that tell of the run.

    Returns:
        What the run was and cost, ``val_dice_max``, and its privacy. What does not apply, or is not proved, is left
        out; ``privacy/accounted_reason`` says why there is no accounted epsilon.
    """
    best = [row.value for row in rounds if (row.client, row.name) == (ALL_CLIENTS, "val_dice")]
    values: dict[str, Value | None] = {
        "task": record.task,
        "method": record.method,
        "seed": record.seed,
        "status": record.status,
        "rounds_completed": record.rounds_completed,
        "data/kind": record.data.kind,
        "parameters": record.model.parameters,
        "val_dice_max": max(best, default=None),
        "wall_seconds": record.wall_seconds,
        "peak_memory_mb": record.peak_memory_mb,
        "peak_gpu_memory_mb": record.peak_gpu_memory_mb,
        **{f"privacy/{name}": value for name, value in _privacy(record.privacy).items()},
    }
    if audit := strongest(audits):
        values.update(
            {
                "privacy/audited_epsilon": audit.found.epsilon,
                "privacy/audited_delta": audit.found.delta,
                "privacy/audited_confidence": audit.found.confidence,
                "privacy/audited_problems": "; ".join(audit.problems) or None,
            }
        )
    return {name: value for name, value in values.items() if value is not None}


def _privacy(privacy: PrivacyBlock) -> dict[str, Value | None]:
    accounted = privacy.accounted
    values: dict[str, Value | None] = {
        "unit": privacy.unit,
        "nominal_epsilon": privacy.nominal_epsilon,
        "accounted_epsilon": accounted.epsilon,
        "accounted_reason": accounted.reason,
        "accounted_not_covered": "; ".join(accounted.not_covered) or None,
    }
    if privacy.unit != "none":
        values.update(
            {
                "delta": accounted.delta,
                "target_epsilon": privacy.target_epsilon,
                "noise_multiplier": privacy.noise_multiplier,
                "mechanism": privacy.mechanism,
                "threshold": privacy.threshold,
                "clipping_norm": privacy.clipping_norm,
                "sampling": privacy.sampling,
            }
        )
    return values
