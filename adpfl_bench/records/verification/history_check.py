"""Check of a run's history: the digests of its record and of its files, and the chain of its rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from adpfl_bench.errors import RecordError
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.seal import field_digests
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import CheckName, Finding
from adpfl_bench.text import a_few, count

_SHOWN = 4
_FILES: Mapping[str, CheckName] = {
    "rounds.csv": "rounds",
    "cases.csv": "cases",
    "partition.csv": "partition",
    "privacy_ledger.json": "ledger",
}


def check_digests(evidence: Evidence) -> Iterator[Finding]:
    """Compare what is there with the digests that were recorded; a record without them is passed over."""
    digests = evidence.record.digests
    if digests is None:
        return
    found = field_digests(evidence.content)
    changed = sorted(key for key in found.keys() & digests.fields if found[key] != digests.fields[key])
    for keys, what in (
        (changed, "not what was recorded"),
        (sorted(digests.fields.keys() - found.keys()), "missing"),
        (sorted(found.keys() - digests.fields.keys()), "not of the record"),
    ):
        if keys:
            yield Finding("record", f"{a_few(keys)} of run.json {'is' if len(keys) == 1 else 'are'} {what}")
    for name, recorded in sorted(digests.files.items()):
        now = evidence.sha256(evidence.directory.path / name)
        if now is not None and now != recorded:
            text = f"{name} is not the file that was recorded (SHA-256 {now[:8]} in place of {recorded[:8]})"
            yield Finding(_FILES.get(name, "record"), text)


def check_rounds(evidence: Evidence) -> Iterator[Finding]:
    """Make sure that rounds.csv has every round once, and that each is the one of its link."""
    record = evidence.record
    completed = record.rounds_completed
    if record.status == "finished" and completed != record.federated.planned_rounds:
        planned = count(record.federated.planned_rounds, "round")
        yield Finding("rounds", f"the run is finished after {completed} of {planned}")
    yield from _extensions(record)
    chain = record.digests.chain if record.digests is not None else None
    if chain is not None:
        numbers = [link.round for link in chain.links]
        if numbers != list(range(completed - len(numbers) + 1, completed + 1)):
            yield Finding("rounds", f"the chain has the rounds {_numbers(numbers)}, but {completed} are completed")
    if not evidence.directory.rounds_file.exists():
        return
    try:
        lines = evidence.round_lines
    except RecordError as error:
        yield Finding("rounds", str(error))
        return
    elsewhere = record.digests.elsewhere if record.digests is not None else 0
    expected = range(elsewhere + 1, completed + 1)
    # Whoever edits a number of rounds may make it so large that nothing should be as long.
    if missing := list(islice((number for number in expected if number not in lines), _SHOWN)):
        yield Finding("rounds", f"rounds.csv lacks {_rounds(missing)} of {completed}")
    if evidence.closed and (beyond := sorted(number for number in lines if number not in expected)):
        yield Finding("rounds", f"rounds.csv has {_rounds(beyond)}, which run.json does not know of")
    if (row := evidence.rounds.repeated()) is not None:
        rounds = evidence.rounds
        twice = f"{rounds.name[row]} of {rounds.client[row]}"
        yield Finding("rounds", f"round {rounds.round[row]} has a number twice: {twice}")
    if chain is not None and (broken := chain.broken(lines)):
        yield Finding("rounds", f"{_rounds(broken)} of rounds.csv {_is(broken)} not what the chain was made of")


def _extensions(record: RunRecord) -> Iterator[Finding]:
    """Make sure that rounds were added to those before, and that their last number is the run's."""
    planned = record.extended[0].from_rounds if record.extended else record.federated.rounds
    for added in record.extended:
        if not (added.from_rounds == planned < added.rounds and 0 <= added.completed <= added.from_rounds):
            yield Finding("rounds", f"rounds cannot have been added {added}, where {planned} were planned")
            return
        planned = added.rounds
    if planned != record.federated.rounds:
        yield Finding("rounds", f"the run was extended to {planned} rounds, but has {record.federated.rounds}")


def _rounds(numbers: list[int]) -> str:
    return f"round{'s' if len(numbers) > 1 else ''} {_numbers(numbers)}"


def _numbers(numbers: list[int]) -> str:
    return a_few([str(number) for number in numbers])


def _is(numbers: list[int]) -> str:
    return "is" if len(numbers) == 1 else "are"
