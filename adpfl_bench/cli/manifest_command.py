"""The command ``adpfl-bench manifest``: digests of published files, to be signed."""

from pathlib import Path

from adpfl_bench.records.manifest import NAME, check_manifest, check_signature, read_manifest, write_manifest
from adpfl_bench.text import count


def manifest(folder: Path, check: bool = False, key: Path | None = None) -> int:
    """Write MANIFEST.sha256, the digests of all files of a folder that is published, or compare the folder with it.

    The file is as sha256sum writes it: `sha256sum -c MANIFEST.sha256` in the folder compares too. docs/records.md says
    how it is signed.

    Args:
        folder: The folder.
        check: Compare, and name what is changed, missing, or not in the manifest.
        key: Public key of minisign: compare, and make sure that its owner signed the manifest.

    Returns:
        The exit status: 1 where a file is not the one that was published.

    Raises:
        BenchError: A file cannot be read or written, or the signature is not of this key.
    """
    if not check and key is None:
        print(f"{folder / NAME}: {count(write_manifest(folder), 'file')}")
        return 0
    if key is not None:
        print(f"{folder / NAME} was signed by the owner of {key}: {check_signature(folder, key)}")
    problems = list(check_manifest(folder))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{folder}: {count(len(read_manifest(folder)), 'file')} as published")
    return int(bool(problems))
