"""Privacy books: what a run has released so far, on disk and in memory, and what it amounts to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adpfl_bench.privacy.accounting import Accounted, accountant, client_epsilon
from adpfl_bench.privacy.journal import LedgerJournal
from adpfl_bench.privacy.ledger import PrivacyLedger, Release


class PrivacyBooks:
    """A ledger that is written to disk before a release is made, and read again after a crash.

    A resumed run repeats the releases after its checkpoint. With seeded noise they are the same numbers again and
    reveal nothing new: what is shown is the larger of the ledger and what the disk says, until the ledger has caught
    up. With noise from the operating system they are new releases, and both count.

    Attributes:
        ledger: What is in the checkpoint, and what has been released since.
    """

    def __init__(self) -> None:
        self.ledger = PrivacyLedger()
        self._journal: LedgerJournal | None = None
        self._journaled: dict[str, Any] = {}
        self._fresh_noise = False

    def open(self, folder: Path, fresh_noise: bool) -> None:
        """Write into a run's folder from now on.

        Args:
            folder: The run's folder.
            fresh_noise: Whether releases that are repeated have other noise than before. Then all that has ever been
                released from this folder counts, also that of a run that is started anew.

        Raises:
            RecordError: The folder's journal cannot be read.
        """
        self.ledger = PrivacyLedger()
        self._journal, self._journaled, self._fresh_noise = LedgerJournal(folder), {}, fresh_noise
        if fresh_noise:
            self.ledger.raise_to(self._journal.read())

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's ledger, with what the disk knows beyond it.

        Raises:
            RecordError: The folder's journal cannot be read.
        """
        if self._journal is None or not self._fresh_noise:
            self.ledger = PrivacyLedger()
        self.ledger.raise_to(state)
        self._journaled = self._journal.read() if self._journal is not None else {}

    def enter(self, client: str, release: Release, count: int) -> None:
        """Enter releases that are about to be made.

        Raises:
            RecordError: They cannot be written to disk, and so must not be made.
        """
        self.ledger.add(client, release, count)
        if self._journal is not None:
            self._journal.write(self.spent)

    @property
    def spent(self) -> PrivacyLedger:
        """The releases so far, including those of a broken-off round after the last checkpoint."""
        spent = PrivacyLedger()
        spent.load_state_dict(self.ledger.state_dict())
        spent.raise_to(self._journaled)
        return spent

    def epsilons(self, delta: float) -> dict[str, float]:
        """Return epsilon of every client that has released anything."""
        spent = self.spent
        return {client: client_epsilon(spent.events(client), delta) for client in spent.clients()}

    def accounted(self, delta: float, not_covered: tuple[str, ...] = ()) -> Accounted:
        """Return the largest epsilon of the clients, and the accountant that it comes from.

        ``not_covered`` is what else private data was used for.
        """
        epsilons = self.epsilons(delta)
        if not epsilons:
            return Accounted(0.0, delta, not_covered=not_covered)
        worst = max(epsilons, key=lambda client: epsilons[client])
        name = accountant(self.spent.events(worst), delta)
        return Accounted(epsilons[worst], delta, accountant=name, not_covered=not_covered, by_client=epsilons)
