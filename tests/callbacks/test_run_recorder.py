"""The record of a run that is broken off, continued and scored again."""

import json
import signal
from contextlib import nullcontext

import pytest
from lightning.pytorch import Callback

from adpfl_bench.callbacks.checkpointing import RoundCheckpoint, last_checkpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import add_note
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_lock import RunIsTaken, RunLock
from adpfl_bench.records.run_record import FORMAT_VERSION
from adpfl_bench.stopping import Stopped
from tests.records.taken_folder import in_use
from tests.records.test_run_record import unknown_keys
from tests.toy_federation import looks_on


@looks_on
class BreakOff(Callback):
    """Raises with the first batch of a round; notes the record as it is when the fit starts."""

    def __init__(self, path, round_index):
        self.path, self.round_index, self.at_start = path, round_index, None

    def on_fit_start(self, trainer, pl_module):
        self.at_start = json.loads(self.path.read_text())

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.round_index:
            error = RuntimeError("broken off.")
            add_note(error, "It was on purpose.")
            raise error


@pytest.fixture
def broken_off(fit, toy_task, toy_data, tmp_path):
    """Fits three rounds with a new set of callbacks until the given round begins."""

    def run(round_index, ckpt_path=None):
        breaks = BreakOff(tmp_path / "run.json", round_index)
        privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), GaussianMechanism(), noise_multiplier=1.0)
        callbacks = [FederatedLoop(rounds=3), privacy, RunRecorder(), RoundCheckpoint(tmp_path), breaks]
        with pytest.raises(RuntimeError, match="broken off"):
            fit(toy_task(), toy_data(), *callbacks, ckpt_path=ckpt_path)
        return breaks.at_start, json.loads(breaks.path.read_text())

    return run


def test_a_resumed_run_never_shows_less_than_was_released(broken_off, tmp_path):
    started, first = broken_off(2)
    assert started["privacy"]["accounted"]["epsilon"] == 0
    assert (first["status"], first["rounds_completed"]) == ("failed", 2)
    assert first["error"] == "RuntimeError: broken off. It was on purpose."
    (releases,) = first["privacy"]["ledger"]["alps"]
    assert releases[-1] == 3  # two rounds, and the one that was broken off
    started, again = broken_off(2, ckpt_path=last_checkpoint(tmp_path))
    for record in (started, again):
        assert record["privacy"] == first["privacy"]
    assert (again["status"], again["rounds_completed"]) == ("failed", 2)


def test_rounds_that_two_processes_wrote_are_kept_once_by_whoever_resumes(broken_off, tmp_path, capsys):
    broken_off(2)
    file = tmp_path / "rounds.csv"
    head, *lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(head + b"".join(line * 2 for line in lines))
    broken_off(2, ckpt_path=last_checkpoint(tmp_path))
    assert file.read_bytes() == head + b"".join(lines)
    assert "rounds.csv had the numbers of 2 rounds, from 1 on, more than once" in capsys.readouterr().out


def test_a_fit_from_python_has_its_folder_to_itself(make_trainer, toy_task, toy_data, tmp_path):
    def fit(folder, *callbacks):
        callbacks = [FederatedLoop(rounds=1), RunRecorder(), *callbacks]
        make_trainer(*callbacks, default_root_dir=folder).fit(toy_task(), datamodule=toy_data())

    with in_use(tmp_path / "taken"), pytest.raises(RunIsTaken, match="taken is in use by process"):
        fit(tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
    for name, ending in (("whole", nullcontext()), ("broken", pytest.raises(RuntimeError, match="broken off"))):
        breaks = [BreakOff(tmp_path / "broken" / "run.json", 0)] if name == "broken" else []
        with ending:
            fit(tmp_path / name, Taken(tmp_path / name), *breaks)
        assert (tmp_path / name / "run.json").exists()
        assert not RunLock(tmp_path / name).taken


@looks_on
class Taken(Callback):
    """Sees that the folder is in use."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_start(self, trainer, pl_module):
        assert RunLock(self.folder).taken


def test_a_stop_while_the_end_is_being_recorded_is_recorded(make_trainer, toy_task, toy_data, tmp_path, monkeypatch):
    task, data = toy_task(), toy_data()
    trainer = make_trainer(FederatedLoop(rounds=1), RunRecorder(), RoundCheckpoint(tmp_path))
    trainer.fit(task, datamodule=data)
    write = RunDirectory.write_record

    def stopped(directory, record):
        if record.status == "finished":
            raise Stopped(signal.SIGTERM)
        write(directory, record)

    monkeypatch.setattr(RunDirectory, "write_record", stopped)
    with pytest.raises(Stopped):
        trainer.test(task, datamodule=data)
    assert RunDirectory(tmp_path).read_record().status == "interrupted"


def test_scoring_again_does_not_lower_the_peak_memory(make_trainer, toy_task, toy_data, tmp_path):
    def callbacks():
        return [FederatedLoop(rounds=1), RunRecorder(), RoundCheckpoint(tmp_path)]

    make_trainer(*callbacks()).fit(toy_task(), datamodule=toy_data())
    record = RunDirectory(tmp_path).read_record()
    assert (record.format_version, record.status, unknown_keys(record)) == (FORMAT_VERSION, "trained", [])
    RunDirectory(tmp_path).write_record(record.model_copy(update={"peak_memory_mb": 1e9}))
    make_trainer(*callbacks()).test(toy_task(), datamodule=toy_data(), ckpt_path=last_checkpoint(tmp_path))
    record = RunDirectory(tmp_path).read_record()
    assert (record.status, record.peak_memory_mb) == ("finished", 1e9)


@pytest.mark.parametrize(
    ("privacy", "line"),
    [
        (DifferentialPrivacy(), "privacy: none, and none claimed"),
        (
            DifferentialPrivacy("batch", PercentileThreshold(), LaplaceMechanism(), 0.5),
            "z = 0.5; accounted epsilon: none, since the clipping threshold is a raw percentile",
        ),
        (
            DifferentialPrivacy("record", FixedThreshold(), LaplaceMechanism(), None, target_epsilon=3.0),
            "for epsilon 3 at delta 0.0001 after the last round",
        ),
        (
            DifferentialPrivacy("record", FixedThreshold(), LaplaceMechanism(), 4.0),
            "unit record, FixedThreshold, LaplaceMechanism with z = 4; epsilon is accounted at delta 0.0001 as the run"
            " goes on; noise from the seed: whoever knows it can take it off (privacy.secure: true for a model that"
            " leaves)",
        ),
        (
            DifferentialPrivacy("patient", FixedThreshold(), LaplaceMechanism(), 4.0, secure=True),
            "unit patient (one patient id), FixedThreshold, LaplaceMechanism with z = 4; epsilon is accounted at delta"
            " 0.0001 as the run goes on; noise from the operating system",
        ),
    ],
)
def test_a_run_says_at_its_start_what_it_promises(make_trainer, toy_task, toy_data, capsys, privacy, line):
    make_trainer(FederatedLoop(rounds=1), privacy, RunRecorder()).fit(toy_task(), datamodule=toy_data())
    assert line in capsys.readouterr().out
