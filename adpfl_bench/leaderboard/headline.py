"""Headline of a run: the models whose scores it is judged by, the global one or the clients' own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL, Headline, counting_models
from adpfl_bench.records.case_score import CaseScore

SCORED_MODEL: Mapping[Headline, str] = {
    "global": "global model",
    "own": "each client's own model",
    "everyone": "mean of the clients' own models on everyone's cases",
}
"""What tables say was scored."""


def headline_rows(rows: Iterable[CaseScore], headline: Headline, held_out: Collection[str] = ()) -> list[CaseScore]:
    """Choose the rows that a run is judged by.

    Args:
        rows: Rows of any models.
        headline: Whose scores count.
        held_out: Clients that took no part in training.
    """
    rows = list(rows)
    own = {row.model for row in rows} - {GLOBAL_MODEL}
    return [row for row in rows if row.model in counting_models(headline, row.client, held_out, own)]


def check_models(rows: Sequence[CaseScore], headline: Headline, held_out: Collection[str] = ()) -> None:
    """Refuse rows that score a case by fewer models, or more often, than the headline asks for.

    Args:
        rows: All rows of a split.
        headline: Whose scores count.
        held_out: Clients that took no part in training.

    Raises:
        RecordError: Which score is missing or there twice.
    """
    found: dict[tuple[str, str], set[str]] = {}
    clients = {row.case: row.client for row in rows}
    for row in rows:
        models = found.setdefault((row.case, row.region), set())
        if row.model in models:
            of = "" if row.model == GLOBAL_MODEL else f" by the model of {row.model}"
            raise RecordError(f"cases.csv scores a region of a test case twice{of}: {row.region} of {row.case}")
        models.add(row.model)
    everyone = {row.model for row in rows} - {GLOBAL_MODEL}
    for (case, region), models in found.items():
        client = clients[case]
        needed = set(counting_models(headline, client, held_out, everyone))
        if not needed or not needed <= models:
            raise RecordError(
                f"its federated.headline is {headline}, but cases.csv has no score by {_named(needed - models)} for"
                f" {region} of {case}, a test case of {client}"
            )


def _named(models: Collection[str]) -> str:
    if not models:
        return "any client's own model"
    return "the global model" if GLOBAL_MODEL in models else f"the model of {' and '.join(sorted(models))}"
