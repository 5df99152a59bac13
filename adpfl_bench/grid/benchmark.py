"""The command ``adpfl-bench benchmark``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.grid.account_costs import account_costs
from adpfl_bench.grid.display import make_display, plan_table, plan_text, summary
from adpfl_bench.grid.engine import Engine, LocalEngine, visible_gpus
from adpfl_bench.grid.grid import Grid, confirmed_trust, read_grid
from adpfl_bench.grid.plan import GridRun, make_plan, read_patterns
from adpfl_bench.grid.run_state import RunState, TrackedRun, inspect_run
from adpfl_bench.grid.scheduler import Scheduler
from adpfl_bench.grid.submitit_engine import make_submitit_engine
from adpfl_bench.report.commands import leaderboard
from adpfl_bench.stopping import exit_status
from adpfl_bench.text import make_console

EngineName = Literal["local", "slurm", "submitit-local"]

_CLUSTERS = {"slurm": "slurm", "submitit-local": "local"}


def benchmark(
    *,
    config: str,
    dry_run: bool = False,
    jobs: int | None = None,
    output: Path | None = None,
    retry_failed: bool = False,
    only: str | None = None,
    engine: EngineName = "local",
    trust: tuple[str, ...] = (),
) -> int:
    """Make every run of a grid of tasks, methods and seeds, and tables of them.

    Each run is a process of its own. Finished runs are skipped and broken-off ones continued, so the same command
    goes on after anything. All configurations are checked before the first run starts. A run that fails does not stop
    the others; it is listed at the end with its error, and the exit status is 1. So is one that does not fit into the
    account of its cohort; what all runs have spent of that together is said at the end.

    Args:
        config: The grid file, such as configs/benchmark.yaml.
        dry_run: Check the grid and print its runs, how far each is and how long it will take; start nothing.
        jobs: Runs at a time; by default as many as there are GPUs for, or 1, and under Slurm all.
        output: Folder of runs, logs and results, in place of the grid's.
        retry_failed: Try again what has failed, or had no room in its account; else such runs are left as they are.
        only: Make only these runs: task/method/seed patterns separated by commas, such as isic/adp_fl*/0.
        engine: Processes of this machine, jobs of a Slurm cluster, or processes under submitit.
        trust: Module of your own whose classes the configurations name, such as clinic; may be given several times.

    Raises:
        BenchError: The grid is wrong, fit would refuse one of its configurations, or a run's folder holds another run.
    """
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, but it is {jobs}.")
    grid = read_grid(config)
    grid = grid.model_copy(update={"trust": confirmed_trust(grid, trust, config)})
    if output is not None:
        grid = grid.model_copy(update={"output": output, "results": None})
    console = make_console()
    plan = make_plan(grid, read_patterns(only) if only is not None else (), retry_failed)
    states = [inspect_run(run) for run in plan]
    runs = [TrackedRun.of(run, state) for run, state in zip(plan, states, strict=True)]
    gpus = visible_gpus() if engine == "local" else []
    slots = jobs or (max(1, len(gpus) // _most_devices(plan)) if engine == "local" else len(runs))
    if dry_run:
        console.print(plan_table(runs, [_described(state, retry_failed) for state in states]))
    _refuse(states)
    if dry_run:
        print(plan_text(runs, slots))
        return 0
    maker = LocalEngine(slots, gpus) if engine == "local" else _submitit(grid, engine, slots)
    return _make(runs, maker, grid, console)


def _most_devices(plan: Sequence[GridRun]) -> int:
    return max(run.asked.devices for run in plan)


def _submitit(grid: Grid, engine: EngineName, slots: int) -> Engine:
    return make_submitit_engine(_CLUSTERS[engine], grid.output / "logs" / "submitit", grid.slurm, slots)


def _described(state: RunState, retry_failed: bool) -> str:
    if state.stage in ("failed", "no room"):
        return f"{state.stage}{', to be tried again' if retry_failed else ''}: {state.reason}"
    return state.stage if state.stage != "taken" else f"running: {state.reason}"


def _refuse(states: Sequence[RunState]) -> None:
    reasons = [state.reason for state in states if state.stage == "refused"]
    if reasons:
        raise ConfigError("Nothing was started, since a run would be overwritten:\n  " + "\n  ".join(reasons))


def _make(runs: Sequence[TrackedRun], engine: Engine, grid: Grid, console: Console) -> int:
    with make_display(console, engine.slots) as display:
        scheduler = Scheduler(runs, engine, display)
        scheduler.run()
    print(summary(runs))
    for line in account_costs([tracked.run for tracked in runs]):
        print(line)
    finished = [tracked for tracked in runs if tracked.status == "finished"]
    if scheduler.stopped_by is not None:
        print(
            f"adpfl-bench: stopped by {scheduler.stopped_by.name}; {len(finished)} of {len(runs)} runs are finished,"
            " and the same command continues the others.",
            file=sys.stderr,
        )
        return exit_status(scheduler.stopped_by)
    complete = len(finished) == len(runs)
    if not finished:
        return 1
    print()
    try:
        leaderboard([grid.output / "runs"], grid.results_folder)
    except BenchError as error:
        print(f"adpfl-bench: the runs are there, but no tables: {error}", file=sys.stderr)
        return 1
    print(f"The tables are in {grid.results_folder}.")
    return 0 if complete else 1
