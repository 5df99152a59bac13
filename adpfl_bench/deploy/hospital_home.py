"""Home of a hospital: what it has on disk of its run, so that a worker that is killed goes on by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adpfl_bench.callbacks.asked_round import ANSWER
from adpfl_bench.callbacks.checkpointing import last_checkpoint
from adpfl_bench.deploy.messages import Answer, Arrays, Request, digest_of, unpack
from adpfl_bench.deploy.refusal import Refusal
from adpfl_bench.errors import CheckpointError
from adpfl_bench.files import replace_file

_TERMS = "terms.npz"


@dataclass(frozen=True)
class Reached:
    """How far a hospital is.

    Attributes:
        rounds: Rounds that are over for it, those included that were passed over.
        answer: Its answer to the last round that it was asked for; empty before there was one.
    """

    rounds: int = 0
    answer: bytes = b""

    def answers(self, digest: str) -> bool:
        """Whether the answer is to the request with this digest."""
        return bool(self.answer) and unpack(self.answer, Answer)[0].request == digest


class HospitalHome:
    """Files of a hospital's home beside those of a run's folder.

    ``terms.npz`` is the request by which it joined: the run, its hospitals and its first weights. All else is in the
    run's checkpoint, which is replaced at once.

    Args:
        folder: The home.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _TERMS
        self.checkpoint = last_checkpoint(folder)

    def terms(self) -> tuple[Request, Arrays] | None:
        """Return what the hospital has joined, if it has joined a run."""
        return unpack(self._file.read_bytes(), Request) if self._file.exists() else None

    def check_join(self, content: bytes) -> None:
        """Refuse terms beside others.

        Raises:
            Refusal: The home holds another run, or other terms of this one.
        """
        if (joined := self.terms()) is not None and digest_of(self._file.read_bytes()) != digest_of(content):
            run, asked = joined[0].run, unpack(content, Request)[0].run
            what = f"run {run[:8]}, not {asked[:8]}" if run != asked else "this run on other terms"
            raise Refusal(f"The hospital's home holds {what}: give it a home of its own for each run.")

    def join(self, content: bytes) -> None:
        """Keep the terms of a run; errors as of :meth:`check_join`."""
        self.check_join(content)
        replace_file(self._file, content)

    def need_terms(self, request: Request) -> tuple[Request, Arrays]:
        """Return the terms that a request is made under.

        Raises:
            Refusal: The hospital has joined no run, or another one, or one of other hospitals.
        """
        joined = self.terms()
        if joined is None:
            raise Refusal("The hospital has joined no run yet: a server asks for that (join) before anything else.")
        terms, _ = joined
        if terms.run != request.run:
            raise Refusal(
                f"The hospital has joined run {terms.run[:8]}, and was asked for run {request.run[:8]}: give it a home"
                " of its own for each run."
            )
        if terms.roster != request.roster:
            raise Refusal(
                "The server's list of hospitals has changed since this one joined the run; nothing is done under"
                " another."
            )
        return joined

    def reached(self) -> Reached:
        """Return how far the hospital is, by its last checkpoint.

        Raises:
            CheckpointError: The checkpoint cannot be read.
        """
        loop = self.federation()
        answer = loop[ANSWER].numpy().tobytes() if ANSWER in loop else b""
        return Reached(int(loop.get("rounds_completed", 0)), answer)

    def federation(self) -> dict[str, Any]:
        """Return what the last checkpoint holds of the federation; nothing before there is one.

        Raises:
            CheckpointError: The checkpoint cannot be read.
        """
        if not self.checkpoint.exists():
            return {}
        try:
            content = torch.load(self.checkpoint, map_location="cpu", weights_only=True, mmap=True)
            return dict(content["callbacks"]["FederatedLoop"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, OSError, EOFError) as error:
            raise CheckpointError(
                f"{self.checkpoint} cannot be read ({type(error).__name__}: {error}), so that nobody knows what this"
                " hospital has sent: restore it."
            ) from error
