"""Journal of the ledger: its counts on disk, ahead of what is released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adpfl_bench.errors import RecordError
from adpfl_bench.files import replace_file
from adpfl_bench.privacy.ledger import PrivacyLedger

JOURNAL_NAME = "privacy_ledger.json"


class LedgerJournal:
    """File of a ledger's counts, which is written, and synced, before the releases are made.

    A checkpoint knows what had been released when it was taken. After a crash the journal also knows what was released
    since, so that nothing that is shown later falls below it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME

    def write(self, ledger: PrivacyLedger) -> None:
        """Replace the file's counts.

        Raises:
            RecordError: It cannot be written; nothing may be released then.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.path, json.dumps(ledger.state_dict()).encode())
        except OSError as error:
            raise RecordError(
                f"{self.path} cannot be written ({error.strerror}), so nothing more is released: free space or make the"
                " folder writable, and continue with --ckpt_path last."
            ) from error

    def read(self) -> dict[str, Any]:
        """Return the counts in the file; none where there is no file.

        Raises:
            RecordError: The file is no journal.
        """
        if not self.path.exists():
            return {}
        try:
            state = json.loads(self.path.read_text())
            PrivacyLedger().load_state_dict(state)
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordError(
                f"{self.path} should hold the run's ledger of releases, but it cannot be read ({error}). Without it"
                " nobody knows what was released after the last checkpoint: restore the file, or start a new run."
            ) from error
        return dict(state)
