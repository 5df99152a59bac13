"""Spent budget of a run, as text for a terminal."""

from pathlib import Path

from rich.table import Table

from adpfl_bench.leaderboard.protection import NOISE_NOTE, SEEDED, noise_source, person, protected_word
from adpfl_bench.privacy.odds import odds_text
from adpfl_bench.records.blocks import AuditedBlock
from adpfl_bench.records.protected import group_text, unit_text
from adpfl_bench.records.spent import SpentBudget, nominal_text
from adpfl_bench.text import make_table, print_facts, print_table


def show_spent(folder: Path, spent: SpentBudget) -> None:
    """Print what a run has spent by client, and what is left of what was planned."""
    record = spent.record
    rounds = f"{record.rounds_completed} of {record.federated.rounds} rounds"
    print(f"{record.task} / {record.method} / seed {record.seed}: {record.status} after {rounds}; {folder}")
    print_facts({**_spent_facts(spent), "nominal": nominal_text(record.privacy.nominal_epsilon)})
    if spent.reason is None:
        print_table("Spent by client", _spent_table(spent))


def _spent_facts(spent: SpentBudget) -> dict[str, str]:
    block = spent.record.privacy
    z = "not stated" if block.noise_multiplier is None else f"{block.noise_multiplier:.4g}"
    word = protected_word(spent.record)
    source = noise_source(block)
    facts = {
        "unit": f"{unit_text(block.unit, word or block.unit)}, adjacency {block.adjacency or 'not stated'}",
        "noise": f"{block.mechanism or 'none'}, z = {z}" + (f"; {NOISE_NOTE}" if source == SEEDED else ""),
        "audited": _audited(block.audited),
    }
    if spent.reason is not None:
        return {**facts, "accounted": f"none: {spent.reason}"}
    worst = max(spent.clients, key=lambda name: spent.clients[name].epsilon, default=None)
    by = "" if worst is None or not spent.epsilon else f" (client {worst}, by {spent.clients[worst].accountant})"
    facts["accounted"] = f"epsilon {spent.epsilon:.4g} at delta {spent.delta:g}{by}"
    facts["odds"] = odds_text(spent.epsilon, spent.delta)
    if spent.ahead:
        facts["journal"] = "counts releases that run.json does not know of, and is included: a round was broken off"
    facts["person"] = group_text(*person(spent.record), word or block.unit)
    if covered := block.accounted.not_covered:
        facts["not covered"] = "; ".join(covered)
    kind = "target" if block.target_epsilon is not None else "after the last planned round"
    planned = spent.planned
    facts["planned"] = (
        "unknown: a client has not taken part yet, or makes a stated number of local steps"
        if planned is None
        else f"epsilon {planned:.4g} ({kind}), of which {max(planned - spent.epsilon, 0):.4g} is left"
    )
    return facts


def _spent_table(spent: SpentBudget) -> Table:
    headings = ("Client", "Releases", "Epsilon spent", "after the last planned round", "Accountant")
    table = make_table(headings, left=("Client", "Accountant"))
    for name, client in spent.clients.items():
        end = "unknown" if client.planned is None else f"{client.planned:.4g}"
        table.add_row(name, f"{client.releases:,}", f"{client.epsilon:.4g}", end, client.accountant or "nothing spent")
    return table


def _audited(found: AuditedBlock | None) -> str:
    if found is None:
        return "no audit is recorded"
    details = [f"{found.confidence:.0%} confidence", f"delta {found.delta:g}", f"client {found.client}"]
    return f"epsilon at least {found.epsilon:.4g} ({', '.join(details + ([found.verdict] if found.verdict else []))})"
