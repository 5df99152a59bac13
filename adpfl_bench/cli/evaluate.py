"""The command ``adpfl-bench evaluate``: what runs score on the data of another hospital."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adpfl_bench.config.config_files import WordParser
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.leaderboard.cohort_reading import cohort_rows
from adpfl_bench.leaderboard.comparability import find_runs
from adpfl_bench.leaderboard.scored_run import headline_rows
from adpfl_bench.records.cohort_record import cohort_folder
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import ScoreMeans, mean_over_models
from adpfl_bench.text import count, make_table, print_table, say_loading

_HELP = """usage: adpfl-bench evaluate RUN [RUN ...] --cohort NAME=ROOT

Scores all cases of another hospital's data, with their masks, by the last round's model of runs (folders, or folders
that hold some), and by each client's own where a method trains such.

The scores are kept in the run's folder, in cohorts/NAME (cases.csv, and cohort.json with what was scored by which
weights). The run's own records are not touched. A cohort that was scored before is not scored again: remove that
folder.

options:
  --cohort NAME=ROOT   what the cohort is called, and its folder; may be given several times
  --layout LAYOUT      the dataset whose layout the folder has, such as ham10000, or the class path of a datamodule of
                       your own; by default that which the run was trained on, in any of its releases
  --cpu                leave a GPU alone
  --trust MODULE       let configurations name a module of your own; may be given several times

The exit status is 1 where a run could not be evaluated."""


def evaluate(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0, or 1 where a run could not be evaluated.

    Raises:
        BenchError: An option is wrong, or there is no run.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    parser = WordParser()
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--cohort", action="append", required=True, type=_named)
    parser.add_argument("--layout")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--trust", action="append", default=[])
    options = parser.parse_args(list(words))
    names = [name for name, _ in options.cohort]
    if len(set(names)) < len(names):
        raise ConfigError(f"--cohort names {', '.join(names)}; each cohort needs a name of its own.")
    runs = list(find_runs(options.runs))
    for run in runs:
        for name, _ in options.cohort:
            cohort_folder(run, name)
    say_loading("evaluate")
    from adpfl_bench.running.cohorts import Cohort, evaluate_run  # deferred: importing torch takes seconds

    failed = 0
    table = make_table(
        ("Run", "Cohort", "Cases", "Metric", "Own test", "Cohort's", "Drop"), left=("Run", "Cohort", "Metric")
    )
    for run in runs:
        for name, root in options.cohort:
            try:
                scores = evaluate_run(run, Cohort(name, root, options.layout), options.cpu, options.trust)
            except BenchError as error:
                failed += 1
                print(f"{run}, {name}: {error}")
                continue
            _add_rows(table, run, name, scores)
    if table.row_count:
        print_table(count(len(runs) * len(names) - failed, "evaluation"), table)
    return int(failed > 0)


def _named(word: str) -> tuple[str, Path]:
    name, equals, root = word.partition("=")
    if not equals or not root:
        raise argparse.ArgumentTypeError(f"is NAME=ROOT, but it is {word}")
    return name, Path(root)


def _add_rows(table: Any, run: Path, name: str, scores: ScoreColumns) -> None:
    """Means of the metrics that tables compare by, over cases: of the run's own test cases, and of the cohort."""
    directory = RunDirectory(run)
    record = directory.read_record()
    own, counting = _own_test(directory, record), cohort_rows(scores, record, name)
    for metric in (metric for metric in record.model.metrics if metric.ranked):
        here = None if own is None else ScoreMeans(mean_over_models(own), record.model.metrics).mean(metric)
        there = ScoreMeans(mean_over_models(counting), record.model.metrics).mean(metric)
        drop = None if here is None or there is None else (here - there if metric.higher_is_better else there - here)
        table.add_row(
            str(run), name, f"{len(scores.case.present()):,}", metric.title, _text(here), _text(there), _text(drop)
        )


def _own_test(directory: RunDirectory, record: RunRecord) -> ScoreColumns | None:
    if not directory.cases_file.exists():
        return None
    scores = directory.read_scores()
    test = scores.take(scores.split.equals("test"))
    return headline_rows(test, record.federated.headline, record.federated.held_out_clients)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
