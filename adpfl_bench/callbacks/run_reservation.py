"""Reservation of a run in the account of its cohort: asked for before its first release, and settled at its end."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adpfl_bench.callbacks.privacy_checks import check_delta
from adpfl_bench.callbacks.releases_to_come import PlannedReleases
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.peers import peers
from adpfl_bench.privacy.account.account_ask import AccountAsk, Affordance
from adpfl_bench.privacy.account.account_entries import Releases, RunFacts
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.ledger import PrivacyLedger
from adpfl_bench.privacy.lineage import Lineage
from adpfl_bench.records.account_block import AccountBlock
from adpfl_bench.records.digests import config_sha256
from adpfl_bench.records.run_record import RunRecord


class RunReservation:
    """What connects a run with the account of its cohort; without an account it does nothing.

    Args:
        folder: The account's folder, or ``None``.
        books: What the run has released.
        secure: Whether its noise is secret.
        reason: Tells why nothing is proved of the run, at any time.

    Attributes:
        folder: The account's folder, or ``None``.
        completed: Rounds that the checkpoint knows of which the run goes on from.
        goes_on: Whether the fit at hand ends before the run does, which then keeps what it has reserved.
    """

    def __init__(
        self, folder: Path | None, books: PrivacyBooks, secure: bool, reason: Callable[[], str | None]
    ) -> None:
        self.folder = folder.expanduser() if folder is not None else None
        self._task = self._method = self._config = ""
        self.completed = 0
        self.goes_on = False
        self._books, self._secure, self._reason = books, secure, reason
        self._planned: PlannedReleases | None = None
        self._account: CohortAccount | None = None
        self._facts: RunFacts | None = None
        self._block: AccountBlock | None = None

    def name(self, task: str, method: str, config: Mapping[str, Any]) -> None:
        """Take over what the account calls the run: its names, and a digest of its resolved configuration."""
        self._task, self._method, self._config = task, method, config_sha256(config)

    def find(self) -> None:
        """Make sure that there is such an account, before data are read.

        Raises:
            RecordError: There is none, or it is not as it was written.
        """
        if self.folder is not None:
            CohortAccount(self.folder).content()

    def plan(self, planned: Callable[[float], PlannedReleases], noise_multiplier: float | None) -> None:
        """Take over what the run is going to release, where there is an account.

        Raises:
            ConfigError: At the account's delta units might be published outright, or nothing is proved of the run.
            RecordError: There is no such account.
        """
        self.completed, self._planned, self._block, self._facts = 0, None, None, None
        if self.folder is None:
            return
        self.check_reason()
        assert noise_multiplier is not None
        self._account, self._planned = CohortAccount(self.folder), planned(noise_multiplier)
        opening = self._account.state().opening
        check_delta(opening.delta, opening.unit, self._planned.sizes, self._planned.protects, "The account's delta")

    def go_on(self, checkpoint: Mapping[str, Any]) -> None:
        """Note how many rounds a checkpoint knows of."""
        self.completed = checkpoint["callbacks"].get("FederatedLoop", {}).get("rounds_completed", 0)

    def ask(self, run: str) -> AccountAsk:
        """Return what the run, of this id, asks of the account.

        Raises:
            ConfigError: Nobody knows whose data it trains on.
        """
        planned, books, completed = self._need_plan(), self._books, self.completed
        key = books.key or ("" if self._secure else books.last_key)  # where it is not settled yet, the likely one
        facts = RunFacts(
            run=run,
            label=f"{self._task} / {self._method} / seed {planned.schedule.seed}",
            config=self._config,
            folder=books.folder,
            kind=planned.kind,
            protects=planned.protects,
            secure=self._secure,
            host=platform.node(),
        )

        def total(rounds: int) -> Releases:
            return _by_client(books.foreseen(planned.between(completed, rounds), key or "to come"))

        released = _by_client(books.own)
        return AccountAsk(facts, planned.plan.unit, planned.names, total, released, planned.schedule.rounds, completed)

    def look(self, run: str) -> tuple[CohortAccount, Affordance, AccountAsk]:
        """Return the account, whether the run would fit, and what it asks; raises but for what does not fit."""
        self.check_reason()
        account, asked = self._need_account(), self.ask(run)
        return account, account.look(asked), asked

    def demand(self, run: str) -> None:
        """Refuse a run that would not fit, before anything of it is on disk.

        Raises:
            AccountRefusal: It would not.
            ConfigError: The account takes no such run.
        """
        if self.folder is not None and peers().first:
            self.check_reason()
            self._need_account().demand(self.ask(run))

    def reserve(self, lineage: Lineage, cohort: str) -> None:
        """Reserve what the run plans, and let it release no more than that.

        Args:
            lineage: The run, and those that its weights came from.
            cohort: Fingerprint of its data.

        Raises:
            AccountRefusal: It does not fit.
            ConfigError: The account takes no such run, or nothing is proved of it.
        """
        if self.folder is None:
            return
        self.check_reason()
        asked, account = self.ask(lineage.run), self._need_account()
        promised = asked.planned(asked.rounds)
        with peers().first_then_others():
            if peers().first:
                self._check_ancestors(account, lineage, cohort)
                self._books.gather()
                account.reserve(asked)
                self._block = self._block_of(account, lineage.run)
        self._facts, self._books.promised = asked.facts, promised

    def check(self) -> None:
        """Stop a run of which nothing is proved any more, after counting that for its units.

        Raises:
            BenchError: As above.
        """
        if self._facts is not None and (reason := self._reason()):
            self.settle(self._facts.run)
            raise BenchError(
                f"The run has an account ({self.folder}), and stops: {reason}. What it has released counts there as"
                " releases without a proof, after which nothing is left for the units that were in it."
            )

    def settle(self, run: str) -> None:
        """Count what the run, of this id, has really released; also one that was stopped after its last round.

        Raises:
            RecordError: It cannot be written; the whole reservation counts until the account needs it, and then what
                the run's journal says.
        """
        if self.folder is None or self._planned is None:
            return
        account, reason = self._need_account(), self._reason()
        if peers().first and (own := account.state().runs.get(run)) is not None:
            if self._facts is not None or (own.is_open and reason is None):
                account.settle(run, _by_client(self._books.own), reason)
            self._block = self._block_of(account, run)
        self._facts = None
        self._books.promised = None

    def leave(self) -> None:
        """Keep the reservation of a run that was stopped, until it goes on or somebody needs what is left of it."""
        if self._facts is not None and peers().first:
            self._need_account().leave(self._facts.run)
        self._facts = None

    def tell(self, record: RunRecord) -> None:
        """Let a run's record state its account, if it has one."""
        if self._block is not None:
            record.account = self._block

    def _block_of(self, account: CohortAccount, run: str) -> AccountBlock:
        state = account.state()
        opening, own = state.opening, state.runs[run]
        block = AccountBlock(
            account=opening.account,
            name=opening.name,
            unit=opening.unit,
            epsilon=opening.epsilon,
            delta=opening.delta,
            simulation=opening.simulation,
            reservation=own.reservation,
        )
        if not own.is_open:
            groups = state.groups(set(own.rosters.values()))
            block.settled = account.seal_of(run)
            alone = max((client_epsilon(events, opening.delta) for events in own.counted.values()), default=0.0)
            block.run_epsilon = _finite(alone) if own.reason is None else None
            block.composed_epsilon = _finite(max((group.epsilon(opening.delta) for group in groups), default=0.0))
        return block

    def _need_account(self) -> CohortAccount:
        self._need_plan()
        assert self._account is not None
        return self._account

    def _need_plan(self) -> PlannedReleases:
        if self._planned is None:
            raise ConfigError(
                f"privacy.account is {self.folder}, but without a FederatedLoop and its FederatedDataModule nobody"
                " knows whose examples the run trains on: add them to the Trainer, or leave the account out."
            )
        return self._planned

    def check_reason(self) -> None:
        """Refuse a run with an account of which nothing is proved, as far as is known.

        Raises:
            ConfigError: As above.
        """
        if self.folder is not None and (reason := self._reason()):
            raise ConfigError(
                f"privacy.account is {self.folder}, but nothing is proved of this run, so that no account could state"
                f" what it costs: {reason}."
            )

    def _check_ancestors(self, account: CohortAccount, lineage: Lineage, cohort: str) -> None:
        known = account.state().runs
        for ancestor in lineage.before:
            if ancestor.cohort == cohort and ancestor.run not in known:
                raise ConfigError(
                    f"The weights started from run {ancestor.run} on the same data, which the account {self.folder}"
                    " does not know: start from weights of its own runs, or of other data."
                )


def _by_client(ledger: PrivacyLedger) -> Releases:
    return {client: ledger.events(client) for client in ledger.clients()}


def _finite(epsilon: float) -> float | None:
    return epsilon if epsilon < float("inf") else None
