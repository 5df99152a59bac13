"""Manifest of published files: their digests in the format of ``sha256sum``, which can be signed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.files import replace_file
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.text import is_text

NAME = "MANIFEST.sha256"
SIGNATURE = f"{NAME}.minisig"

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_SIGNATURES = (SIGNATURE, f"{NAME}.sigstore.json")


def write_manifest(folder: Path) -> int:
    """Write the manifest of a folder: a line for each file in or below it, apart from hidden ones and signatures.

    Returns:
        The number of files.

    Raises:
        RecordError: There is no such folder or no file in it, a file cannot be read, or its name fits no line.
    """
    names = _names(folder)
    if not names:
        raise RecordError(f"There is no file in {folder}, so there is nothing to state in a manifest.")
    for name in names:
        if set(name) & set("\n\r\\"):
            raise RecordError(
                f"{folder} has a file called {name!r}, which sha256sum would write in another way; rename it."
            )
        if not is_text(name):
            raise RecordError(f"{folder} has a file called {name!r}, which is no text in UTF-8; rename it.")
    try:
        lines = (f"{file_sha256(folder / name)}  {name}\n" for name in names)
        replace_file(folder / NAME, "".join(lines).encode())
    except OSError as error:
        raise RecordError(f"The manifest of {folder} cannot be written: {error}.") from error
    return len(names)


def check_manifest(folder: Path) -> Iterator[str]:
    """Compare a folder with its manifest, and name each file that is changed, missing, or not in it.

    Raises:
        RecordError: There is no manifest, or it cannot be read.
    """
    stated = read_manifest(folder)
    for name, digest in stated.items():
        path = folder / name
        try:
            if file_sha256(path) != digest:
                yield f"{path} is not the file that was published"
        except FileNotFoundError:
            yield f"{path} is missing"
        except OSError as error:
            yield f"{path} cannot be read: {error.strerror}"
    yield from (f"{folder / name} is not in {NAME}" for name in _names(folder) if name not in stated)


def read_manifest(folder: Path) -> dict[str, str]:
    """Read the digests of a folder's manifest, by path relative to it.

    Raises:
        RecordError: There is no manifest, or it cannot be read.
    """
    path = folder / NAME
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")  # a name may have other line ends
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read: {error}; adpfl-bench manifest {folder} writes one.") from error
    found = {}
    for number, line in enumerate(lines, 1):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise RecordError(f"{path}, line {number}: expected a SHA-256 and a path, as sha256sum writes them.")
        if Path(parts[2]).is_absolute() or ".." in Path(parts[2]).parts or "\0" in parts[2]:
            raise RecordError(f"{path}, line {number}: {parts[2]} lies outside the folder; take it out.")
        found[parts[2]] = parts[1]
    return found


def check_signature(folder: Path, key: Path) -> str:
    """Check that the manifest was signed by the owner of a key of minisign.

    Args:
        folder: The folder, with the signature beside the manifest.
        key: The public key's file.

    Returns:
        What the signature says of itself: its trusted comment.

    Raises:
        ConfigError: The package py-minisign is not installed.
        RecordError: There is no signature, it cannot be read, or it is not of this manifest by this key.
    """
    try:
        import minisign  # deferred: an extra
    except ImportError:
        raise ConfigError(
            "Signatures are checked by the package py-minisign: pip install 'adpfl-bench[sign]', or use minisign."
        ) from None
    try:
        signature = minisign.Signature.from_file(folder / SIGNATURE)
        minisign.PublicKey.from_file(key).verify((folder / NAME).read_bytes(), signature)
    except (OSError, minisign.Error) as error:
        raise RecordError(
            f"{folder / SIGNATURE} is no signature of {folder / NAME} by the key {key}: {error}."
        ) from error
    return str(signature.trusted_comment)


def _names(folder: Path) -> list[str]:
    """Paths of the files that a manifest states, relative to the folder, sorted as bytes."""
    if not folder.is_dir():
        raise RecordError(f"{folder} is no folder; give the one that is published.")
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name).relative_to(folder).as_posix() for name in files if not name.startswith(".")]
    return sorted((name for name in found if name not in (NAME, *_SIGNATURES)), key=os.fsencode)
