"""Account of a cohort, in a folder that a hospital keeps."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from pathlib import Path

from adpfl_bench.errors import AccountRefusal, ConfigError, RecordError, check_choice
from adpfl_bench.files import atomic_folder
from adpfl_bench.privacy.account.account_ask import AccountAsk, Affordance, afford
from adpfl_bench.privacy.account.account_entries import (
    Entry,
    Opening,
    Releases,
    Reservation,
    Settlement,
    from_line,
    to_line,
)
from adpfl_bench.privacy.account.account_key import AccountKey
from adpfl_bench.privacy.account.account_refusal import check_ask, refusal
from adpfl_bench.privacy.account.account_settling import journal_of, now, settled_by_journal, settlement
from adpfl_bench.privacy.account.account_state import AccountState
from adpfl_bench.privacy.account.live_runs import LiveRuns
from adpfl_bench.privacy.account.sealed_lines import AccountDamaged, SealedContent, SealedLines
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.text import name_problem

LINES_NAME, HEAD_NAME, KEY_NAME = "account.log", "head", "key"
ACCOUNT_UNITS = ("patient", "record", "client")


class CohortAccount:
    """Account of a cohort: an epsilon at a delta that all runs together may reach, for each unit by itself.

    It is a folder of ``account.log``, sealed lines of what was reserved and settled; ``head``, which says how many; and
    ``key``, which only its owner may read. Every unit that takes part in a run is in it as a keyed hash, so that runs
    on a cohort that has gained or lost patients count for those who were in them. What a unit may have been in is
    composed over all runs by the accountants of one run (:func:`~adpfl_bench.privacy.accounting.client_epsilon`).

    Args:
        folder: The folder.

    Attributes:
        folder: The folder.
        key: Its key.

    Raises:
        RecordError: It is no account, or its key is missing or another's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / LINES_NAME).exists() and not (folder / HEAD_NAME).exists():
            raise RecordError(
                f"{folder} is no account ({LINES_NAME} is missing there): make one with adpfl-bench account create"
                f" {folder} --epsilon E --delta D --unit patient, or give the folder of one."
            )
        self.key = AccountKey.read(folder / KEY_NAME)
        self._lines = SealedLines(folder / LINES_NAME, folder / HEAD_NAME, self.key)
        self._live = LiveRuns(folder)
        self._check_key()

    @classmethod
    def create(
        cls,
        folder: Path,
        epsilon: float,
        delta: float,
        unit: PrivacyUnit = "patient",
        name: str = "",
        simulation: bool = False,
    ) -> CohortAccount:
        """Make an account, whole or not at all.

        Args:
            folder: Its folder, which must not be there, or be empty.
            epsilon: What all runs together may reach, for every unit.
            delta: The delta that epsilon holds at.
            unit: What it protects: ``patient``, ``record`` or ``client``.
            name: What people call it; by default the folder's name.
            simulation: Take runs with repeatable noise too; it promises nothing to persons then.

        Raises:
            ConfigError: A number is out of range, or the folder is taken.
            RecordError: It could not be written.
        """
        check_choice("--unit", unit, ACCOUNT_UNITS)
        if not 0 < epsilon < math.inf:
            raise ConfigError(f"--epsilon is a finite number above 0, but it is {epsilon}.")
        if not 1e-300 < delta <= 0.01:
            raise ConfigError(
                f"--delta is the probability with which the promise may fail altogether, above 0 and at most 0.01, but"
                f" it is {delta}."
            )
        name = name or folder.resolve().name
        if problem := name_problem(name):
            raise ConfigError(f"The account's name {problem}; give another by --name.")
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise ConfigError(f"{folder} is there already; an account is made once. Choose another folder.")
        try:
            with atomic_folder(folder) as partial:
                key = AccountKey.write(partial / KEY_NAME)
                opening = Opening(uuid.uuid4().hex, name, unit, epsilon, delta, simulation, key.mark, now())
                SealedLines(partial / LINES_NAME, partial / HEAD_NAME, key).begin(to_line(opening))
        except OSError as error:
            raise RecordError(f"{folder} could not be made: {error.strerror or error}.") from error
        return cls(folder)

    def content(self) -> SealedContent:
        """Read and check the account's lines.

        Raises:
            AccountDamaged: They are not as they were written.
        """
        return self._lines.read()

    def state(self) -> AccountState:
        """Read what the account's lines amount to.

        Raises:
            AccountDamaged: They are not as they were written.
            RecordError: They are of another version.
        """
        return AccountState.of(self.entries())

    def entries(self) -> list[Entry]:
        """Read what the account's lines state; raises as :meth:`state`."""
        lines = self.content().entries
        return [from_line(line, f"Line {number} of {self._lines.lines}") for number, line in enumerate(lines, 1)]

    def at_work(self, run: str) -> bool:
        """Whether a process is at work on a run."""
        return self._live.at_work(run)

    def look(self, ask: AccountAsk) -> Affordance:
        """Say whether a run would fit, if whatever stopped runs have not released came back; nothing is written.

        Raises:
            ConfigError: The account takes no such run.
        """
        state = self.state()
        check_ask(self.folder, self.key, state, ask)
        found = afford(state, ask, self.key)
        if found.fits:
            return found
        for settled in self._of_stopped(state, ask.facts.run):
            state = state.after(settled)
        return afford(state, ask, self.key)

    def demand(self, ask: AccountAsk) -> None:
        """Refuse a run that would not fit; nothing is written.

        Raises:
            AccountRefusal: It would not.
            ConfigError: The account takes no such run.
        """
        found = self.look(ask)
        if not found.fits:
            raise self._refused(self.state(), ask, found)

    def reserve(self, ask: AccountAsk) -> Reservation:
        """Promise a run what it plans, in the place of what it was promised before.

        What stopped runs were promised and have not released is taken back if it is needed.

        Raises:
            AccountRefusal: Some unit would come to more than the budget.
            ConfigError: The account takes no such run.
            RecordError: The line could not be written, or another process is at work on the run.
        """
        with self._live.writing():
            state = self._with_moved(self.state(), ask)
            check_ask(self.folder, self.key, state, ask)
            found = afford(state, ask, self.key)
            if not found.fits:
                for settled in self._of_stopped(state, ask.facts.run):
                    state = self._append(state, settled)
                found = afford(state, ask, self.key)
            if not found.fits:
                raise self._refused(state, ask, found)
            if not self._live.enter(ask.facts.run):
                raise RecordError(f"Another process is at work on the run of {ask.facts.folder}; wait for it.")
            rosters = ask.rosters(self.key)
            for roster in rosters.values():
                if roster.roster not in state.rosters:
                    state = self._append(state, roster)
            reservation = ask.reservation(rosters, ask.rounds, uuid.uuid4().hex[:12], now())
            self._append(state, reservation)
            return reservation

    def _with_moved(self, state: AccountState, ask: AccountAsk) -> AccountState:
        """Settle a run that goes on in another folder by the journal that it had, if that is still there."""
        own = state.runs.get(ask.facts.run)
        if own is None or not own.is_open or own.facts.folder == ask.facts.folder or journal_of(own) is None:
            return state
        return self._append(state, settled_by_journal(own))

    def settle(self, run: str, released: Releases, reason: str | None = None) -> str:
        """Count what a run has really released, and no longer what it was promised.

        Args:
            run: Its id.
            released: All that it has released.
            reason: Why nothing is proved of that, or ``None``.

        Returns:
            The seal of the line.

        Raises:
            RecordError: The line could not be written; the whole reservation counts until it is.
        """
        with self._live.writing():
            state = self.state()
            own = state.runs.get(run)
            if own is None:
                raise RecordError(f"{self.folder} has no reservation of run {run}, which cannot be settled there.")
            seal = self._append_sealed(settlement(own, "run", released, reason))
            self._live.end(run)
            return seal

    def reclaim(self) -> list[Settlement]:
        """Settle every stopped run by its journal, so that what it has not released can be promised again.

        Returns:
            The settlements.
        """
        with self._live.writing():
            found = list(self._of_stopped(self.state(), ""))
            for settled in found:
                self._append_sealed(settled)
        return found

    def leave(self, run: str) -> None:
        """Let a run that was stopped keep its reservation until somebody needs what it has not released."""
        self._live.leave(run)

    def seal_of(self, run: str) -> str | None:
        """Return the seal of the line that settled a run last, or ``None``."""
        content = self.content()
        pairs = list(zip(content.entries, content.seals, strict=True))
        return next((seal for line, seal in reversed(pairs) if line.get("run") == run), None)

    def _of_stopped(self, state: AccountState, but: str) -> Iterator[Settlement]:
        for run, own in state.runs.items():
            if own.is_open and run != but and not self.at_work(run):
                yield settled_by_journal(own)

    def _refused(self, state: AccountState, ask: AccountAsk, found: Affordance) -> AccountRefusal:
        waits = [run for run, own in state.runs.items() if own.is_open and run != ask.facts.run and self.at_work(run)]
        return refusal(self.folder, state, ask, found, len(waits))

    def _append(self, state: AccountState, entry: Entry) -> AccountState:
        after = state.after(entry)
        self._append_sealed(entry)
        return after

    def _append_sealed(self, entry: Entry) -> str:
        return self._lines.append(to_line(entry)).last

    def _check_key(self) -> None:
        try:
            first = (self.folder / LINES_NAME).open("rb").readline()
            mark = from_line(SealedLines.stated(first), f"Line 1 of {self.folder / LINES_NAME}")
        except (OSError, ValueError, RecordError):
            return  # what is wrong with the lines themselves is said by whoever reads them
        if isinstance(mark, Opening) and mark.mark != self.key.mark:
            raise AccountDamaged(
                "key",
                f"{self.folder / KEY_NAME} is the key of another account than {self.folder / LINES_NAME}: put back the"
                " one that it was made with.",
            )
