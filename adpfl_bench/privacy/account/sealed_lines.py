"""Sealed lines: a file that is only appended to, and in which no line can be changed, removed or put elsewhere."""

from __future__ import annotations

import hmac
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.errors import RecordError
from adpfl_bench.files import append_to_file, replace_file
from adpfl_bench.privacy.account.account_key import AccountKey

_DIGITS = 64
_ATTEMPTS, _PAUSE_S = 100, 0.02


class AccountDamaged(RecordError):
    """An account's files are not as the account has written them.

    Args:
        part: What is wrong: ``key``, ``head``, ``line``, ``end`` where lines are missing at the end, or a file that is.
        sentence: The sentence.
    """

    def __init__(self, part: str, sentence: str) -> None:
        super().__init__(sentence)
        self.part = part


@dataclass(frozen=True)
class SealedContent:
    """What a file of sealed lines holds.

    Attributes:
        entries: What its lines state, the first line first.
        seals: The seal of each line.
        size: Bytes of the whole lines; what is behind them is of one that was never finished.
        pending: Whether the last line is not in the head yet, as its writer was killed.
    """

    entries: tuple[dict[str, Any], ...]
    seals: tuple[str, ...]
    size: int
    pending: bool

    @property
    def last(self) -> str:
        """The last seal, which all lines went into."""
        return self.seals[-1] if self.seals else ""


class SealedLines:
    """File of lines ``SEAL<tab>JSON``, and a head that says how many there are.

    A seal is an HMAC of the seal before it and of the line's own bytes. The head has the number of lines and the last
    seal under a seal of its own, and is replaced after each line, so that lines that are missing at the end are noticed
    too. A writer that was killed between the two leaves one line more than the head knows, and one that was killed
    within a line leaves a line without an end, which counts as never written. What cannot be noticed is that file and
    head were both replaced by earlier copies of themselves; a seal that somebody else has kept tells.

    Args:
        lines: The file.
        head: Its head.
        key: The account's key.
    """

    def __init__(self, lines: Path, head: Path, key: AccountKey) -> None:
        self.lines, self.head, self._key = lines, head, key

    def begin(self, entry: dict[str, Any]) -> None:
        """Write the first line.

        Raises:
            OSError: It could not be written.
        """
        self._append(SealedContent((), (), 0, False), entry)

    def read(self) -> SealedContent:
        """Read and check all lines; others may append meanwhile.

        Raises:
            AccountDamaged: A file is missing or is not as it was written.
        """
        for attempt in range(_ATTEMPTS):
            before = _bytes(self.head)
            content = _bytes(self.lines)
            if _bytes(self.head) == before:
                return self._checked(content, before)
            time.sleep(_PAUSE_S * min(attempt, 5))
        raise RecordError(f"{self.lines} is written to all the time, so that it cannot be read; try again.")

    @staticmethod
    def stated(line: bytes) -> dict[str, Any]:
        """Read what a line states, whoever has written it.

        Raises:
            ValueError: It is none.
        """
        entry: dict[str, Any] = json.loads(line.partition(b"\t")[2])
        return entry

    def append(self, entry: dict[str, Any]) -> SealedContent:
        """Append a line, and mend what a killed writer has left; nobody else may write meanwhile.

        Returns:
            What the file then holds.

        Raises:
            AccountDamaged: As :meth:`read`.
            RecordError: The line could not be written; without a head, it counts all the same.
        """
        content = self.read()
        try:
            if content.pending:
                self._write_head(content)
            if self.lines.stat().st_size > content.size:
                os.truncate(self.lines, content.size)
            return self._append(content, entry)
        except OSError as error:
            raise RecordError(
                f"{self.lines} cannot be written ({error.strerror}), so nothing more is released under this account:"
                " make room, or make the folder writable, and try again."
            ) from error

    def _append(self, content: SealedContent, entry: dict[str, Any]) -> SealedContent:
        text = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()
        seal = self._seal(content.last, text)
        line = b"%s\t%s\n" % (seal.encode(), text)
        append_to_file(self.lines, line)
        whole = SealedContent((*content.entries, entry), (*content.seals, seal), content.size + len(line), False)
        self._write_head(whole)
        return whole

    def _write_head(self, content: SealedContent) -> None:
        text = f"{len(content.seals)} {content.last}"
        replace_file(self.head, f"{text} {self._key.seal('head', text.encode())}\n".encode())

    def _seal(self, before: str, text: bytes) -> str:
        return self._key.seal("line", before.encode() + b"\t" + text)

    def _checked(self, content: bytes, head: bytes) -> SealedContent:
        known, last = self._read_head(head)
        whole, _, _ = content.rpartition(b"\n")
        size = len(whole) + 1 if whole else 0
        lines = whole.split(b"\n") if whole else []
        if len(lines) < known:
            raise AccountDamaged(
                "end",
                f"{self.lines} has {len(lines)} whole lines, but {self.head.name} knows of {known}: lines were removed"
                " at the end. Restore the file from where it is kept safe.",
            )
        entries, seals = self._entries(lines)
        if known and seals[known - 1] != last:
            raise AccountDamaged(
                "head",
                f"{self.head} is not the head of {self.lines.name}: its seal is not that of line {known}. Restore both"
                " as they were.",
            )
        if len(lines) > known + 1:
            raise AccountDamaged(
                "head",
                f"{self.lines} has {len(lines)} lines, but {self.head.name} knows of {known} only: the head is an"
                " earlier one. Restore both as they were.",
            )
        return SealedContent(tuple(entries), tuple(seals), size, len(lines) > known)

    def _entries(self, lines: Sequence[bytes]) -> tuple[list[dict[str, Any]], list[str]]:
        entries: list[dict[str, Any]] = []
        seals: list[str] = []
        for number, line in enumerate(lines, 1):
            seal, _, text = line.partition(b"\t")
            right = self._seal(seals[-1] if seals else "", text)
            if len(seal) != _DIGITS or not hmac.compare_digest(seal, right.encode()):
                raise AccountDamaged(
                    "line",
                    f"Line {number} of {self.lines} is not as this account has written it: it, or the one before it,"
                    " was changed, removed or put elsewhere. Restore the file from where it is kept safe.",
                )
            entries.append(json.loads(text))
            seals.append(right)
        return entries, seals

    def _read_head(self, content: bytes) -> tuple[int, str]:
        try:
            number, last, seal = content.decode("ascii").split()
            known = int(number)
        except ValueError as error:
            raise AccountDamaged(
                "head",
                f"{self.head} should have the number of lines and two seals, but has something else. Restore it from"
                " where it is kept safe.",
            ) from error
        if not hmac.compare_digest(seal, self._key.seal("head", f"{number} {last}".encode())):
            raise AccountDamaged("head", f"{self.head} is not as this account has written it. Restore it.")
        return known, last


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AccountDamaged(
            path.name,
            f"{path} is a part of this account, but it cannot be read ({error.strerror}). Restore it from where it is"
            " kept safe.",
        ) from error
