"""Recorder of what a run was and did."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.asked_round import deployed_part
from adpfl_bench.callbacks.data_changes import check_scored_data
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.headline import headline
from adpfl_bench.callbacks.lookup import federated_data, need_callback, need_task
from adpfl_bench.callbacks.privacy_parts import choices_of_round
from adpfl_bench.callbacks.recorded_privacy import privacy_of, recorded_privacy
from adpfl_bench.callbacks.round_report_sources import round_metrics
from adpfl_bench.callbacks.run_history import RunHistory
from adpfl_bench.data.partitioning.partition_file import partition_bytes
from adpfl_bench.errors import CheckpointError, ConfigError, RecordError, score_beside
from adpfl_bench.peers import peers
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.digests import config_sha256
from adpfl_bench.records.environment import git_revision, package_versions, peak_gpu_memory_mb, peak_memory_mb
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.records.run_lock import RunLock
from adpfl_bench.records.run_record import FORMAT_VERSION, ModelBlock, RunRecord, Status
from adpfl_bench.records.seal import seal
from adpfl_bench.shortage import shortage
from adpfl_bench.stopping import is_stop, stop_signals
from adpfl_bench.text import name_problem, say


class RunRecorder(Callback):
    """Recorder of run.json, rounds.csv, cases.csv, partition.csv and data.csv in the Trainer's ``default_root_dir``.

    run.json and rounds.csv are brought up to date at the end of every round, before the round's checkpoint is written,
    so a run that is resumed from a checkpoint finds at least the rounds of that checkpoint; those after it are dropped
    and written again.

    Args:
        task: Name of the task in records and tables.
        method: Name of the method in records and tables.
        overwrite: Start anew in a folder that already holds a run, replacing its records.

    Attributes:
        config: The resolved configuration, which goes into the record; the command line fills it in.
        trusted: Modules of others whose classes the command line lets the configuration name; likewise.

    Raises:
        ConfigError: A name is none that tables can state.
        RecordError: The folder already holds a run and neither resuming nor overwriting was asked for, or a file
            cannot be written.
    """

    def __init__(self, task: str = "task", method: str = "method", overwrite: bool = False) -> None:
        for what, name in (("task", task), ("method", method)):
            if problem := name_problem(name) or (None if name else "is empty"):
                raise ConfigError(
                    f"The {what}'s name {name[:80]!r} {problem}, so that no table can state it; give another."
                )
        self.task = task
        self.method = method
        self.overwrite = overwrite
        self.config: dict[str, Any] = {}
        self.trusted: tuple[str, ...] = ()
        self._record: RunRecord | None = None
        self._claimed = False
        self._continued = ""
        self._history = RunHistory()
        self._resuming = False
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self._lock: RunLock | None = None

    def claim(self, folder: Path, resuming: bool) -> None:
        """Refuse a folder whose run would be overwritten unasked.

        Raises:
            RecordError: As above.
        """
        self._claimed = True
        record = None if self.overwrite and not resuming else RunDirectory(folder).find_record()
        if record is None:
            return
        if resuming:
            self._continued, self._history.earlier = record.run, record
            return
        raise RecordError(
            f"{folder} already holds a run ({record.status}, {record.rounds_completed} rounds). Continue it with"
            " --ckpt_path last (with more federated.rounds also one that is finished), choose another"
            f" --trainer.default_root_dir, or replace it with --record.overwrite true. {score_beside(folder)}"
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the record of a run that is scored; that of a fit is opened when its checkpoint has been read.

        Raises:
            RecordError: The run that is scored was made with other data.
        """
        self._directory = RunDirectory(Path(trainer.default_root_dir))
        self._leave()
        lock = RunLock(self._directory.path)
        lock.join()
        self._lock = lock
        self._resuming = False
        privacy_of(trainer).reservation.name(self.task, self.method, self.config)
        if stage == "fit" and self._continued:  # there may be no checkpoint yet, and releases all the same
            need_task(pl_module).lineage.continue_run(self._continued)
        if stage != "fit" and not self._record:
            self._record = self._directory.find_record()
            if self._record is not None and stage != "predict":  # predictions may be of any data
                check_scored_data(self._record, self._directory, federated_data(trainer))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the record; a resumed run's shows what its checkpoint has spent from the start."""
        if not self._claimed:
            self.claim(self._directory.path, self._resuming)
        record = self._describe(trainer, pl_module)
        content = partition_bytes(self._directory.partition_file, federated_data(trainer).clients)
        self._history.open(record, content, self._resuming)
        # Here too, since there may be no round left to train.
        self._history.begin(record, self._directory, record.rounds_completed)
        self._record = record
        self._directory.remove_scores()
        self._save("running")
        self._directory.write_partition(content)
        self._directory.write_data(federated_data(trainer).contents.files)
        promise, device = privacy_of(trainer).promise(), trainer.strategy.root_device
        say(headline(self._record, promise, device, self._directory.path))

    def _describe(self, trainer: Trainer, pl_module: LightningModule) -> RunRecord:
        loop, task = need_callback(trainer, FederatedLoop), need_task(pl_module)
        return RunRecord(
            format_version=FORMAT_VERSION,
            run=task.lineage.run,
            task=self.task,
            method=self.method,
            seed=loop.schedule.seed,
            status="running",
            data=federated_data(trainer).describe(),
            federated=loop.describe(pl_module),
            privacy=recorded_privacy(trainer, task),
            **deployed_part(loop.asked, privacy_of(trainer).run_books.stated_key),
            rounds_completed=loop.rounds_completed,
            model=task.describe_scores(
                ModelBlock(
                    class_name=type(pl_module).__name__,
                    parameters=sum(parameter.numel() for parameter in pl_module.parameters()),
                    scored_round=None,
                    selection="; ".join(choices_of_round(trainer)) or "last round",
                    started_from=task.started_from,
                )
            ),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            wall_seconds=0.0,
            peak_memory_mb=0.0,
            peak_gpu_memory_mb=None,
            versions=package_versions(),
            git_revision=git_revision(),
            config_sha256=config_sha256(self.config),
            config=self.config,
            trusted=self.trusted,
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop the rounds that the checkpoint does not know of."""
        assert self._record is not None
        completed = need_callback(trainer, FederatedLoop).rounds_completed
        self._history.keep_rounds(self._directory, completed)
        self._history.begin(self._record, self._directory, completed)
        self._history.go_on(self._record, completed)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Stop, if that had to wait for the round's end or was lost."""
        stop_signals().raise_postponed()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the round that has just been validated."""
        assert self._record is not None
        stop_signals().postpone()  # until the checkpoint of what is recorded here is there
        loop = need_callback(trainer, FederatedLoop)
        metrics = round_metrics(trainer, pl_module)
        lines = self._directory.append_rounds(RoundRow(loop.rounds_completed, *metric) for metric in metrics)
        self._history.add(self._record, loop.rounds_completed, lines, trainer, pl_module)
        names = {m: m.name if m.client == ALL_CLIENTS else f"{m.name}/{m.client}" for m in metrics}
        for logger in trainer.loggers:
            logger.log_metrics({names[m]: m.value for m in metrics}, step=loop.rounds_completed)
        self._save("running", trainer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record that the weights are final; scores may follow. A client that waits for its next round goes on."""
        loop = need_callback(trainer, FederatedLoop)
        waits = loop.asked is not None and loop.rounds_completed < loop.schedule.total_rounds
        self._save("running" if waits else "trained", trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the validation cases, unless a round is being validated."""
        if trainer.state.fn == "validate":
            self._write_cases(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the test cases; a run whose rounds are complete is finished with that."""
        if self._record and (calibration := need_task(pl_module).calibration.blocks()):
            self._record.calibration = calibration
        self._write_cases(trainer, pl_module)
        loop = need_callback(trainer, FederatedLoop)
        if self._record and self._record.rounds_completed == loop.schedule.total_rounds:
            self._save("finished")

    def _write_cases(self, trainer: Trainer, pl_module: LightningModule) -> None:
        task = need_task(pl_module)
        self._directory.write_cases(task.scores)
        if self._record:
            scored_round = need_callback(trainer, FederatedLoop).rounds_completed
            self._record.model = task.describe_scores(self._record.model, scored_round)
            self._save(self._record.status)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the folder to others."""
        self._leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say how the run ended, and leave the folder to others."""
        try:
            with stop_signals().quiet():
                self._note_end(trainer, pl_module, exception)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _note_end(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if not self._record or isinstance(exception, RecordError):
            return
        if self._record.status == "finished":  # and scored again: scores are replaced at once, when all are there
            return
        if isinstance(exception, CheckpointError) and trainer.state.fn != "fit":
            return  # a checkpoint that was refused says nothing of the run, which is as it was
        if trainer.state.fn == "fit":
            # The broken-off round has released something too.
            self._record.privacy = recorded_privacy(trainer, pl_module)
        if (failure := peers().failure()) is None and is_stop(exception):  # another's ends this process by a signal
            self._save("interrupted")
            print(f"Stopped after {self._record.rounds_completed} rounds, recorded in {self._directory.path}.")
        else:
            notes = "".join(f" {note}" for note in getattr(exception, "__notes__", ()))  # whose case it was, say
            self._record.error = failure or shortage(exception) or f"{type(exception).__name__}: {exception}{notes}"
            self._save("failed")

    def _save(self, status: Status, trained: Trainer | None = None) -> None:
        """Bring the record up to date; after a round, also what that round added."""
        record = self._record
        assert record is not None
        if trained is not None:
            record.rounds_completed = need_callback(trained, FederatedLoop).rounds_completed
            record.privacy = recorded_privacy(trained, trained.lightning_module)
            privacy_of(trained).reservation.tell(record)
        before, record.status = record.status, status
        record.wall_seconds = round(self._wall_seconds(), 3)
        # A later process that only scores the model needs less than training did.
        record.peak_memory_mb = max(record.peak_memory_mb or 0.0, round(peak_memory_mb(), 1))
        gpu = [peak for peak in (record.peak_gpu_memory_mb, peak_gpu_memory_mb()) if peak is not None]
        record.peak_gpu_memory_mb = max(gpu, default=None)
        try:
            seal(record, self._directory, closed=status != "running")
            self._directory.write_record(record)
        except BaseException:  # a stop, say: what ends this run has to know what is on disk
            record.status = before
            raise

    def _wall_seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def state_dict(self) -> dict[str, Any]:
        """Time spent so far, and what the checkpoint belongs to."""
        return CheckpointBlock(
            wall_seconds=self._wall_seconds(),
            task=self.task,
            method=self.method,
            config=self.config,
            chain=self._history.chain,
            processes=self._history.processes,
            rounds=self._record.federated.rounds if self._record is not None else None,
            extended=self._history.extended,
        ).model_dump()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting from the time spent before."""
        self._resuming = True
        block = CheckpointBlock.model_validate(state_dict)
        self._seconds_before = block.wall_seconds
        self._history.restore(block)
