"""One run's scores in a few lines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adpfl_bench.leaderboard.audits import Audit, audits_beside, contradictions, strongest
from adpfl_bench.leaderboard.headline import SCORED_MODEL, headline_rows
from adpfl_bench.records.case_row import GLOBAL_MODEL, CaseRow
from adpfl_bench.records.case_score import CaseScore, mean_over_models
from adpfl_bench.records.federated_block import Headline
from adpfl_bench.records.privacy_block import PrivacyBlock
from adpfl_bench.records.run_directory import RunDirectory


@dataclass(frozen=True)
class Scores:
    """Scores of one region over the cases of a split.

    Attributes:
        cases: Number of cases.
        dice_mean: Mean Dice over cases.
        dice_sd: Standard deviation over cases (ddof=1; 0 for one case).
        iou_mean: Mean IoU over cases.
        hd95_mean: Mean HD95 over cases, in ``hd95_unit``; misses count with the image diagonal.
        hd95_unit: ``mm`` or ``px``.
        nsd_mean: Mean NSD over cases.
        missed: Number of rows of which exactly one of prediction and truth is empty.
        worst_client: Client with the lowest mean Dice.
        worst_client_dice: Its mean Dice.
    """

    cases: int
    dice_mean: float
    dice_sd: float
    iou_mean: float
    hd95_mean: float
    hd95_unit: str
    nsd_mean: float
    missed: int
    worst_client: str
    worst_client_dice: float


def score(rows: Sequence[CaseRow], held_out: Collection[str] = ()) -> Scores:
    """Summarise the rows of one region and split; a case that several models scored counts once.

    Args:
        rows: At least one row.
        held_out: Clients that took no part in training; none of them is the worst, unless there are no others.
    """
    cases = list(mean_over_models(rows).values())
    dice = np.array([case.dice for case in cases])
    clients = client_means(cases)
    worst = min(clients, key=lambda name: (name in held_out, clients[name], name))
    return Scores(
        cases=len(cases),
        dice_mean=float(dice.mean()),
        dice_sd=float(dice.std(ddof=1)) if len(cases) > 1 else 0.0,
        iou_mean=float(np.mean([case.iou for case in cases])),
        hd95_mean=_mean(case.hd95 for case in cases),
        hd95_unit=rows[0].hd95_unit,
        nsd_mean=_mean(case.nsd for case in cases),
        missed=sum(row.missed for row in rows),
        worst_client=worst,
        worst_client_dice=clients[worst],
    )


def client_means(cases: Iterable[CaseScore]) -> dict[str, float]:
    """Mean Dice of each client, sorted by name."""
    groups: dict[str, list[float]] = {}
    for case in cases:
        groups.setdefault(case.client, []).append(case.dice)
    return {client: float(np.mean(groups[client])) for client in sorted(groups)}


def _mean(values: Iterable[float | None]) -> float:
    return float(np.mean([np.nan if value is None else value for value in values]))


def privacy_text(privacy: PrivacyBlock, audits: Sequence[Audit] = ()) -> str:
    """Say what is stated, what is proved and what was measured of a run's privacy.

    Args:
        privacy: The privacy block of its record.
        audits: Audits that tell of the run.
    """
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
    return f"unit {privacy.unit}; epsilon nominal {stated}, accounted {proved}, audited {measured}"


def summarize_run(directory: RunDirectory) -> str:
    """Describe a scored run in a few lines: scores by split and region, privacy, and where its record is.

    Where clients have models of their own, their scores come first and those of the global model, if it was scored
    too, below.

    Raises:
        RecordError: The run has no record or no scores.
    """
    lines = []
    rows = directory.read_cases()
    record = directory.find_record()
    headline: Headline = "global" if any(row.model == GLOBAL_MODEL for row in rows) else "everyone"
    held_out: tuple[str, ...] = ()
    if record is not None:
        headline, held_out = record.federated.headline, record.federated.held_out_clients
    for split, region in sorted({(row.split, row.region) for row in rows}):
        scored = [row for row in rows if (row.split, row.region) == (split, region)]
        judged: dict[Headline, list[CaseRow]] = {headline: headline_rows(scored, headline, held_out)}
        judged.setdefault("global", headline_rows(scored, "global"))
        for name, chosen in judged.items():
            if chosen:
                of = "" if headline == "global" else f" ({_scored(name, chosen)})"
                lines.append(f"{split:>10} {region}{of}: {_scores_text(score(chosen, held_out))}")
    if record is not None:
        lines.append(f"{'privacy':>10} {privacy_text(record.privacy, audits_beside(directory.path, record))}")
    lines.append(f"{'record':>10} {directory.path}")
    return "\n".join(lines)


def _scored(name: Headline, rows: Sequence[CaseRow]) -> str:
    """What was scored; while validating, own models score their own client's cases even if others' count at the end."""
    own = all(row.model == row.client for row in rows)
    return SCORED_MODEL["own" if own else name]


def _scores_text(scores: Scores) -> str:
    return (
        f"Dice {scores.dice_mean:.4f} (SD over {scores.cases} cases {scores.dice_sd:.4f}),"
        f" HD95 {scores.hd95_mean:.2f} {scores.hd95_unit}, NSD {scores.nsd_mean:.4f}, missed {scores.missed};"
        f" worst client {scores.worst_client} {scores.worst_client_dice:.4f}"
    )
