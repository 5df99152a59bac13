"""The command ``adpfl-bench verify-run``: what runs prove by themselves, and, with the data, their scores again."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.config.config_files import WordParser
from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.leaderboard.comparability import find_runs
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.verification.copies import Marks, find_copies, marks_of
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import CHECKS, Finding
from adpfl_bench.records.verification.run_verification import Verification, verify_evidence
from adpfl_bench.text import count, make_table, print_table, say_loading

_CHECKS = "\n".join(f"  {name:<14} {text}" for name, text in CHECKS.items())

_HELP = f"""usage: adpfl-bench verify-run RUN [RUN ...]
       adpfl-bench verify-run RUN [RUN ...] --score [--data.root PATH]

Recomputes all that the records of runs (folders, or folders that hold some) prove without their data, and says of each:
  verified              nothing in its folder contradicts anything else
  not verifiable: ...   the same, but of a record from before there were digests
  CHECK: ...            what is wrong, by the name of the check that found it

With --score the data are there too: the last round's checkpoint is loaded, as adpfl-bench test does, scores all
validation and test cases again, and every score is compared.

options:
  --score            score again; data.root is that of the run's own configuration
  --data.root PATH   score again, on the data in PATH
  --tolerance T      by how much a share, or a distance in relation to itself, may differ (default: 0.001)
  --trust MODULE     when scoring again, let configurations name a module of your own; may be given several times

checks:
{_CHECKS}

The exit status is 1 where something is wrong. Who edits a run and computes all digests again leaves no trace, except in
the scores of the data: docs/records.md says what each of these proves, and how results are signed."""


@dataclass(frozen=True)
class _Run:
    """A run that was looked at; without a record, and marks, where it cannot be read."""

    folder: Path
    found: Verification
    record: RunRecord | None = None
    marks: Marks | None = None


def verify_run(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0, or 1 where something is wrong.

    Raises:
        BenchError: An option is wrong, or there is no run.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    options = _options(words)
    runs = [_look_at(folder) for folder in find_runs(options.runs)]
    copies = find_copies(run.marks for run in runs if run.marks is not None)
    checked = [
        _Run(run.folder, run.found.with_findings(copies[run.folder]), run.record) if run.folder in copies else run
        for run in runs
    ]
    if options.score or options.root is not None:
        checked = [_score_again(run, options) for run in checked]
    _show(checked)
    return int(any(run.found.findings for run in checked))


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = WordParser()
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--data.root", type=Path, dest="root")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--trust", action="append", default=[])
    options = parser.parse_args(list(words))
    if not 0 <= options.tolerance < 1:
        raise ConfigError(f"--tolerance is a share, from 0 on and below 1, but it is {options.tolerance}.")
    return options


def _look_at(folder: Path) -> _Run:
    try:
        evidence = Evidence.of(RunDirectory(folder))
        found = verify_evidence(evidence, thorough=True)
        return _Run(folder, found, evidence.record, None if found.findings else marks_of(evidence))
    except RecordError as error:
        return _Run(folder, Verification((Finding("record", str(error)),)))


def _score_again(run: _Run, options: argparse.Namespace) -> _Run:
    if run.record is None:
        return run
    say_loading("verify-run")
    from adpfl_bench.running.rescoring import score_again  # deferred: importing torch and Lightning takes seconds

    found = score_again(RunDirectory(run.folder), run.record, options.root, options.tolerance, options.trust)
    return _Run(run.folder, run.found.with_findings(*found), run.record)


def _show(runs: Sequence[_Run]) -> None:
    if len(runs) > 1:
        table = make_table(
            ("Run", "Task", "Method", "Seed", "Progress", "Outcome"), left=("Run", "Task", "Method", "Outcome")
        )
        for run in runs:
            record = run.record
            cells = (
                ("", "", "", "")
                if record is None
                else (record.task, record.method, str(record.seed), _progress(record))
            )
            table.add_row(str(run.folder), *cells, run.found.state)
        print_table(count(runs, "run"), table)
    for run in runs:
        if len(runs) == 1 or run.found.findings:
            print(f"{run.folder}: {run.found.text}")


def _progress(record: RunRecord) -> str:
    return f"{record.status}, {record.rounds_completed}/{record.federated.planned_rounds}"
