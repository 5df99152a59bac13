"""Digests of a dataset's files: a Merkle tree over their contents, its root, and what differs between two of them."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from adpfl_bench.text import csv_cell, plain_cell

ALGORITHM = "sha256-tree-1"
"""Name of the tree, which a record states beside its root; to be counted up when the tree changes."""

_SHA256 = re.compile("[0-9a-f]{64}")

# What stands before the bytes of a node, so that no node of one kind can be taken for one of another.
_FILE, _CASE, _ROOT = b"\0", b"\1", b"\2"


class FileDigest(NamedTuple):
    """One file of one case: a leaf of the tree, and a line of data.csv.

    Attributes:
        case: Id of the case.
        file: Path relative to the dataset's folder, with slashes.
        size: Size in bytes.
        sha256: SHA-256 of the content, in hexadecimal.
    """

    case: str
    file: str
    size: int
    sha256: str


def contents_root(files: Iterable[FileDigest]) -> str:
    r"""Return the root of the Merkle tree over files, which depends on no order.

    With H = SHA-256 and :math:`\langle x \rangle` the length of the text x in 8 bytes, and x:

    * a file is :math:`H(0, \langle path \rangle, H(content))`,
    * a case :math:`H(1, \langle id \rangle, files)`, its files' digests in the order of their bytes,
    * the root :math:`H(2, \langle \texttt{sha256-tree-1} \rangle, cases)`, in the order of the cases' ids.

    Returns:
        64 hexadecimal digits; empty without files, which say nothing.
    """
    cases = _case_nodes(files)
    if not cases:
        return ""
    ordered = (cases[case] for case in sorted(cases, key=_encoded))
    return hashlib.sha256(_ROOT + _framed(ALGORITHM) + b"".join(ordered)).hexdigest()


def case_digests(files: Iterable[FileDigest]) -> dict[str, str]:
    """Return the digest of each case: the nodes below the root, by which a part of a dataset can be compared."""
    return {case: node.hex() for case, node in _case_nodes(files).items()}


def contents_difference(before: Iterable[FileDigest], now: Iterable[FileDigest]) -> str:
    """Say which files differ, as a clause that names the first of them; empty where none does.

    The first is one whose content changed, before one that is missing, before one that was added.
    """
    old, new = _by_file(before), _by_file(now)
    kinds = {
        "has another content": [key for key in old.keys() & new.keys() if old[key].sha256 != new[key].sha256],
        "is missing": list(old.keys() - new.keys()),
        "was added": list(new.keys() - old.keys()),
    }
    number = sum(len(keys) for keys in kinds.values())
    for what, keys in kinds.items():
        if keys:
            case, file = min(keys, key=lambda key: (_encoded(key[1]), _encoded(key[0])))
            more = f", as one of {number:,} files that differ" if number > 1 else ""
            return f"{file} of the case {case} {what}{more}"
    return ""


def digests_table(files: Iterable[FileDigest]) -> bytes:
    """Return files as lines of CSV; every text is quoted, since a file's name may hold anything."""
    text = io.StringIO()
    lines = [FileDigest._fields, *(map(csv_cell, file) for file in files)]
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(lines)
    return _encoded(text.getvalue())


def read_digests(table: bytes) -> list[FileDigest]:
    """Read what :func:`digests_table` made.

    Raises:
        ValueError: It is something else.
    """
    try:
        header, *lines = csv.reader(io.StringIO(table.decode("utf-8", "surrogateescape"), newline=""), strict=True)
        if tuple(header) != FileDigest._fields:
            raise ValueError(f"its header is {','.join(header)[:80]}, and should be {','.join(FileDigest._fields)}")
        rows = [FileDigest(plain_cell(case), plain_cell(file), int(size), sha256) for case, file, size, sha256 in lines]
    except csv.Error as error:
        raise ValueError(f"it is not CSV: {error}") from error
    for row in rows:
        if not _SHA256.fullmatch(row.sha256):
            raise ValueError(f"{row.file} of the case {row.case} has {row.sha256[:80]!r}, which is no SHA-256")
    return rows


def _by_file(files: Iterable[FileDigest]) -> Mapping[tuple[str, str], FileDigest]:
    return {(row.case, row.file): row for row in files}


def _case_nodes(files: Iterable[FileDigest]) -> dict[str, bytes]:
    leaves: dict[str, set[bytes]] = {}
    for row in files:
        leaf = hashlib.sha256(_FILE + _framed(row.file) + bytes.fromhex(row.sha256)).digest()
        leaves.setdefault(row.case, set()).add(leaf)
    return {
        case: hashlib.sha256(_CASE + _framed(case) + b"".join(sorted(own))).digest() for case, own in leaves.items()
    }


def _framed(text: str) -> bytes:
    encoded = _encoded(text)
    return len(encoded).to_bytes(8, "big") + encoded


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # a file's name may be any bytes
