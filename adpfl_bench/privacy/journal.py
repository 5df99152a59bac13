"""Journal of the ledger: its counts on disk, ahead of what is released."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.files import replace_file
from adpfl_bench.peers import peers
from adpfl_bench.privacy.ledger import PrivacyLedger

JOURNAL_NAME = "privacy_ledger.json"

_VERSION = 2


@dataclass(frozen=True)
class Session:
    """Releases that were made under one key of noise.

    Attributes:
        run: Id of the run; empty in the journals of versions that knew none.
        key: Releases with the same key, repeated, are the same releases; see :mod:`adpfl_bench.privacy.noise_key`.
    """

    run: str
    key: str


class LedgerJournal:
    """File of a run's releases, which is written, and synced, before they are made.

    A checkpoint knows what had been released when it was taken. After a crash the journal also knows what was released
    since, so that nothing that is shown later falls below it. It is merged with what the file holds, session by
    session, and never loses any.

    Each of the processes that share a run writes its own releases into a file of its own, beside that of the first, and
    reads all of them. The first has everything in its file at the end of a round, and at the end of the run it is the
    only one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first = folder / JOURNAL_NAME
        rank = peers().rank
        self.path = folder / f"{self._first.stem}.{rank}{self._first.suffix}" if rank else self._first

    def raise_to(self, session: Session, ledger: PrivacyLedger) -> None:
        """Raise a session's counts in the file to those of a ledger.

        Raises:
            RecordError: It cannot be read or written; nothing may be released then.
        """
        found = _read(self.path)
        found.setdefault(session, PrivacyLedger()).raise_to(ledger.state_dict())
        sessions = [{"run": s.run, "key": s.key, "releases": own.state_dict()} for s, own in found.items()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.path, json.dumps({"version": _VERSION, "sessions": sessions}).encode())
        except OSError as error:
            raise RecordError(
                f"{self.path} cannot be written ({error.strerror}), so nothing more is released: free space or make the"
                " folder writable, and continue with --ckpt_path last."
            ) from error

    def read(self) -> dict[Session, PrivacyLedger]:
        """Return what the files of all processes hold; nothing where there is no file.

        Raises:
            RecordError: A file is no journal.
        """
        found = _read(self._first)
        for path in self._of_others():
            for session, ledger in _read(path).items():
                found.setdefault(session, PrivacyLedger()).raise_to(ledger.state_dict())
        return found

    def fold(self) -> None:
        """Take what other processes have left into the first one's file, and remove theirs; for the first process.

        Raises:
            RecordError: A file is no journal, or cannot be written.
        """
        for path in self._of_others():
            for session, ledger in _read(path).items():
                self.raise_to(session, ledger)
            path.unlink(missing_ok=True)

    def _of_others(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._first.stem}.*{self._first.suffix}"))


def _read(path: Path) -> dict[Session, PrivacyLedger]:
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError, ConfigError) as error:
        raise RecordError(
            f"{path} should hold the run's ledger of releases, but it cannot be read ({error}). Without it"
            " nobody knows what was released after the last checkpoint: restore the file, or start a new run."
        ) from error


def _parse(content: Mapping[str, Any]) -> dict[Session, PrivacyLedger]:
    if content.get("version") != _VERSION:  # until then the file held the counts of one run, and no more
        content = {"sessions": [{"run": "", "key": "", "releases": content}]}
    sessions = {}
    for entry in content["sessions"]:
        ledger = PrivacyLedger()
        ledger.load_state_dict(entry["releases"])
        sessions[Session(str(entry["run"]), str(entry["key"]))] = ledger
    return sessions
