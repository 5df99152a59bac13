"""Chain of a run's rounds: each link hashes the link before it, so that no round can be changed by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from adpfl_bench.records.block import Block
from adpfl_bench.records.digests import json_sha256


class ChainLink(Block):
    """What a round left behind, hashed together with all that was before it."""

    round: int
    """The round, counted from 1."""
    releases: int
    """Number of releases of all clients until then."""
    ledger: str
    """SHA-256 of the ledger after the round."""
    weights: str
    """SHA-256 of the global weights after the round."""
    link: str
    """SHA-256 of the link before it, of the round's lines of rounds.csv, and of what stands here."""


class ChainBlock(Block):
    """The chain of a run's rounds; the checkpoint of a round has it too."""

    origin: str
    """SHA-256 of seed, data and partition, which the first link begins with."""
    links: tuple[ChainLink, ...] = ()
    """A link for each round; the first is not that of round 1 where a version that knew no chain made the rounds before
    it."""

    @property
    def head(self) -> str:
        """The last link: equal ones tell of equal rounds, bit for bit."""
        return self.links[-1].link if self.links else self.origin

    def extended(self, number: int, lines: bytes, ledger: Mapping[str, Any], weights: str) -> ChainBlock:
        """Return the chain with one more round.

        Args:
            number: The round, counted from 1.
            lines: Its lines of rounds.csv.
            ledger: The ledger after it, as :meth:`~adpfl_bench.privacy.ledger.PrivacyLedger.state_dict`.
            weights: SHA-256 of the global weights after it.
        """
        link = ChainLink(
            round=number, releases=count_releases(ledger), ledger=ledger_sha256(ledger), weights=weights, link=""
        )
        link.link = _link(self.head, link, lines)
        return self.model_copy(update={"links": (*self.links, link)})

    def until(self, completed: int) -> ChainBlock:
        """Return the chain without the rounds after ``completed``."""
        return self.model_copy(update={"links": tuple(link for link in self.links if link.round <= completed)})

    def parts_from(self, other: ChainBlock) -> int | None:
        """Find the first round that two chains tell otherwise, 0 for what they begin with; ``None`` if one goes on."""
        if self.origin != other.origin:
            return 0
        theirs = {link.round: link.link for link in other.links}
        return next((link.round for link in self.links if theirs.get(link.round, link.link) != link.link), None)

    def broken(self, lines: Mapping[int, bytes]) -> list[int]:
        """Find the rounds whose link is not that of their lines of rounds.csv; rounds without lines are passed over."""
        before = [self.origin, *(link.link for link in self.links)]
        return [
            link.round
            for previous, link in zip(before, self.links, strict=False)
            if link.round in lines and _link(previous, link, lines[link.round]) != link.link
        ]


def run_origin(seed: int, kind: str, fingerprint: str, partition: str) -> str:
    """Return what a chain begins with: equal ones tell of the same seed on the same division of the same data.

    Args:
        seed: Seed of the run.
        kind: Kind of the data.
        fingerprint: Fingerprint of the data.
        partition: SHA-256 of partition.csv.
    """
    return json_sha256([seed, kind, fingerprint, partition])


def ledger_sha256(ledger: Mapping[str, Any]) -> str:
    """Hash a ledger; the order of clients and releases does not matter."""
    return json_sha256({client: sorted(map(list, events), key=str) for client, events in ledger.items()})


def count_releases(ledger: Mapping[str, Sequence[Sequence[Any]]]) -> int:
    """Count the releases of all clients."""
    return sum(event[-1] for events in ledger.values() for event in events)


def _link(before: str, link: ChainLink, lines: bytes) -> str:
    rows = hashlib.sha256(lines).hexdigest()
    return json_sha256([before, link.round, rows, link.releases, link.ledger, link.weights])
