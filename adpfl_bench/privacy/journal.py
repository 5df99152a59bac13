"""Journal of the ledger: its counts on disk, ahead of what is released."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.files import append_to_file, replace_file
from adpfl_bench.peers import peers
from adpfl_bench.privacy.ledger import PrivacyLedger

JOURNAL_NAME = "privacy_ledger.json"

_VERSION = 2
_LONG = 1 << 18
"""Bytes of lines that are appended before the file is written anew, as one document."""


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

    The first entry of a process replaces the file by one document; each one after it is a line that is appended, which
    has the clients whose counts it raises. That costs one sync in place of two and a rename. A last line that was cut
    short is of an entry that never returned, so that nothing was released for it. At the end it is one document again.

    Each of the processes that share a run writes its own releases into a file of its own, beside that of the first, and
    reads all of them. The first has everything in its file at the end of a round, and at the end of the run it is the
    only one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first = folder / JOURNAL_NAME
        rank = peers().rank
        self.path = folder / f"{self._first.stem}.{rank}{self._first.suffix}" if rank else self._first
        self._written: dict[Session, PrivacyLedger] = {}
        self._size = self._room = 0

    def raise_to(self, session: Session, ledger: PrivacyLedger) -> None:
        """Raise a session's counts in the file to those of a ledger.

        Raises:
            RecordError: It cannot be read or written; nothing may be released then.
        """
        try:
            if self._goes_on():
                self._append(session, ledger)
            else:
                found = _read(self.path)
                found.setdefault(session, PrivacyLedger()).raise_to(ledger.state_dict())
                self._replace(found)
        except OSError as error:
            raise self._unwritable(error) from error

    def _goes_on(self) -> bool:
        """Tell whether the file is as this object has left it, and a line may follow."""
        return self._room > 0 and self.path.exists() and self.path.stat().st_size == self._size

    def _append(self, session: Session, ledger: PrivacyLedger) -> None:
        written = self._written.setdefault(session, PrivacyLedger())
        higher = written.higher_in(ledger)
        if not higher.clients():
            return
        room, self._room = self._room, 0  # unless the line is whole, who writes next reads what is there
        line = _document({session: higher})
        append_to_file(self.path, line)
        written.raise_to(higher.state_dict())
        self._size, self._room = self._size + len(line), room - len(line)

    def _replace(self, sessions: dict[Session, PrivacyLedger]) -> None:
        content = _document(sessions)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, content)
        self._written, self._size, self._room = sessions, len(content), max(_LONG, len(content))

    def _unwritable(self, error: OSError) -> RecordError:
        return RecordError(
            f"{self.path} cannot be written ({error.strerror}), so nothing more is released: free space or make the"
            " folder writable, and continue with --ckpt_path last."
        )

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
        """Make one document of the first process's file, with what others have left, and remove theirs; for the first.

        Raises:
            RecordError: A file is no journal, or cannot be written.
        """
        for path in self._of_others():
            for session, ledger in _read(path).items():
                self.raise_to(session, ledger)
            path.unlink(missing_ok=True)
        found = _read(self.path)
        try:
            if found and self.path.read_bytes() != _document(found):
                self._replace(found)
        except OSError as error:
            raise self._unwritable(error) from error

    def _of_others(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self._first.stem}.*{self._first.suffix}"))


def _document(sessions: Mapping[Session, PrivacyLedger]) -> bytes:
    entries = [{"run": s.run, "key": s.key, "releases": own.state_dict()} for s, own in sessions.items()]
    return json.dumps({"version": _VERSION, "sessions": entries}).encode() + b"\n"


def _documents(path: Path) -> list[Any]:
    """The file's documents: one, or one a line.

    Raises:
        RecordError: It cannot be read.
    """
    try:
        content = path.read_text(encoding="utf-8")
        try:
            return [json.loads(content)]
        except json.JSONDecodeError:
            *lines, _ = content.split("\n")  # the rest was not whole when its writer ended
            if not lines:
                raise
            return [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> dict[Session, PrivacyLedger]:
    found: dict[Session, PrivacyLedger] = {}
    for document in _documents(path):
        try:
            sessions = _parse(document)
        except (ValueError, TypeError, AttributeError, KeyError, ConfigError) as error:
            raise _unreadable(path, error) from error
        for session, ledger in sessions.items():
            found.setdefault(session, PrivacyLedger()).raise_to(ledger.state_dict())
    return found


def _unreadable(path: Path, error: Exception) -> RecordError:
    return RecordError(
        f"{path} should hold the run's ledger of releases, but it cannot be read ({error}). Without it"
        " nobody knows what was released after the last checkpoint: restore the file, or start a new run."
    )


def _parse(content: Mapping[str, Any]) -> dict[Session, PrivacyLedger]:
    if content.get("version") != _VERSION:  # until then the file held the counts of one run, and no more
        content = {"sessions": [{"run": "", "key": "", "releases": content}]}
    sessions = {}
    for entry in content["sessions"]:
        ledger = PrivacyLedger()
        ledger.load_state_dict(entry["releases"])
        sessions[Session(str(entry["run"]), str(entry["key"]))] = ledger
    return sessions
