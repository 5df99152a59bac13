"""Findings: what is wrong with a run's folder, by the name of the check that found it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

CheckName = Literal[
    "record",
    "configuration",
    "data",
    "partition",
    "lineage",
    "rounds",
    "cases",
    "scores",
    "ledger",
    "epsilon",
    "guarantee",
    "audit",
    "checkpoint",
    "cohorts",
    "copy",
    "scored again",
]

CHECKS: Mapping[CheckName, str] = MappingProxyType(
    {
        "record": "each part of run.json has the digest that it had when it was written",
        "configuration": "the configuration has its hash, and states task, method, seed, federation and privacy alike",
        "data": "kind and identity of the data are those that the configuration and the chain of rounds began with",
        "partition": "partition.csv is the file that was recorded, and has as many cases as run.json says",
        "lineage": "the runs that the weights came from are those that the model and the configuration speak of",
        "rounds": "rounds.csv has every round once, and each is the one that its link of the chain was made of",
        "cases": "cases.csv is the file that was recorded, and scores the cases of the partition",
        "scores": "every score is possible: shares in [0, 1], distances finite and in one unit, each score once",
        "ledger": "the ledger is in the journal, and has the releases that the planned rounds make",
        "epsilon": "epsilon is what the ledger amounts to, for each client",
        "guarantee": "nothing that the proof does not know has an epsilon",
        "audit": "what an audit found is possible",
        "checkpoint": "the checkpoint is of this run and of the same rounds",
        "cohorts": "scores of other hospitals' data are possible, the file that was written, and of the last round",
        "copy": "no other run has the same id, or the same rounds or scores under another seed",
        "scored again": "the checkpoint's scores on the data are those of cases.csv",
    }
)
"""What each check makes sure of."""


class Finding(NamedTuple):
    """Something that is wrong: which check found it, and what it is, as a clause."""

    check: CheckName
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.text}"
