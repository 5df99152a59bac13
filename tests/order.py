"""Order of the tests: what takes long comes first, so that no worker is left alone with it at the end.

pytest-xdist deals out the tests in as many runs of neighbours as there are workers; whoever has done its own takes over
half of what stands last in the longest of the others.
"""

from collections.abc import Sequence
from typing import TypeVar

LONG = (
    "tests/grid/test_benchmark_accidents.py",
    "tests/cli/test_wandb_sweep.py",
    "tests/cli/test_method_matrix.py",
    "tests/cli/test_resume.py",
    "tests/grid/test_benchmark_command.py",
    "tests/grid/test_benchmark_submitit.py",
    "tests/cli/test_report_in_a_browser.py",
    "tests/cli/test_report_command.py",
    "tests/cli/test_launch.py",
    "tests/cli/test_new_patients_page.py",
    "tests/cli/test_start_up.py",
    "tests/cli/test_wheel.py",
    "tests/callbacks/test_processes_of_a_run.py",
    "tests/deploy/test_deployed_runs.py",
    "tests/grid/test_benchmark_processes.py",
    "tests/cli/test_volumes.py",
    "tests/cli/test_epsilon_survives.py",
    "tests/cli/test_privacy_command.py",
    "tests/cli/test_account_command.py",
    "tests/cli/test_leaderboard_command.py",
    "tests/accidents/",
    "tests/corpus/",
    "tests/data/volumes/test_round_trip.py",
    "tests/datasets/test_verify.py",
    "tests/federation/test_aggregation.py",
    "tests/callbacks/test_audited_mu.py",
    "tests/privacy/test_account_histories.py",
    "tests/test_contributing.py",
)
"""Beginnings of the paths of files whose tests take seconds."""

T = TypeVar("T")


def is_long(node: str) -> bool:
    """Tell whether the test of this id is one of those that take seconds."""
    return node.startswith(LONG)


def long_first(long: Sequence[T], short: Sequence[T], workers: int) -> list[T]:
    """Return all tests in as many equal runs as there are workers, with its share of the long ones first in each."""
    count, (every, rest) = len(long) + len(short), divmod(len(long), workers)
    order: list[T] = []
    taken = 0
    for worker in range(workers):
        own = long[worker * every + min(worker, rest) : (worker + 1) * every + min(worker + 1, rest)]
        size = count * (worker + 1) // workers - count * worker // workers - len(own)
        order += [*own, *short[taken : taken + max(size, 0)]]
        taken += max(size, 0)
    return [*order, *short[taken:]]
