"""Record of a deployed run, as its server keeps it: the same files as those of fit."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from adpfl_bench.callbacks.privacy_metrics import epsilon_metrics
from adpfl_bench.deploy.messages import HelloFacts, UpdateFacts
from adpfl_bench.deploy.server_command import ServerCommand
from adpfl_bench.deploy.server_state import Deployment, ServerState
from adpfl_bench.privacy.lineage import Ancestor
from adpfl_bench.privacy.noise_key import weights_digest
from adpfl_bench.records.blocks import ClientSizes, DataBlock
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.chain import ChainBlock, run_origin
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.deployed_block import DeployedBlock
from adpfl_bench.records.digests import config_sha256, json_sha256
from adpfl_bench.records.environment import git_revision, package_versions, peak_memory_mb
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.records.run_record import FORMAT_VERSION, DigestsBlock, ModelBlock, RunRecord, Status
from adpfl_bench.records.seal import seal

_DIVISION = hashlib.sha256(b"").hexdigest()


class DeployedRecord:
    """run.json, rounds.csv and cases.csv of a deployed run.

    Args:
        command: The settled command line.
        state: The server's state.
        deployment: The hospitals.
    """

    def __init__(self, command: ServerCommand, state: ServerState, deployment: Deployment) -> None:
        self._command, self._state = command, state
        self._directory = RunDirectory(command.run_directory)
        self._started = time.monotonic()
        data = data_block(command, deployment.hellos)
        origin = run_origin(command.loop.schedule.seed, data.kind, data.fingerprint, _DIVISION)
        earlier = self._directory.find_record()
        self._before = (earlier.wall_seconds or 0.0) if earlier is not None else 0.0
        digests = earlier.digests if earlier is not None else None
        chain = digests.chain.until(state.completed) if digests is not None else ChainBlock(origin=origin)
        self.record = self._describe(data, chain, deployment)
        self._directory.keep_rounds(state.completed, chain)
        self.save("running", deployment)

    def _describe(self, data: DataBlock, chain: ChainBlock, deployment: Deployment) -> RunRecord:
        command = self._command
        task, config = command.model, command.config_dump
        parameters = sum(parameter.numel() for parameter in task.parameters())
        kind, started_from = type(task).__name__, task.started_from
        model = ModelBlock(
            class_name=kind, parameters=parameters, scored_round=None, selection="last round", started_from=started_from
        )
        return RunRecord(
            format_version=FORMAT_VERSION,
            run=deployment.run,
            task=config["task"],
            method=config["method"],
            seed=command.loop.schedule.seed,
            status="running",
            data=data,
            federated=command.loop.describe(task),
            privacy=command.privacy.describe(),
            deployed=deployed_block(deployment),
            rounds_completed=self._state.completed,
            model=task.describe_scores(model),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions=package_versions(),
            git_revision=git_revision(),
            config_sha256=config_sha256(config),
            config=config,
            trusted=command.line.trusted,
            digests=DigestsBlock(chain=chain),
        )

    def add_round(self, norms: Mapping[str, float], facts: Mapping[str, UpdateFacts], deployment: Deployment) -> None:
        """Record a round that has just ended, and write its checkpoint.

        Args:
            norms: Norm of each participant's delta.
            facts: What each has stated with it.
            deployment: The hospitals.

        Raises:
            BenchError: Something could not be written.
        """
        number, ledger = self._state.completed, self._command.privacy.engine.books.own.state_dict()
        rows = [RoundRow(number, *metric) for metric in self._metrics(norms, facts)]
        lines = self._directory.append_rounds(rows)
        digests = self.record.digests
        assert digests is not None
        digests.chain = digests.chain.extended(number, lines, ledger, weights_digest(self._command.model))
        self.save("running", deployment)
        schedule = self._command.loop.schedule
        block = CheckpointBlock(
            wall_seconds=self._wall_seconds(),
            task=self.record.task,
            method=self.record.method,
            config=self._command.config_dump,
            chain=digests.chain,
            rounds=schedule.rounds,
        )
        self._state.save(block, self._ancestor())

    def _metrics(self, norms: Mapping[str, float], facts: Mapping[str, UpdateFacts]) -> list[RoundMetric]:
        rates = {stated.learning_rate for stated in facts.values()}
        found = [RoundMetric(ALL_CLIENTS, "learning_rate", max(rates, default=0.0))]
        losses = {name: stated.loss for name, stated in facts.items() if stated.loss is not None}
        for name, stated in facts.items():
            if stated.loss is not None:
                found.append(RoundMetric(name, "train_loss", stated.loss))
            found.append(RoundMetric(name, "delta_norm", norms[name]))
            if stated.threshold is not None:
                found.append(RoundMetric(name, "clipping_threshold", stated.threshold))
        if set(losses) == set(facts):
            shares = self._state.federation.shares
            mean = sum(shares[name] * loss for name, loss in losses.items())
            found.append(RoundMetric(ALL_CLIENTS, "train_loss", mean))
        return [*found, *epsilon_metrics(self._command.privacy.accounted)]

    def add_numbers(self, metrics: Sequence[RoundMetric]) -> None:
        """Add numbers to the last round that came after it was recorded: means of scores, which no digest covers."""
        self._directory.append_rounds(RoundRow(self._state.completed, *metric) for metric in metrics)

    def write_scores(self, scores: Sequence[CaseScore]) -> None:
        """Write the scores of cases that hospitals let go."""
        if scores:
            self._directory.write_cases(scores)
        self.record.model = self._command.model.describe_scores(self.record.model, self._state.completed)

    def save(self, status: Status, deployment: Deployment, error: str | None = None) -> None:
        """Bring run.json up to date."""
        record = self.record
        record.status, record.rounds_completed = status, self._state.completed
        record.privacy = self._command.privacy.describe()
        record.deployed = deployed_block(deployment)
        record.wall_seconds = round(self._wall_seconds(), 3)
        record.peak_memory_mb = round(peak_memory_mb(), 1)
        if error is not None:
            record.error = error
        seal(record, self._directory, closed=status != "running")
        self._directory.write_record(record)

    def _wall_seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def _ancestor(self) -> Ancestor:
        data, privacy = self.record.data, self._command.privacy
        return Ancestor(
            self.record.run,
            data.kind,
            data.fingerprint,
            _DIVISION,
            privacy.unit,
            seed=self.record.seed,
            reason=privacy.accounted.reason,
            releases=privacy.engine.books.spent.state_dict(),
            folder=str(self._directory.path.resolve()),
        )


def deployed_block(deployment: Deployment) -> DeployedBlock:
    """Return who takes part in a run, as its record states it."""
    return DeployedBlock(
        side="server",
        hospitals=tuple(sorted(deployment.hellos)),
        missing={name: tuple(sorted(rounds)) for name, rounds in deployment.missing.items()},
        test=any(hello.test_noise for hello in deployment.hellos.values()),
        scores={name: hello.scores for name, hello in deployment.hellos.items()},
    )


def data_block(command: ServerCommand, hellos: Mapping[str, HelloFacts]) -> DataBlock:
    """Return what a server can state of data that it does not have.

    The fingerprint is over those of the hospitals, by name; so it is not that of a simulation on the same files.
    """
    known = {name: (hello.fingerprint, hello.contents) for name, hello in hellos.items()}
    firsts = list(hellos.values())
    described = command.data.describe()
    kinds = {hello.kind for hello in firsts}
    sizes = {
        name: ClientSizes(train=hello.counts.examples, validation=hello.validation, test=hello.test)
        for name, hello in sorted(hellos.items())
    }
    return described.model_copy(
        update={
            "kind": "real" if "real" in kinds else "phantom",
            "fingerprint": json_sha256(known),
            "contents": None,
            "cases": sum(own.train + own.validation + own.test for own in sizes.values()),
            "clients": sizes,
            "partition": "hospitals",
        }
    )
