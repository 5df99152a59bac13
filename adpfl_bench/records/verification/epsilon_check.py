"""Check of epsilon: against what the ledger amounts to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from adpfl_bench.errors import BenchError
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.lineage import PUBLIC
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

TOLERANCE = 1e-3
"""Share by which the accountants of other versions, or on another machine, may differ."""


def check_epsilon(evidence: Evidence) -> Iterator[Finding]:
    """Account for the ledger again, and compare; a record that states no ledger is passed over.

    A run whose weights came from runs on the same data has an epsilon that counts these too. Their releases are not in
    its record, so that its own are a lower bound there.
    """
    record = evidence.record
    accounted = record.privacy.accounted
    epsilon, stated = accounted.epsilon, accounted.by_client
    if (epsilon is None) == (accounted.reason is None):
        has = "neither an epsilon nor a reason" if epsilon is None else "both an epsilon and a reason why there is none"
        yield Finding("epsilon", f"run.json states {has}")
    if epsilon is None or "ledger" not in record.privacy.model_fields_set:
        return
    if not (0 <= epsilon < math.inf and all(0 <= value < math.inf for value in stated.values())):
        yield Finding("epsilon", "an epsilon is a number from 0 on, but one is not")
        return
    worst = max(stated.values(), default=0.0)
    inherits = any(one.cohort in ("", record.data.fingerprint) for one in record.privacy.lineage if one.kind != PUBLIC)
    found: dict[str, float] = {}
    try:
        for client in evidence.ledger.clients():
            events = evidence.ledger.events(client)
            found[client] = client_epsilon(events, accounted.delta)
            own = stated.get(client)
            # The largest may come from another proof than this version would take, so that it may be larger.
            at_least = inherits or (own == worst and accountant(events, accounted.delta) != accounted.accountant)
            if problem := _compare(own, found[client], at_least):
                yield Finding("epsilon", f"{client} {problem}")
                return
    except BenchError as error:
        yield Finding("epsilon", f"the ledger amounts to none ({error})")
        return
    if unknown := sorted(client for client in stated.keys() - found.keys() if stated[client] > 0 and not inherits):
        yield Finding("epsilon", f"{unknown[0]} has an epsilon, but released nothing")
    if not math.isclose(epsilon, worst, rel_tol=TOLERANCE):
        yield Finding("epsilon", f"epsilon is {epsilon:.4g}, but the largest of the clients' is {worst:.4g}")
    group, most = accounted.group_epsilon, record.privacy.units_per_person
    if group is not None and group < epsilon * (1 - TOLERANCE):
        yield Finding("epsilon", f"a person with {most} units has epsilon {group:.4g}, and one unit {epsilon:.4g}")


def _compare(stated: float | None, found: float, at_least: bool) -> str:
    if stated is None:
        return f"has releases that amount to epsilon {found:.4g}, but none is stated"
    if math.isclose(stated, found, rel_tol=TOLERANCE) or (at_least and stated > found):
        return ""
    return f"has epsilon {stated:.4g}, but its releases amount to {found:.4g}"
