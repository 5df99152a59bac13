"""The door between a deployment and what carries its messages: bytes in, bytes out.

Three things are on this side of the door, and know nothing of any transport:

* A **hospital's worker** (:mod:`~adpfl_bench.deploy.hospital`, ``adpfl-bench deploy serve HOSPITAL.yaml``) lives as
  long as the run. It has the hospital's data, noise, thresholds, ledger and account, and answers one request after
  the other at a socket in its home, which only its owner can open (:func:`~adpfl_bench.deploy.local_socket.ask`).
* The **coordinator** of a run (:func:`~adpfl_bench.deploy.coordinator.serve_rounds`), at the server, has no data. It
  makes requests, and is handed an :class:`Exchange` that brings them to the hospitals and their answers back.
* A **message** (:mod:`~adpfl_bench.deploy.messages`) is bytes that hold JSON and arrays, and never code.

A transport forwards bytes and looks at none of them. It may lose requests and answers, bring them twice, late and in
any order: whoever is asked again answers with the same bytes, and an answer to another question is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Missing:
    """A hospital from which no answer came.

    Attributes:
        reason: Why, as far as the transport knows: a clause such as ``its node is not connected``.
    """

    reason: str


class Exchange(Protocol):
    """What carries requests to hospitals and their answers back, such as the grid of a federation engine."""

    def __call__(self, requests: Mapping[str, bytes]) -> Mapping[str, bytes | Missing]:
        """Ask some hospitals, each with its own request, at the same time.

        It returns when all have answered, or when it has waited as long as it is willing to; nothing may wait for ever.
        Whoever is missing is asked again by the coordinator, with the same bytes, if its policy says so.

        Args:
            requests: Request by the hospital's name, which the transport knows a node by.

        Returns:
            By the same names what each one answered, or why it did not. A name that is left out counts as missing.
        """
        ...
