"""Notes of a table: what a reader has to know to read it rightly."""

from adpfl_bench.leaderboard.audits import other_differences
from adpfl_bench.leaderboard.method_order import LOWER_REFERENCE, UPPER_REFERENCE
from adpfl_bench.leaderboard.protection import NOISE_NOTE, SEEDED
from adpfl_bench.leaderboard.rendering import common_unit
from adpfl_bench.leaderboard.table import Table, reference
from adpfl_bench.records.account_block import AccountBlock
from adpfl_bench.records.protected import group_text
from adpfl_bench.records.settings import describe_difference, object_differences
from adpfl_bench.records.verification.run_verification import VERIFIED
from adpfl_bench.text import count, listed

_FAIR_SECTIONS = ("model.", "data.", "trainer.", "federated.rounds")
_LONGEST_LIST = 4


def table_notes(table: Table) -> list[str]:
    """Say what limits the comparison within a table."""
    return [
        *filter(None, [table.group.apart]),
        *_tolerance(table),
        *_gap(table),
        *_seeds(table),
        *_extended(table),
        *_deployed(table),
        *_variants(table),
        *_held_out(table),
        *_fairness(table),
        *_protection(table),
        *_accounts(table),
        *_trusted(table),
        *_records(table),
        *_audits(table),
    ]


def _tolerance(table: Table) -> list[str]:
    runs = [run for variant in table.group.variants for run in variant.runs]
    tolerances = {run.record.model.surface_tolerance.get(table.region) for run in runs}
    unit = common_unit(table.rows)
    if unit is None:
        units = " and ".join(f"some in {unit}" for unit in sorted({row.distance_unit for row in table.rows} - {""}))
        return [f"Neither distances nor NSD must be compared here: {units}, tolerances too."]
    if len(tolerances) > 1:
        return ["NSD must not be compared here: the methods were scored at different tolerances."]
    return [f"NSD is taken at a tolerance of {value:.4g} {unit}." for value in tolerances if value is not None]


def _gap(table: Table) -> list[str]:
    upper, lower = reference(table.rows, UPPER_REFERENCE), reference(table.rows, LOWER_REFERENCE)
    if upper is None or lower is None:
        several = [
            name for name in (UPPER_REFERENCE, LOWER_REFERENCE) if sum(row.method == name for row in table.rows) > 1
        ]
        return [f"Gap closed is empty: {name} is here with several settings." for name in several]
    gap = upper.mean - lower.mean
    if gap <= 0:
        return ["Gap closed is empty: fedavg is not ahead of dp_fl, so there is no gap to close."]
    noise = max(row.sd_seeds or 0.0 for row in (upper, lower))
    if gap < noise:
        return [
            f"The gap between fedavg and dp_fl ({100 * gap:.2f} points) is smaller than the SD over seeds"
            f" ({100 * noise:.2f} points): shares of it say little."
        ]
    return []


def _seeds(table: Table) -> list[str]:
    seeds = {row.seeds for row in table.rows}
    if len(seeds) == 1:
        return []
    listed = "; ".join(f"{row.label}: {row.seeds.replace(' ', ', ')}" for row in table.rows)
    return [f"The methods were not run with the same seeds ({listed})."]


def _extended(table: Table) -> list[str]:
    """Say which runs have more rounds than they were planned with, which may have been added once scores were seen."""
    of_runs = {
        f"{variant.label} (seed {run.record.seed})": ", then ".join(
            f"from {block.from_rounds:,} to {block.rounds:,} rounds after round {block.completed:,}"
            for block in run.record.extended
        )
        for variant in table.group.variants
        for run in variant.runs
        if run.record.extended
    }
    listed = _listed([f"{run} {how}" for run, how in of_runs.items()])
    return [f"Rounds were added to runs that had been planned with fewer: {listed}."] if of_runs else []


def _deployed(table: Table) -> list[str]:
    """Say which runs were no simulations, and what became of their hospitals."""
    notes = []
    for variant in table.group.variants:
        for run in variant.runs:
            if (deployed := run.record.deployed) is None:
                continue
            where = "as one of" if deployed.side == "hospital" else "at"
            note = (
                f"{variant.label} (seed {run.record.seed}) was deployed {where} {count(deployed.hospitals, 'hospital')}"
            )
            note += f" ({listed(deployed.hospitals)})"
            left = [f"{name} in {count(rounds, 'round')}" for name, rounds in deployed.missing.items()]
            note += f"; it went on without {listed(left)}" if left else ""
            notes.append(f"{note}{'; its noise was repeatable, for a test' if deployed.test else ''}.")
    return notes


def _variants(table: Table) -> list[str]:
    notes = []
    for method in dict.fromkeys(row.method for row in table.rows):
        same = {v.label: v.runs[0].settings for v in table.group.variants if v.method == method}
        if len(same) > 1:
            listed = _listed([describe_difference(key, values) for key, values in object_differences(same).items()])
            notes.append(f"{method} was run with several settings, which are not averaged: {listed}.")
    return notes


def _held_out(table: Table) -> list[str]:
    by_clients: dict[tuple[str, ...], list[str]] = {}
    for variant in table.group.variants:
        if clients := variant.runs[0].held_out_clients:
            by_clients.setdefault(clients, []).append(variant.label)
    return [
        f"Held out of the training of {', '.join(labels)}: {', '.join(clients)}, whose test cases count in the"
        " means all the same."
        for clients, labels in by_clients.items()
    ]


def _fairness(table: Table) -> list[str]:
    settings = {variant.label: variant.runs[0].settings for variant in table.group.variants}
    found = [
        describe_difference(key, values)
        for key, values in object_differences(settings).items()
        if key.startswith(_FAIR_SECTIONS)
    ]
    return [f"The methods differ in more than federation and privacy: {_listed(found)}."] if found else []


def _protection(table: Table) -> list[str]:
    """Say from whom noise does not protect, and of whom nothing is known."""
    seeded = [row.label for row in table.rows if row.noise == SEEDED]
    notes = [f"{', '.join(seeded)}: {NOISE_NOTE}."] if seeded else []
    unknown: dict[str, list[str]] = {}
    for row in table.rows:
        if row.accounted_epsilon is not None and row.group_epsilon is None:
            unknown.setdefault(group_text(None, None, row.protects), []).append(row.label)
    return [*notes, *(f"{', '.join(labels)}: {text}." for text, labels in unknown.items())]


def _accounts(table: Table) -> list[str]:
    """Say what runs have spent together that share the account of a cohort: a search costs more than its best run."""
    accounts: dict[str, list[AccountBlock]] = {}
    for variant in table.group.variants:
        for run in variant.runs:
            if (block := run.record.account) is not None:
                accounts.setdefault(block.account, []).append(block)
    return [
        f"{count(blocks, 'run')} here released under the account {blocks[0].name}. All runs of the account together had"
        f" come to epsilon {max(known):.4g} at delta {blocks[0].delta:g}, for the {blocks[0].unit} with most, when the"
        f" last of them was settled, of {blocks[0].epsilon:g}: what a search costs, and not what a method does."
        for blocks in accounts.values()
        if (known := [block.composed_epsilon for block in blocks if block.composed_epsilon is not None])
    ]


def _trusted(table: Table) -> list[str]:
    """Say whose runs could use code that does not come with the suite."""
    by_modules: dict[tuple[str, ...], list[str]] = {}
    for variant in table.group.variants:
        if modules := tuple(sorted({module for run in variant.runs for module in run.record.trusted})):
            by_modules.setdefault(modules, []).append(variant.label)
    return [
        f"{', '.join(labels)}: made with code of {' and '.join(modules)} (--trust), which does not come with the suite."
        for modules, labels in by_modules.items()
    ]


def _records(table: Table) -> list[str]:
    """Say whose records prove less than they could."""
    without: dict[str, list[str]] = {}
    for row in table.rows:
        for state in row.records.split("; "):
            if state != VERIFIED:
                without.setdefault(state, []).append(row.label)
    whole = len(table.rows)
    owners = {
        state: "All records here" if len(set(own)) == whole else f"Records of {', '.join(own)}"
        for state, own in without.items()
    }
    return [f"{owner} are {state}." for state, owner in owners.items()]


def _audits(table: Table) -> list[str]:
    notes = []
    for variant, row in ((v, r) for v in table.group.variants for r in table.rows if r.label == v.label):
        if len(variant.audits) > 1:
            notes.append(
                f"The audited epsilon of {row.label} is the largest of {len(variant.audits)} audits. Each holds at its"
                " own confidence, the largest at less."
            )
        if row.audited_epsilon is not None and row.accounted_epsilon is not None:
            deltas = [f"{delta:g}" for delta in (row.audited_delta, row.accounted_delta) if delta is not None]
            if len(set(deltas)) > 1:
                notes.append(
                    f"The audited epsilon of {row.label} is stated at delta {deltas[0]}, the accounted one at"
                    f" {deltas[1]}."
                )
        record = variant.runs[0].record
        found = [difference for audit in variant.audits for difference in other_differences(record, audit)]
        if found:
            listed = _listed(list(dict.fromkeys(found)))
            notes.append(f"{row.label} was audited in a run that differs in more than the canaries: {listed}.")
    return [*notes, *table.group.misfits]


def _listed(items: list[str]) -> str:
    shown = "; ".join(items[:_LONGEST_LIST])
    more = len(items) - _LONGEST_LIST
    return f"{shown}; and {more} more" if more > 0 else shown
