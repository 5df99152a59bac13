"""Key of an account: it turns ids of units into hashes, and seals lines."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from adpfl_bench.errors import RecordError

_BYTES = 32
_READABLE = stat.S_IRWXG | stat.S_IRWXO


class AccountKey:
    """Secret of an account, in a file of its own that only its owner may read.

    Without it nobody can tell whether a hash stands for a person that they know, nor make a line that the account
    takes for its own.

    Args:
        secret: The key.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def write(cls, path: Path) -> AccountKey:
        """Draw a key and write it, readable by its owner only.

        Raises:
            OSError: It could not be written.
        """
        key = cls(secrets.token_bytes(_BYTES))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{key._secret.hex()}\n")
            file.flush()
            os.fsync(file.fileno())
        return key

    @classmethod
    def read(cls, path: Path) -> AccountKey:
        """Read a key.

        Raises:
            RecordError: It is missing, is none, or others may read it.
        """
        try:
            mode, text = path.stat().st_mode, path.read_text(encoding="ascii").strip()
            secret = bytes.fromhex(text)
        except (OSError, ValueError) as error:
            raise RecordError(
                f"{path} should hold the key of this account, {2 * _BYTES} hexadecimal digits, but it cannot be read"
                f" ({error}). Without it nobody knows which units the account is about: put it back from where it is"
                " kept safe."
            ) from error
        if len(secret) != _BYTES:
            raise RecordError(
                f"{path} should hold the key of this account, {2 * _BYTES} hexadecimal digits, but it has"
                f" {len(text)}: put it back from where it is kept safe."
            )
        if os.name == "posix" and mode & _READABLE:
            raise RecordError(
                f"{path} may be read by others than its owner (mode {stat.S_IMODE(mode):04o}), who could tell from the"
                f" account who is in it: chmod 600 {path}"
            )
        return cls(secret)

    @property
    def mark(self) -> str:
        """What the account's first line knows its key by, 32 hexadecimal digits."""
        return self._digest(b"mark", b"")[:32]

    def hashed(self, units: Iterable[str]) -> tuple[str, ...]:
        """Return what stands for units in the account, 32 hexadecimal digits each, each once and sorted."""
        return tuple(sorted({self._digest(b"unit", unit.encode(errors="surrogatepass"))[:32] for unit in units}))

    def seal(self, purpose: str, content: bytes) -> str:
        """Return the seal of some bytes, 64 hexadecimal digits."""
        return self._digest(f"seal {purpose}".encode(), content)

    def _digest(self, purpose: bytes, content: bytes) -> str:
        return hmac.new(self._secret, purpose + b"\0" + content, hashlib.sha256).hexdigest()
