"""Check of the data: their kind and identity, their division among clients, and the runs that the weights came from."""

from __future__ import annotations

from collections.abc import Iterator

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.ledger import PLANNED
from adpfl_bench.privacy.lineage import PUBLIC, START_KINDS
from adpfl_bench.records.chain import run_origin
from adpfl_bench.records.verification.config_values import arguments
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding
from adpfl_bench.text import count

PHANTOM = "phantom"
"""The kind of synthetic data, and what ``data.root`` is where the suite makes them by itself."""

_SPLITS = ("train", "validation", "test")


def check_data(evidence: Evidence) -> Iterator[Finding]:
    """Make sure that kind, files and seed are those that the run began with."""
    record = evidence.record
    data = record.data
    root = arguments(record.config, "data").get("root")
    if root == PHANTOM and data.kind != PHANTOM:
        yield Finding("data", f"they are called {data.kind}, but the configuration asks for phantoms (data.root)")
    for cohort in record.privacy.cohorts:
        if cohort.cohort == data.fingerprint and cohort.kind != data.kind:
            yield Finding("data", f"they are called {data.kind}, but {cohort.kind} among the lineage's cohorts")
    digests = record.digests
    division = digests.files.get(evidence.directory.partition_file.name) if digests is not None else None
    if digests is not None and division is not None:
        origin = run_origin(record.seed, data.kind, data.fingerprint, division)
        if origin != digests.chain.origin:
            yield Finding("data", "the chain of rounds began with another seed, kind of data, fingerprint or partition")
    yield from _check_planning(evidence)
    cases = sum(own.train + own.validation + own.test for own in data.clients.values())
    if data.cases is not None and cases > data.cases:
        yield Finding("data", f"clients hold {count(cases, 'case')}, but the dataset has {data.cases:,}")


def _check_planning(evidence: Evidence) -> Iterator[Finding]:
    record = evidence.record
    planned = record.data.planned_on
    configured = arguments(record.config, "data").get("planned_on", planned)
    if planned != configured:
        yield Finding(
            "data",
            f"settings were planned on {planned or 'nothing'}, but on {configured or 'nothing'} (data.planned_on)",
        )
    accounted = record.privacy.accounted
    private = accounted.epsilon is not None and record.privacy.unit != "none"
    if private and "private" in (planned, configured) and PLANNED not in accounted.not_covered:
        yield Finding("data", f"epsilon should name as not covered: {PLANNED}")


def check_partition(evidence: Evidence) -> Iterator[Finding]:
    """Compare the partition with the numbers of cases in the record."""
    try:
        partition = evidence.partition
    except RecordError as error:
        yield Finding("partition", str(error))
        return
    if partition is None:
        return
    found = partition.sizes
    clients = evidence.record.data.clients.items()
    stated = {(name, split): getattr(own, split) for name, own in clients for split in _SPLITS}
    for client, split in sorted({*found, *stated}):
        ours, theirs = found.get((client, split), 0), stated.get((client, split), 0)
        if ours != theirs:
            yield Finding(
                "partition", f"{client} holds {count(ours, f'{split} case')} there, and {theirs:,} in run.json"
            )
            return
    if partition.scattered is not None:
        yield Finding("partition", f"the patient {partition.scattered} is in two clients or splits")


def check_lineage(evidence: Evidence) -> Iterator[Finding]:
    """Make sure that model, configuration and privacy speak of the same earlier runs."""
    record = evidence.record
    started, lineage = record.model.started_from, record.privacy.lineage
    kinds = {ancestor.kind for ancestor in lineage}
    first = next((kind for kind in START_KINDS if kind in kinds), None)
    states_lineage = record.digests is not None or bool(lineage)
    if states_lineage and first != started:
        of = "no run" if first is None else f"weights from {first} data"
        yield Finding("lineage", f"the weights started from {started or 'chance'}, but the lineage has {of}")
    init_from = arguments(record.config, "model").get("init_from")
    if init_from is not None and started is None:
        yield Finding("lineage", "the weights started from chance, but the configuration takes them from a checkpoint")
    accounted = record.privacy.accounted
    private = accounted.epsilon is not None and record.privacy.unit != "none"
    costs = started if started not in (PHANTOM, PUBLIC) else None
    if private and costs is not None and not any(costs in text for text in accounted.not_covered):
        yield Finding("lineage", f"the weights started from {started} data, which epsilon should name as not covered")
    unproved = [a for a in lineage if a.cohort == record.data.fingerprint and a.epsilon is None]
    if private and unproved:
        yield Finding("lineage", "an epsilon is stated, but an earlier run on the same data has none")
    largest = max((a.epsilon or 0.0 for a in lineage if a.cohort == record.data.fingerprint), default=0.0)
    if accounted.epsilon is not None and record.privacy.unit != "none" and accounted.epsilon < largest * (1 - 1e-3):
        yield Finding(
            "lineage", f"epsilon is {accounted.epsilon:.4g}, but an earlier run on the same data has {largest:.4g}"
        )
