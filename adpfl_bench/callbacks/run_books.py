"""Books of a run: the key of its noise, the runs before it, and where the journal of its releases is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import nn

from adpfl_bench.callbacks.lookup import folders_of_checkpoint
from adpfl_bench.errors import BenchError
from adpfl_bench.peers import peers
from adpfl_bench.privacy.lineage import Ancestor, Lineage, inherit, read_lineage
from adpfl_bench.privacy.noise_key import noise_key, weights_digest
from adpfl_bench.privacy.privacy_engine import PrivacyEngine


class RunBooks:
    """What connects a run's books with the module that it trains and the checkpoint that it goes on from.

    Args:
        engine: Makes and counts the run's releases.

    Attributes:
        stated_key: Key of repeatable noise in place of that which follows from the run, for a client that knows only
            its own part of what that follows from; for tests.
    """

    def __init__(self, engine: PrivacyEngine) -> None:
        self.stated_key: str | None = None
        self._engine = engine
        self._lineage = Lineage()
        self._first_weights: str | None = None
        self._elsewhere: tuple[Path, ...] | None = None

    @property
    def run(self) -> str:
        """Id of the run."""
        return self._lineage.run

    def open(self, folder: Path, lineage: Lineage) -> None:
        """Begin a new run, or the continuation of one, that writes into a folder.

        Raises:
            RecordError: The folder's journal cannot be read.
        """
        lineage.prepare()  # first, since what an earlier fit spent is still in the books
        self._lineage, self._first_weights, self._elsewhere = lineage, None, None
        if self._engine.unit != "none":
            self._engine.books.open(folder, lineage, secret=self._engine.secure)

    def look_beside(self, trainer: Trainer, checkpoint: Mapping[str, Any]) -> None:
        """Note where the journal of a run may be that is resumed: beside its checkpoint, and where it was written."""
        stated = read_lineage(checkpoint)[-1].folder
        self._elsewhere = (*folders_of_checkpoint(trainer), *([Path(stated)] if stated else []))

    def begin(
        self,
        own: Ancestor,
        module: nn.Module,
        settings: Callable[[], Mapping[str, Any]],
        device: torch.device,
        reason: Callable[[], str | None],
    ) -> None:
        """Settle the key of the noise, and what earlier runs of the same data count, before the first step.

        Args:
            own: The run at hand, before it has released anything; it states its seed.
            module: What is trained, with the weights that it starts from.
            settings: Gathers what else changes what is released.
            device: Where noise is drawn.
            reason: Tells why nothing is proved of the run, at any time.

        Raises:
            BenchError: The processes that share the run differ in what its noise depends on.
        """
        lineage, books, mechanism = self._lineage, self._engine.books, self._engine.mechanism
        trust = mechanism.trust if mechanism is not None else "server"
        lineage.run = peers().gather(lineage.run)[0]
        lineage.train(
            lambda: replace(
                own,
                run=lineage.run,
                reason=reason(),
                releases=books.spent.state_dict(),
                folder=books.folder,
                trust=trust,
            )
        )
        if own.unit == "none":
            return
        books.inherited = inherit(lineage.before, own.cohort, own.division, own.unit, trust)
        if self._engine.secure:
            self._engine.start(peers().gather(f"secret {secrets.token_hex(16)}")[0])
            return
        assert own.seed is not None
        self._first_weights = self._first_weights or weights_digest(module)
        key = self.stated_key or noise_key(own.seed, self._first_weights, settings(), device)
        if len(set(peers().gather(key))) > 1:
            raise BenchError(
                "The processes of this run would draw other noise than one process, since they differ in settings, in"
                " first weights, in the kind of device or in the version of torch: start all of them alike."
            )
        self._engine.start(key)

    def state_dict(self) -> dict[str, Any]:
        """Return ledgers, the digest of the first weights and places in fixed orders, as plain values and tensors."""
        first = {"first_weights": self._first_weights} if self._first_weights else {}
        places = self._engine.sequences.state_dict()
        return {**first, **({"sequences": places} if places else {}), **self._engine.books.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore :meth:`state_dict`, and find the journal of the run that goes on.

        Raises:
            RecordError: A journal cannot be read.
        """
        self._first_weights = state.get("first_weights")
        if "ledger" in state:  # of versions that kept one, under a noise that is not made any more
            state = {"sessions": {"": state["ledger"]}}
        self._engine.books.restore(state)
        self._engine.sequences.load_state_dict(state.get("sequences", {}))
        if self._elsewhere is not None:
            self._engine.books.search(self._elsewhere)
