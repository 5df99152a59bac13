"""Runs as jobs, on submitit's own executor of this machine."""

import builtins
import os
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.run_state import TrackedRun, inspect_run
from adpfl_bench.grid.scheduler import Scheduler
from adpfl_bench.grid.submitit_engine import RunJob, SubmititEngine, SubmittedJob, _stops, make_submitit_engine
from adpfl_bench.grid.work import perform
from adpfl_bench.records.run_directory import RunDirectory
from tests.grid.conftest import wait_until
from tests.grid.fakes import BrokenRunJob, FakeRunJob, planned
from tests.grid.test_benchmark_scheduler import Changes

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'adpfl-bench[cluster]'")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SubmititEngine:
    monkeypatch.setattr("adpfl_bench.grid.submitit_engine.RunJob", FakeRunJob)
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)  # it waits so long for results of killed jobs
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    return make_submitit_engine("local", tmp_path / "submitit", {"timeout_min": 5, "cpus_per_task": 1}, slots=2)


def test_jobs_make_the_runs_and_what_is_killed_or_fails_is_treated_alike(
    engine: SubmititEngine, tmp_path: Path
) -> None:
    behaviours = {"a": "train", "b": "die once", "c": "raise"}
    runs = [planned(tmp_path, behaviour, method=method) for method, behaviour in behaviours.items()]
    tracked = [TrackedRun.of(run, inspect_run(run)) for run in runs]
    changes = Changes()
    Scheduler(tracked, engine, changes, pause=0.05).run()
    assert [entry.status for entry in tracked] == ["finished", "finished", "failed"]
    assert tracked[2].reason == "ValueError: one"
    assert [len(run.files.read_attempts()) for run in runs] == [1, 2, 1]
    assert any("isic/b/seed0 ended by the cluster (job " in line for line in changes.lines)
    assert all(attempt.process != os.getpid() for run in runs for attempt in run.files.read_attempts())
    log = runs[0].files.log.read_text()
    assert all(text in log for text in ("in a job\n", "in a process of the job\n", "--- attempt 1, "))


def test_job_that_breaks_down_before_the_run_is_a_failure_and_no_kill(
    engine: SubmititEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adpfl_bench.grid.submitit_engine.RunJob", BrokenRunJob)
    job = engine.start(planned(tmp_path), 0)
    wait_until(lambda: job.poll() is not None)
    ended = job.poll()
    assert ended is not None
    assert (ended.status, "OSError: no such folder" in ended.how) == (1, True)


def test_cancelled_job_leaves_its_run_to_be_continued(engine: SubmititEngine, tmp_path: Path) -> None:
    run = planned(tmp_path, "slow", rounds=1000)
    job = engine.start(run, 0)
    wait_until(lambda: run.files.read_attempts())
    assert job.poll() is None
    job.interrupt()
    wait_until(lambda: job.poll() is not None)
    wait_until(lambda: not run.files.lock.taken)
    assert inspect_run(run).stage == "resumable"


def test_job_calls_what_a_process_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr("adpfl_bench.grid.submitit_engine.perform", lambda run, stops: called.append((run, stops)))
    run = planned(tmp_path)
    RunJob(run).make()
    assert called == [(run, _stops())]


def test_job_that_is_out_of_time_goes_back_to_the_queue_and_continues(engine: SubmititEngine, tmp_path: Path) -> None:
    engine.executor.update_parameters(local_timeout_min=0.6)  # it is told 30 s before: after 6 s
    run = planned(tmp_path, "slow", rounds=30)
    tracked = TrackedRun.of(run, inspect_run(run))
    Scheduler([tracked], engine, Changes(), pause=0.05).run()
    assert (tracked.status, tracked.kills) == ("finished", 0)
    *outcomes, last = (attempt.outcome for attempt in run.files.read_attempts())
    assert (set(outcomes), last) == ({"interrupted"}, "finished")
    assert [row.round for row in RunDirectory(run.files.folder).read_rounds()] == list(range(1, 31))


def test_job_that_is_out_of_time_for_the_last_time_has_not_failed(tmp_path: Path) -> None:
    def out_of_time(words: list[str]) -> None:
        raise submitit.core.utils.UncompletedJobError("Job not requeued because: timed-out too many times.")

    run = planned(tmp_path)
    with pytest.raises(submitit.core.utils.UncompletedJobError):
        perform(run, out_of_time, _stops())
    assert inspect_run(run).stage == "resumable"


class Executor:
    """Takes jobs and keeps them."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem, self.names = problem, []

    def update_parameters(self, **parameters: Any) -> None:
        self.names.append(parameters["name"])

    def submit(self, job: RunJob) -> object:
        if self.problem is not None:
            raise self.problem
        return object()


def test_jobs_are_named_after_their_runs(tmp_path: Path) -> None:
    executor = Executor()
    assert isinstance(SubmititEngine(executor, 1).start(planned(tmp_path), 0), SubmittedJob)
    assert executor.names == ["adpfl-isic-fedavg-seed0"]


def test_complaint_of_the_cluster_fails_the_run_and_not_the_benchmark(tmp_path: Path) -> None:
    run = planned(tmp_path)
    tracked = TrackedRun.of(run, inspect_run(run))
    Scheduler([tracked], SubmititEngine(Executor(RuntimeError("sbatch: invalid account")), 1), Changes(), pause=0).run()
    assert tracked.status == "failed"
    assert tracked.reason == "it could not be started: the job could not be submitted: sbatch: invalid account"


@pytest.mark.parametrize(
    ("cluster", "parameters", "sentence"),
    [
        ("local", {"gpus": 1}, "Jobs cannot be submitted to local: "),
        ("local", {"timeout_min": "long"}, "Jobs cannot be submitted to local: "),
        ("slurm", {}, "Jobs cannot be submitted to slurm: "),
    ],
)
def test_wrong_parameters_and_missing_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: str, parameters: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without srun
    with pytest.raises(ConfigError) as raised:
        make_submitit_engine(cluster, tmp_path / "submitit", parameters, 1)
    assert str(raised.value).startswith(sentence)


def test_missing_submitit_is_said_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name == "submitit":
            raise ImportError(name)
        return imported(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'adpfl-bench\[cluster\]', or use --engine local"):
        make_submitit_engine("slurm", tmp_path, {}, 1)
