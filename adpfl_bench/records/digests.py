"""Digests of what a run leaves behind: SHA-256 of its configuration, of parts of its record, and of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PART = 2**20  # bytes


def json_sha256(value: Any) -> str:
    """Hash a value as JSON, in hexadecimal; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def config_sha256(config: Mapping[str, Any]) -> str:
    """Hash a resolved configuration, which gives the same as it is and as run.json brings it back."""
    return json_sha256(json.loads(json.dumps(config, default=str)))


def file_sha256(path: Path) -> str:
    """Hash a file, in hexadecimal, as ``sha256sum`` does.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while part := file.read(_PART):
            digest.update(part)
    return digest.hexdigest()
