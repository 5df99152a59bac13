"""The data block of a run record."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from adpfl_bench.records.block import Block


class ClientSizes(Block):
    """Numbers of a client's cases."""

    train: int
    validation: int
    test: int


class CanariesBlock(Block):
    """The canaries of an audit."""

    client: str
    """Whom they joined."""
    count: int
    included: int
    """How many of them are in."""
    records: int
    """Training examples of each."""


class DataBlock(Block):
    """The data that a run was trained and scored on."""

    datamodule: str | None = None
    """Name of the datamodule's class."""
    kind: Literal["phantom", "real"]
    fingerprint: str
    """SHA-256 of the files' relative paths and sizes, in hexadecimal."""
    cases: int | None = None
    clients: dict[str, ClientSizes] = Field(default_factory=dict)
    partition: str | None = None
    """How the cases were divided among clients, as Python would show it."""
    split_seed: int | None = None
    canaries: CanariesBlock | None = None
    """Those of an audit; null in every other run."""
    release: str | None = None
    """The publisher's release of a dataset of volumes."""
