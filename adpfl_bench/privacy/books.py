"""Privacy books: what a run has released so far, on disk and in memory, and what it amounts to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adpfl_bench.errors import BenchError
from adpfl_bench.peers import peers
from adpfl_bench.privacy.accounting import Accounted, accountant, client_epsilon
from adpfl_bench.privacy.journal import LedgerJournal, Session
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.lineage import Inheritance, Lineage


class PrivacyBooks:
    """Ledgers that are written to disk before a release is made, and read again after a crash.

    There is one ledger for each key of noise. What is repeated under one key are the same numbers again, which reveal
    nothing new: of the ledger and of the disk the larger count holds. Releases under different keys are different
    releases, and add up: those of a run that continues under secret noise, on another device or with other settings.

    Attributes:
        inherited: What runs that the weights came from released of the same data.
        promised: By client what this run may have released when it ends; ``None`` where no account has promised it.
    """

    def __init__(self) -> None:
        self.inherited = Inheritance()
        self.promised: Mapping[str, Mapping[Release, int]] | None = None
        self._ledgers: dict[str, PrivacyLedger] = {}
        self._lineage = Lineage()
        self._journal: LedgerJournal | None = None
        self._on_disk: dict[Session, PrivacyLedger] = {}
        self._all_of_folder = False
        self._key = ""
        self._lost = False

    def open(self, folder: Path, lineage: Lineage, secret: bool) -> None:
        """Write into a run's folder from now on.

        Args:
            folder: The run's folder.
            lineage: Says which run it is.
            secret: Whether noise is secret. Then all that has ever been released from this folder counts, also that of
                a run that is started anew.

        Raises:
            RecordError: The folder's journal cannot be read.
        """
        self.inherited, self._ledgers, self._key, self._lost = Inheritance(), {}, "", False
        self.promised = None
        self._lineage, self._all_of_folder = lineage, secret
        self._journal = LedgerJournal(folder)
        with peers().first_then_others():
            if peers().first:
                self._journal.fold()
            self._on_disk = self._journal.read()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what a checkpoint knows; state as :meth:`state_dict`."""
        self._ledgers = {}
        for key, releases in state["sessions"].items():
            self._ledgers[key] = PrivacyLedger()
            self._ledgers[key].load_state_dict(releases)

    def search(self, folders: Iterable[Path]) -> None:
        """Look for the journal of a run that continues, in its own folder and in others.

        Raises:
            RecordError: One cannot be read.
        """
        for folder in folders:
            for session, ledger in LedgerJournal(folder).read().items():
                if session.run == self._lineage.run:
                    self._on_disk.setdefault(session, PrivacyLedger()).raise_to(ledger.state_dict())
        found = {session.run for session in self._on_disk} & {self._lineage.run, ""}
        self._lost = bool(self.ledger.clients()) and not found

    def begin(self, key: str) -> None:
        """Enter what is released from now on under a key of noise."""
        self._key = key
        self._ledgers.setdefault(key, PrivacyLedger())

    def enter(self, client: str, release: Release, count: int) -> None:
        """Enter releases that are about to be made.

        Raises:
            RecordError: They cannot be written to disk, and so must not be made.
            BenchError: No account has promised them.
        """
        self._check_promise(client, release, count)
        ledger = self._ledgers.setdefault(self._key, PrivacyLedger())
        ledger.add(client, release, count)
        if self._journal is not None:
            self._journal.raise_to(Session(self._lineage.run, self._key), ledger)

    def _check_promise(self, client: str, release: Release, count: int) -> None:
        if self.promised is None:
            return
        then, most = self.foreseen({client: {release: count}}, self._key), self.promised.get(client, {}).get(release, 0)
        if then.events(client)[release] > most:
            raise BenchError(
                f"Client {client} is about to make its release {then.events(client)[release]} of a kind of which the"
                f" account has promised {most}; it is not made. Settings must not change while a run goes on."
            )

    def gather(self) -> None:
        """Write all that is known of this run into its folder's journal, also what is known from other folders.

        Raises:
            RecordError: It cannot be written.
        """
        if self._journal is not None:
            for key, ledger in self._by_key(self._ledgers, own=True).items():
                self._journal.raise_to(Session(self._lineage.run, key), ledger)

    def exchange(self) -> None:
        """Enter what the other processes of the run have released; the first writes all of it.

        Raises:
            RecordError: It cannot be written.
            PeerLost: Another process has ended.
        """
        for state in peers().gather(self.state_dict()["sessions"]):
            for key, releases in state.items():
                self._ledgers.setdefault(key, PrivacyLedger()).raise_to(releases)
        if self._journal is not None and peers().first:
            self._journal.raise_to(Session(self._lineage.run, self._key), self._ledgers[self._key])

    def close(self) -> None:
        """End the run whole: the first process has everything that is in other journals, and removes them.

        Raises:
            RecordError: The journal cannot be written.
            PeerLost: Another process has ended.
        """
        if self._journal is None:
            return
        if peers().count > 1:
            peers().gather(None)
        if peers().first:
            self._journal.fold()

    def state_dict(self) -> dict[str, Any]:
        """Return the ledgers by key, for a checkpoint."""
        return {"sessions": {key: ledger.state_dict() for key, ledger in self._ledgers.items()}}

    @property
    def folder(self) -> str:
        """Where the journal is; empty where there is none."""
        return str(self._journal.path.parent.resolve()) if self._journal is not None else ""

    @property
    def ledger(self) -> PrivacyLedger:
        """The releases since the run's start, as far as its checkpoint and this process know."""
        return _total(self._ledgers)

    @property
    def spent(self) -> PrivacyLedger:
        """The releases so far, including those of rounds that were broken off."""
        return _total(self._by_key(self._ledgers, own=False))

    @property
    def own(self) -> PrivacyLedger:
        """As :attr:`spent`, of this run alone, whatever else was released from its folder."""
        return _total(self._by_key(self._ledgers, own=True))

    @property
    def key(self) -> str:
        """The key of the noise of what is released from now on; empty before it is known."""
        return self._key

    @property
    def last_key(self) -> str:
        """The key of the noise of the last releases that a checkpoint, or else the journal, knows of; or empty."""
        on_disk = [session.key for session in self._on_disk if session.run in ("", self._lineage.run)]
        return next(reversed([*on_disk, *self._ledgers]), "")

    def foreseen(self, more: Mapping[str, Mapping[Release, int]], key: str) -> PrivacyLedger:
        """Return what :attr:`own` will be when more has been released, by client, under a key of noise."""
        ledgers = dict(self._ledgers)
        ledgers[key] = PrivacyLedger()
        ledgers[key].add_all(self._ledgers.get(key, PrivacyLedger()))
        for client, events in more.items():
            for release, count in events.items():
                ledgers[key].add(client, release, count)
        return _total(self._by_key(ledgers, own=True))

    def _by_key(self, ledgers: Mapping[str, PrivacyLedger], own: bool) -> dict[str, PrivacyLedger]:
        highest: dict[str, PrivacyLedger] = {}
        for key, ledger in ledgers.items():
            highest.setdefault(key, PrivacyLedger()).raise_to(ledger.state_dict())
        for session, ledger in self._on_disk.items():
            ours = session.run in ("", self._lineage.run)
            if ours or (not own and (session.key in highest or self._all_of_folder)):
                highest.setdefault(session.key, PrivacyLedger()).raise_to(ledger.state_dict())
        return highest

    @property
    def reason(self) -> str | None:
        """Why these books prove nothing, or ``None``."""
        if self._lost:
            return (
                "the journal of the run that it continues was not found, so that nobody knows what was released after"
                " the checkpoint"
            )
        return self.inherited.reason

    def events(self) -> Mapping[str, Mapping[Release, int]]:
        """Return all releases that a unit of each client may have been in, those of earlier runs included."""
        return self.inherited.beside(self.spent)

    def epsilons(self, delta: float) -> dict[str, float]:
        """Return epsilon of every client that has released anything."""
        return {client: client_epsilon(events, delta) for client, events in self.events().items()}

    def accounted(self, delta: float, not_covered: tuple[str, ...] = ()) -> Accounted:
        """Return the largest epsilon of the clients, and the accountant that it comes from.

        ``not_covered`` is what else private data was used for.
        """
        if self.reason is not None:
            return Accounted(None, delta, self.reason)
        events = self.events()
        if not events:
            return Accounted(0.0, delta, not_covered=not_covered)
        epsilons = self.epsilons(delta)
        worst = max(epsilons, key=lambda client: epsilons[client])
        name = accountant(events[worst], delta)
        return Accounted(epsilons[worst], delta, accountant=name, not_covered=not_covered, by_client=epsilons)


def _total(ledgers: Mapping[str, PrivacyLedger]) -> PrivacyLedger:
    total = PrivacyLedger()
    for ledger in ledgers.values():
        total.add_all(ledger)
    return total
