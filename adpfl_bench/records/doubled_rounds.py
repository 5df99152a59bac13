"""Lines of rounds that stand twice, since two processes once wrote into one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.records.chain import ChainBlock


def keep_once(lines: Mapping[int, bytes], chain: ChainBlock | None, path: Path) -> tuple[dict[int, bytes], list[int]]:
    """Keep one line of those for the same round, client and name.

    Which one is kept does not matter where they are equal, as those of two processes with one configuration are;
    otherwise it is the one whose round the chain has hashed.

    Args:
        lines: Each round's lines of rounds.csv.
        chain: The chain of the run's rounds, as the checkpoint has it.
        path: rounds.csv.

    Returns:
        Each round's lines, and the rounds that had some more than once.

    Raises:
        RecordError: Two lines say different things, and nothing tells which is true.
    """
    kept, doubled = dict(lines), []
    for number, content in lines.items():
        copies = _copies(content)
        if len(copies) < 2:
            continue
        doubled.append(number)
        proven = [copy for copy in copies if _is_hashed(number, copy, chain)]
        if not proven and any(set(copy.splitlines()) - set(copies[0].splitlines()) for copy in copies):
            raise RecordError(
                f"{path} says two different things of round {number}, since two processes wrote there at once, and"
                " nothing tells which is true: take one out, or start the run anew with --record.overwrite true."
            )
        kept[number] = (proven or copies)[0]
    return kept, doubled


def _copies(content: bytes) -> list[bytes]:
    """Part a round's lines into those that stand for the first time, for the second time, and so on."""
    seen: Counter[bytes] = Counter()
    copies: list[list[bytes]] = []
    for line in content.splitlines(keepends=True):
        key = line.rpartition(b",")[0]
        if seen[key] == len(copies):
            copies.append([])
        copies[seen[key]].append(line)
        seen[key] += 1
    return [b"".join(copy) for copy in copies]


def _is_hashed(number: int, lines: bytes, chain: ChainBlock | None) -> bool:
    return chain is not None and number in {link.round for link in chain.links} and not chain.broken({number: lines})
