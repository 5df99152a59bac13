"""The coordinator of a deployed run: the server's side of its rounds, whatever carries the messages."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from pydantic import ValidationError

import adpfl_bench
from adpfl_bench.deploy.agreement import Agreement
from adpfl_bench.deploy.arrays import broadcast_arrays, read_update, state_arrays
from adpfl_bench.deploy.asking import Asking, Question
from adpfl_bench.deploy.deployed_record import DeployedRecord
from adpfl_bench.deploy.deployment_files import ServerFile
from adpfl_bench.deploy.door import Exchange
from adpfl_bench.deploy.hospital_terms import check_deployable
from adpfl_bench.deploy.messages import (
    Answer,
    Arrays,
    HelloFacts,
    Kind,
    MessageError,
    Request,
    ScoredSplit,
    ScoreFacts,
    UpdateFacts,
)
from adpfl_bench.deploy.returned_scores import mean_metrics, returned_cases
from adpfl_bench.deploy.server_command import ServerCommand, server_command
from adpfl_bench.deploy.server_state import Deployment, ServerState
from adpfl_bench.errors import BenchError, RecordError
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.federation.client_update import ClientUpdate
from adpfl_bench.files import replace_file
from adpfl_bench.records.run_lock import RunLock
from adpfl_bench.shortage import shortage
from adpfl_bench.stopping import is_stop

DEPLOYMENT_NAME = "deployment.json"


def serve_rounds(file: ServerFile, exchange: Exchange, wait: Callable[[float], None] = time.sleep) -> Path:
    """Make a deployed run, or go on with the one that its folder holds, until its cases are scored.

    Args:
        file: The server's file.
        exchange: Carries requests to hospitals and their answers back.
        wait: Waits a number of seconds, between two tries to reach a hospital.

    Returns:
        The run's folder.

    Raises:
        HospitalRefuses: A hospital refuses; the sentence is its own.
        HospitalMissing: A hospital that is needed does not answer.
        BenchError: The configuration is wrong, an answer cannot be used, or the folder holds something else.
    """
    with ExitStack() as hold:
        hold.enter_context(RunLock(file.folder).joined())
        Coordinator(file, Asking(file, exchange, wait)).run()
    return file.folder


class Coordinator:
    """Coordinates the hospitals of a run, round after round.

    Args:
        file: The server's file.
        asking: Asks them.
    """

    def __init__(self, file: ServerFile, asking: Asking) -> None:
        self._file, self._asking = file, asking
        self._command: ServerCommand = server_command(file)
        check_deployable(self._command.loop.settings)
        self._configuration = Agreement.of(self._command.config_dump).digest
        self._deployment = self._find_deployment()

    def run(self) -> None:
        """Greet and join the hospitals, make all rounds that are left, have the cases scored, and say goodbye.

        Raises:
            BenchError: As :func:`serve_rounds`.
        """
        if not self._deployment.hellos:
            self._greet()
        self._command.settle(self._deployment.roster)
        if not self._deployment.joined:
            self._join()
        state = ServerState(self._command, self._deployment)
        record = DeployedRecord(self._command, state, self._deployment)
        try:
            self._make_rounds(state, record)
        except BaseException as error:
            told = shortage(error) or f"{type(error).__name__}: {error}"
            record.save(*(("interrupted", self._deployment) if is_stop(error) else ("failed", self._deployment, told)))
            raise

    def _make_rounds(self, state: ServerState, record: DeployedRecord) -> None:
        schedule, every = self._command.loop.schedule, self._file.scores_every
        while state.completed < schedule.total_rounds:
            self._make_round(state, record)
            if every and state.completed % every == 0 and state.completed < schedule.total_rounds:
                self._score(state, record, ["validation"])
        record.save("trained", self._deployment)
        self._score(state, record, ["validation", "test"])
        self._ask_all("bye", f"The end of {schedule.total_rounds} rounds", state.completed)
        record.save("finished", self._deployment)

    def _make_round(self, state: ServerState, record: DeployedRecord) -> None:
        schedule, names, number = self._command.loop.schedule, list(self._deployment.hellos), state.completed + 1
        sent = state.broadcast()
        arrays = broadcast_arrays(sent)
        participants = schedule.participants(state.completed, names)
        questions = {name: Question(self._request("train", name, number), arrays) for name in participants}
        sends = type(self._command.loop.settings.client_method).sent_by is not ClientMethod.sent_by

        def read(name: str, answer: Answer, own: Arrays) -> tuple[UpdateFacts, ClientUpdate]:
            if answer.update is None:
                raise MessageError(f"Hospital {name} has answered round {number} without an update.")
            return answer.update, read_update(own, name, sent, sends)

        found, missing = self._asking.ask(questions, read, f"Round {number}", may_miss=True)
        self._note_missing(number, missing)
        facts = {name: stated for name, (stated, _) in found.items()}
        norms = state.finish_round(number - 1, {name: update for name, (_, update) in found.items()})
        ledgers = {name: stated.ledger for name, stated in facts.items()}
        state.tell(ledgers, [stated.reason for stated in facts.values() if stated.reason is not None])
        record.add_round(norms, facts, self._deployment)

    def _note_missing(self, number: int, missing: Mapping[str, str]) -> None:
        if missing:
            noted = dict(self._deployment.missing)
            for name, reason in missing.items():
                noted[name] = {**noted.get(name, {}), number: reason}
                print(f"Round {number} goes on without {name}: {reason.rstrip('.')}.")
            self._keep(missing=noted)

    def _score(self, state: ServerState, record: DeployedRecord, splits: Sequence[ScoredSplit]) -> None:
        arrays, number = broadcast_arrays(state.broadcast()), state.completed
        cases, means = [], []
        for split in splits:
            if not any(getattr(hello, split) for hello in self._deployment.hellos.values()):
                continue
            questions = {
                name: Question(self._request("evaluate", name, number, split), arrays)
                for name in self._deployment.hellos
            }
            what = f"The scores of {split} cases after round {number}"
            found, _ = self._asking.ask(questions, _read_scores, what, may_miss=True)
            means += mean_metrics(found)
            for name, scores in found.items():
                cases += returned_cases(name, scores)
                if scores.withheld:
                    print(f"{name}, {split}: {scores.withheld}.")
        record.add_numbers(means)
        if number == self._command.loop.schedule.total_rounds:
            record.write_scores(cases)

    def _greet(self) -> None:
        def read(name: str, answer: Answer, arrays: Arrays) -> HelloFacts:
            if answer.hello is None:
                raise MessageError(f"Hospital {name} has said hello without saying what it brings.")
            return answer.hello

        questions = {name: Question(self._request("hello", name)) for name in self._file.hospitals}
        hellos, _ = self._asking.ask(questions, read, "The beginning of the run")
        self._keep(hellos=hellos)

    def _join(self) -> None:
        arrays = state_arrays(self._command.model)
        self._ask_all("join", "The beginning of the run", 0, arrays)
        self._keep(joined=True)

    def _ask_all(self, kind: Kind, what: str, number: int, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        questions = {
            name: Question(self._request(kind, name, number), arrays or {}) for name in self._deployment.hellos
        }
        self._asking.ask(questions, lambda name, answer, own: None, what, may_miss=kind == "bye")

    def _request(self, kind: Kind, name: str, number: int = 0, split: ScoredSplit | None = None) -> Request:
        return Request(
            kind=kind,
            run=self._deployment.run,
            configuration=self._configuration,
            version=adpfl_bench.__version__,
            hospital=name,
            round=number,
            roster=self._deployment.roster,
            split=split,
        )

    def _find_deployment(self) -> Deployment:
        """Read what the folder knows of a run, or begin one."""
        path = self._file.folder / DEPLOYMENT_NAME
        if path.exists():
            try:
                found = Deployment.model_validate_json(path.read_bytes())
            except (ValidationError, OSError) as error:
                raise RecordError(f"{path} cannot be read as what a server knows of its hospitals: {error}") from error
            if found.hellos and set(found.hellos) != set(self._file.hospitals):
                raise BenchError(
                    f"The run in {self._file.folder} has the hospitals {', '.join(sorted(found.hellos))}, but the"
                    f" server's file names {', '.join(sorted(self._file.hospitals))}: state the same, or another"
                    " folder."
                )
            return found
        if (self._file.folder / "run.json").exists():
            raise RecordError(f"{self._file.folder} holds a run that was not deployed: give the server another folder.")
        self._deployment = Deployment(run=uuid.uuid4().hex)
        self._keep()
        return self._deployment

    def _keep(self, **changes: object) -> None:
        self._deployment = self._deployment.model_copy(update=changes)
        self._file.folder.mkdir(parents=True, exist_ok=True)
        content = self._deployment.model_dump_json(indent=2)
        replace_file(self._file.folder / DEPLOYMENT_NAME, content.encode())


def _read_scores(name: str, answer: Answer, arrays: Arrays) -> ScoreFacts:
    if answer.scores is None:
        raise MessageError(f"Hospital {name} has answered without scores.")
    return answer.scores
