"""A hospital of a deployed run: it answers what the run's server asks."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from adpfl_bench.callbacks.asked_round import AskedRound
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_plan import run_plan
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.deploy import hospital_terms as check
from adpfl_bench.deploy.agreement import Agreement
from adpfl_bench.deploy.arrays import load_state, most_bytes, read_broadcast, update_arrays
from adpfl_bench.deploy.deployment_files import HospitalFile
from adpfl_bench.deploy.hospital_command import hospital_command
from adpfl_bench.deploy.hospital_home import HospitalHome, Reached
from adpfl_bench.deploy.leaving_scores import leaving_scores
from adpfl_bench.deploy.messages import (
    Answer,
    Arrays,
    HelloFacts,
    Request,
    ScoreFacts,
    StatedCounts,
    UpdateFacts,
    digest_of,
    pack,
    unpack,
)
from adpfl_bench.deploy.refusal import Refusal, public_sentence
from adpfl_bench.errors import BenchError
from adpfl_bench.federation.client_federation import ClientFederation
from adpfl_bench.federation.client_update import Broadcast, ClientUpdate
from adpfl_bench.records.environment import package_versions
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.shortage import shortage

_NOBODY = "0" * 32


class HospitalWorker:
    """A hospital's worker: data, noise, thresholds, state, ledger and account of one client.

    A client update is made by the code of ``fit``, with this hospital's client alone, going on from the checkpoint in
    its home, and stands there before it leaves. What can be refused is refused by a sentence that travels; whatever
    else goes wrong is told here, and there in a sentence that names no file and no case.

    Args:
        file: What the hospital says of itself.
        hold: Keeps the lock of its home.

    Raises:
        BenchError: Its configuration is wrong, or its data are not what the task expects.
    """

    def __init__(self, file: HospitalFile, hold: ExitStack) -> None:
        self.file = file
        self._command = hospital_command(file, hold)
        self.configuration = Agreement.of(self._command.config_dump).digest
        self._home = HospitalHome(file.home)
        self._command.read_data(file.name)
        self._most_bytes = most_bytes(list(self._command.model.state_dict().values())) * 2

    def answer(self, content: bytes) -> bytes:
        """Answer a request.

        Args:
            content: Its bytes.

        Returns:
            The bytes of an :class:`~adpfl_bench.deploy.messages.Answer`; to the same request always the same ones.
        """
        digest, request = digest_of(content), None
        try:
            request, arrays = unpack(content, Request, self._most_bytes)
            check.check_addressed(request, self.file, self.configuration)
            return self._do(request, arrays, content, digest)
        except BenchError as error:
            print(f"Hospital {self.file.name} refuses: {error}", file=sys.stderr)
            return self._refuse(request, digest, public_sentence(error))
        except Exception as error:
            if (lacks := shortage(error)) is None:
                traceback.print_exception(error)
            else:
                print(f"Hospital {self.file.name}: {lacks}", file=sys.stderr)
            return self._refuse(request, digest, public_sentence(error))

    def _do(self, request: Request, arrays: Arrays, content: bytes, digest: str) -> bytes:
        if request.kind == "hello":
            return self._say(request, digest, hello=self._hello())
        if request.kind == "join":
            self._join(request, arrays, content)
            return self._say(request, digest)
        _, first = self._home.need_terms(request)
        reached = self._home.reached()
        if request.kind == "train":
            return self._train(request, arrays, digest, reached, first)
        self._pass_over(request, reached, first)
        if request.kind == "evaluate":
            return self._say(request, digest, scores=self._evaluate(request, arrays, first))
        return self._say(request, digest)

    def _hello(self) -> HelloFacts:
        self._command.renew()
        loop, privacy, data = self._loop, self._privacy, self._data
        check.check_deployable(loop.settings)
        check.check_noise(privacy, self.file)
        plan = run_plan(loop.settings, privacy, self._command.model, False, None)
        data.use_plan(replace(plan, held_out=()))
        (client,), described = data.clients, data.describe()
        contents = described.contents
        return HelloFacts(
            counts=StatedCounts(examples=data.train_sizes[client.name], units=data.unit_sizes[client.name]),
            validation=len(client.validation),
            test=len(client.test),
            kind=described.kind,
            fingerprint=described.fingerprint,
            contents=contents.root if contents is not None else "",
            test_contents=contents.test_root if contents is not None else "",
            example_is=data.example_is,
            patient_id_is=data.patient_id_is,
            scores=self.file.scores_text,
            test_noise=self.file.test_noise is not None,
            versions=package_versions(),
        )

    def _join(self, request: Request, arrays: Arrays, content: bytes) -> None:
        check.check_roster(request.roster, self.file, self._hello().counts)
        self._home.check_join(content)
        self._command.renew()
        load_state(self._command.model, arrays)
        loop, privacy = self._loop, self._privacy
        loop.asked = self._asked(request, Reached())
        loop.setup(self._command.trainer, self._command.model, "fit")
        if (floor := self.file.require) is not None:
            check.check_epsilon(floor, self.file.name, privacy, loop.schedule, self._data.unit_sizes)
        privacy.reservation.demand(request.run)
        self._home.join(content)

    def _train(self, request: Request, arrays: Arrays, digest: str, reached: Reached, first: Arrays) -> bytes:
        if reached.answers(digest):
            return reached.answer
        self._command.renew()
        loop = self._loop
        check.check_turn(request, self.file.name, loop.schedule, reached.rounds)
        asked = loop.asked = self._asked(request, reached)
        asked.round, asked.sent = request.round - 1, self._sent(arrays)
        asked.make_answer = lambda update: self._update(request, digest, update)
        self._privacy.reservation.goes_on = request.round < loop.schedule.total_rounds
        self._fit(request, first)
        return asked.answer

    def _pass_over(self, request: Request, reached: Reached, first: Arrays) -> None:
        """End the run here, where its last rounds were made without this hospital."""
        self._command.renew()
        if not reached.rounds < request.round == self._loop.schedule.total_rounds:
            return
        self._loop.asked = self._asked(request, reached)
        self._fit(request, first)

    def _fit(self, request: Request, first: Arrays) -> None:
        command, started = self._command, self._home.checkpoint.exists()
        self._privacy.run_books.stated_key = self.file.test_noise
        if not started:
            load_state(command.model, first)
        command.model.lineage.continue_run(request.run)
        command.fit(self._home.checkpoint if started else None)

    def _evaluate(self, request: Request, arrays: Arrays, first: Arrays) -> ScoreFacts:
        if request.split is None:
            raise Refusal("Scores were asked for without a split; validation and test are possible.")
        self._command.renew()
        load_state(self._command.model, first)
        self._loop.asked = self._asked(request, Reached())
        self._loop.asked.sent = self._sent(arrays)
        if not getattr(self._data.clients[0], request.split):
            return ScoreFacts(split=request.split, withheld=f"the hospital has no {request.split} cases")
        scores = self._command.score(request.split, self._home.federation())
        return leaving_scores(scores, request.split, self.file)

    def _update(self, request: Request, digest: str, update: ClientUpdate) -> bytes:
        loop, privacy, name = self._loop, self._privacy, self.file.name
        report = {(own.client, own.name): own.value for own in loop.round_metrics(self._command.trainer)}
        released = privacy.engine.released.get(name, []) if privacy.accounted.reason is None else []
        visits = loop.schedule.visits(request.round - 1, list(request.roster))
        (visit,) = (visit for visit in visits if visit.client == name and visit.turn == "shared")
        facts = UpdateFacts(
            steps=visit.steps(self._data.unit_sizes[name], self._data.units_per_step),
            learning_rate=report[ALL_CLIENTS, "learning_rate"],
            ledger=[tuple(entry) for entry in privacy.engine.books.own.state_dict().get(name, [])],
            threshold=released[-1].threshold if released else None,
            loss=report[name, "train_loss"] if self.file.scores == "all" else None,
            reason=privacy.accounted.reason,
        )
        return self._say(request, digest, update_arrays(update), update=facts)

    def _sent(self, arrays: Arrays) -> Broadcast:
        like = ClientFederation(self._command.model, self._loop.settings).broadcast()
        return read_broadcast(arrays, like)

    def _asked(self, request: Request, reached: Reached) -> AskedRound:
        others = check.elsewhere(request.roster, self.file.name)
        return AskedRound(self.file.name, others, lambda update: b"", answer=reached.answer)

    @property
    def _loop(self) -> FederatedLoop:
        loop: FederatedLoop = self._command.config_init["federated"]
        return loop

    @property
    def _privacy(self) -> DifferentialPrivacy:
        privacy: DifferentialPrivacy = self._command.config_init["privacy"]
        return privacy

    @property
    def _data(self) -> FederatedDataModule:
        data: FederatedDataModule = self._command.datamodule
        return data

    def _say(
        self,
        request: Request,
        digest: str,
        arrays: Mapping[str, np.ndarray] | None = None,
        hello: HelloFacts | None = None,
        update: UpdateFacts | None = None,
        scores: ScoreFacts | None = None,
    ) -> bytes:
        said = Answer(
            kind=request.kind,
            run=request.run,
            configuration=self.configuration,
            hospital=self.file.name,
            round=request.round,
            request=digest,
            hello=hello,
            update=update,
            scores=scores,
        )
        return pack(said, arrays)

    def _refuse(self, request: Request | None, digest: str, sentence: str) -> bytes:
        said = Answer(
            kind=request.kind if request is not None else "hello",
            run=request.run if request is not None else _NOBODY,
            configuration=self.configuration,
            hospital=self.file.name,
            round=request.round if request is not None else 0,
            request=digest,
            refusal=sentence,
        )
        return pack(said)
