"""Comparability: which runs may stand in one table, and which are left out."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.audits import Audit, audit_differences
from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.held_contents import by_contents
from adpfl_bench.leaderboard.run_reading import LeftOut, ListedAudit, read_runs
from adpfl_bench.leaderboard.scored_run import ScoredRun
from adpfl_bench.records.settings import settings_digest

SUMMED = (
    "These runs trust a sum (privacy.trust): their epsilon holds against a server that sees no more of a round than the"
    " sum over its clients. Runs that are private against a server that sees each client's update are in another table."
)


class Comparison(NamedTuple):
    """The given runs in groups that may be compared.

    Attributes:
        groups: Groups by task (real before phantom).
        left_out: The runs that are in none of them.
        audits: The audits among the runs.
    """

    groups: list[Group]
    left_out: list[LeftOut]
    audits: list[ListedAudit]


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Find the folders that hold a run.json, or cannot be looked into, each once.

    Args:
        paths: Run folders, run.json files, or folders to search.

    Raises:
        RecordError: A path does not exist, or no run is found.
    """
    asked = [Path(path) for path in paths]
    found: dict[Path, Path] = {}
    for path in asked:
        if not path.exists():
            raise RecordError(f"{path} does not exist; give run folders, or folders that hold some.")
        if path.is_file() and path.name != "run.json":
            raise RecordError(f"{path} is a file, and no run.json; give run folders, or folders that hold some.")
        folder = path.parent if path.name == "run.json" else path
        for holder in _holders(folder):
            found.setdefault(holder.resolve(), holder)
    if not found:
        where = ", ".join(str(path) for path in asked) or "no folder"
        raise RecordError(
            f"There is no run.json in or below {where}. Make runs with adpfl-bench fit; by default they are put below"
            " runs/."
        )
    return sorted(found.values())


def _holders(folder: Path) -> list[Path]:
    """Folders in and below one that hold a run.json, or cannot be listed: such a run is left out, and not unseen."""
    found: list[Path] = []

    def note(error: OSError) -> None:
        found.append(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=note):
        if "run.json" in (*folders, *files):
            found.append(Path(place))
    return sorted(found)


def compare_runs(folders: Iterable[Path]) -> Comparison:
    """Sort runs into groups that may be compared.

    Phantom and real data, simulated and deployed runs, a trusted sum and none, other files, test cases with other
    contents, other test cases and other regions make other groups. Within a group, the runs of a method are averaged
    over seeds only where all their settings agree, and all their files held the same; else the method has several rows.
    An audit is no such run: it joins the methods of its task and name that have its privacy settings, data and network.
    A run whose record contradicts itself, or another's, is in no group.

    Returns:
        Groups, the runs that are in none of them with the reason, and the audits.
    """
    found = read_runs(folders)
    left_out, audits, listed = found.left_out, found.audits, found.listed
    members: dict[tuple[tuple[bool, bool], tuple[str, str, str, frozenset[tuple[str, str]]]], list[ScoredRun]] = {}
    for run in found.runs:
        data, how = run.record.data, (run.record.deployed is not None, run.record.privacy.trust == "sum")
        members.setdefault((how, (run.record.task, data.kind, data.fingerprint, run.test_set())), []).append(run)
    groups = []
    for ((_, summed), identity), runs in members.items():
        for part in by_contents(runs):
            kept, repeated = _one_per_seed(part.runs)
            left_out += repeated
            apart = " ".join(text for text in (SUMMED if summed else "", part.apart) if text)
            groups.append(
                Group(*identity, variants=_variants(kept), test_root=part.test_root, apart=apart, summed=summed)
            )
    order = {"real": 0, "phantom": 1}
    groups.sort(key=lambda group: (group.task, order.get(group.kind, 2), -group.cases, group.digest))
    groups = [_with_audits(group, audits) for group in groups]
    listed += [ListedAudit(audit.folder, _placed(audit, groups)) for audit in audits]
    return Comparison(
        groups, sorted(left_out, key=lambda entry: entry.folder), sorted(listed, key=lambda entry: entry.folder)
    )


def _with_audits(group: Group, audits: Sequence[Audit]) -> Group:
    """Give each method the audits that tell of it, and say why one of its audits tells of none."""
    fitting: dict[str, list[Audit]] = {variant.label: [] for variant in group.variants}
    misfits = []
    for audit in audits:
        same = [v for v in group.variants if (group.task, v.method) == (audit.record.task, audit.record.method)]
        found = {variant.label: audit_differences(variant.runs[0].record, audit) for variant in same}
        for label in found:
            if not found[label]:
                fitting[label].append(audit)
        if all(found.values()):
            misfits += [
                f"An audit ({audit.who}: {audit.bound}) is not of {label}, which is another: {'; '.join(reasons)}."
                for label, reasons in found.items()
            ]
    variants = tuple(replace(variant, audits=tuple(fitting[variant.label])) for variant in group.variants)
    return replace(group, variants=variants, misfits=tuple(misfits))


def _placed(audit: Audit, groups: Sequence[Group]) -> str:
    task, method = audit.record.task, audit.record.method
    same = [v for group in groups if group.task == task for v in group.variants if v.method == method]
    rows = list(dict.fromkeys(variant.label for variant in same if audit in variant.audits))
    if rows:
        place = f"in the row of {', '.join(rows)}"
    elif same:
        place = "in no row: the runs of this method have another privacy, data or network"
    else:
        place = "in no row: no finished run of this method on this task is here"
    return f"audit of {method} on {task} ({audit.who}): {audit.findings}; {place}"


def _one_per_seed(runs: Sequence[ScoredRun]) -> tuple[list[ScoredRun], list[LeftOut]]:
    latest: dict[tuple[str, str, int], ScoredRun] = {}
    repeated = []
    for run in sorted(runs, key=_start, reverse=True):
        key = (run.record.method, settings_digest(run.settings), run.seed)
        kept = latest.setdefault(key, run)
        if kept is not run:
            reason = (
                f"seed {run.seed} of {run.record.method} twice: {kept.directory.path} was started later and is used"
            )
            repeated.append(LeftOut(run.directory.path, reason))
    return list(latest.values()), repeated


def _start(run: ScoredRun) -> tuple[str, str]:
    return run.record.started, str(run.directory.path)


def _variants(runs: Sequence[ScoredRun]) -> tuple[Variant, ...]:
    members: dict[tuple[str, str], list[ScoredRun]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        members.setdefault((run.record.method, settings_digest(run.settings)), []).append(run)
    methods = [method for method, _ in members]
    named = [(method, min(same, key=_start).digest, same) for (method, _), same in members.items()]
    return tuple(
        Variant(method, digest, f"{method} ({digest})" if methods.count(method) > 1 else method, tuple(same))
        for method, digest, same in sorted(named, key=lambda entry: entry[:2])
    )
