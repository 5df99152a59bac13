"""A benchmark of real runs whose workers are forked, also several of a run."""

import adpfl_bench.grid.benchmark as command
from adpfl_bench.cli import main
from tests.grid.fakes import leaderboard
from tests.grid.forked_workers import fork_workers


def benchmark_of_real_runs(arguments: list[str]) -> int:
    """The command line in a process of its own, without tables at its end."""
    command.leaderboard = leaderboard  # type: ignore[assignment]
    fork_workers()
    return main(arguments)
