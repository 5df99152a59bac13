"""State of a deployment's server: the federation between rounds, and all that goes on from when it is killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import __version__ as lightning_version
from pydantic import Field

from adpfl_bench.callbacks.checkpointing import AtomicCheckpointIO, last_checkpoint
from adpfl_bench.data.rounds.round_shares import PlannedTurns, planned_turns
from adpfl_bench.deploy.messages import Facts, HelloFacts, StatedCounts
from adpfl_bench.deploy.server_command import ServerCommand
from adpfl_bench.errors import CheckpointError
from adpfl_bench.federation.client_update import Broadcast, ClientUpdate
from adpfl_bench.federation.federation import Federation
from adpfl_bench.privacy.lineage import Ancestor
from adpfl_bench.records.checkpoint_block import CheckpointBlock

_KEY = "deployed"


class Deployment(Facts):
    """What a server knows of its hospitals, deployment.json in the run's folder."""

    run: str
    """Id of the run."""
    hellos: dict[str, HelloFacts] = Field(default_factory=dict)
    """What each hospital brings; empty before all have said hello."""
    joined: bool = False
    """Whether all have joined."""
    missing: dict[str, dict[int, str]] = Field(default_factory=dict)
    """By hospital the rounds, counted from 1, that went on without it, and why."""

    @property
    def roster(self) -> dict[str, StatedCounts]:
        """What each hospital states in public."""
        return {name: hello.counts for name, hello in self.hellos.items()}


class ServerState:
    """The federation at the server, which holds the global model and nobody's data.

    It is what ``fit`` makes of deltas: the same aggregator, server optimizer and client method's own part, in the same
    exact sums.

    Args:
        command: The settled command line.
        deployment: The hospitals.

    Attributes:
        completed: Number of whole rounds.
        ledgers: What each hospital has released, as it has stated it last.
    """

    def __init__(self, command: ServerCommand, deployment: Deployment) -> None:
        self._command = command
        self._roster = deployment.roster
        self._run = deployment.run
        self.completed = 0
        self.ledgers: dict[str, list[list[Any]]] = {}
        self._reasons: list[str] = []
        self._checkpoint = last_checkpoint(command.run_directory)
        command.model.lineage.continue_run(deployment.run)
        saved = self._load()
        if saved is not None:
            command.model.load_state_dict(saved["state_dict"])
        self.federation = Federation(command.model, command.loop.settings)
        if saved is not None:
            loop = saved["callbacks"]["FederatedLoop"]
            self.federation.load_state_dict(loop["federation"])
            self.completed = loop["rounds_completed"]
            self.tell(saved[_KEY]["ledgers"], saved[_KEY]["reasons"])

    def _load(self) -> dict[str, Any] | None:
        if not self._checkpoint.exists():
            return None
        try:
            content: dict[str, Any] = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
            if content["callbacks"]["FederatedLoop"]["rounds_completed"] >= 1 and content[_KEY]["run"] == self._run:
                return content
        except (LookupError, TypeError, ValueError, RuntimeError, OSError, EOFError) as error:
            raise CheckpointError(
                f"{self._checkpoint} cannot be read ({type(error).__name__}: {error}); restore it, or start a new run"
                " in another folder, with new homes at the hospitals."
            ) from error
        raise CheckpointError(f"{self._checkpoint} is of another run than deployment.json beside it; restore it.")

    def turns(self, round_index: int) -> PlannedTurns:
        """Return the local steps of each participant's turns in a round."""
        data, schedule = self._command.data, self._command.loop.schedule
        return planned_turns(schedule, round_index, data.training, data.units_per_step)

    def broadcast(self) -> Broadcast:
        """Return what participants start the round at hand from."""
        return self.federation.broadcast()

    def finish_round(self, round_index: int, updates: Mapping[str, ClientUpdate]) -> dict[str, float]:
        """Make new global weights of what participants have sent, in whatever order.

        Args:
            round_index: The round, counted from 0.
            updates: What they have sent; who is not among them takes no part.

        Returns:
            The norm of each one's delta.

        Raises:
            BenchError: A sum has no room for one of them, or the aggregator needs more.
        """
        sizes = {name: own.examples for name, own in self._roster.items()}
        steps = {turn: count for turn, count in self.turns(round_index).items() if turn[0] in updates}
        self.federation.begin_round(sizes, steps, self._momentum(), False)
        norms = {name: self.federation.receive(name, update) for name, update in sorted(updates.items())}
        self.federation.end_round()
        self.completed = round_index + 1
        return norms

    def _momentum(self) -> float:
        task, settings = self._command.model, self._command.loop.settings
        make = settings.client_optimizer or task.optimizer
        (group, *_) = make(list(task.parameters())).param_groups
        return float(group.get("momentum", 0.0))

    def tell(self, ledgers: Mapping[str, Sequence[Sequence[Any]]], reasons: Sequence[str]) -> None:
        """Take over what hospitals state that they have released, and why nothing is proved of it where it is not."""
        self.ledgers |= {name: [list(entry) for entry in own] for name, own in ledgers.items()}
        privacy = self._command.privacy
        privacy.engine.books.restore({"sessions": {_KEY: self.ledgers}})
        self._reasons = list(dict.fromkeys([*self._reasons, *reasons]))
        for reason in self._reasons:
            privacy.guarantee.found = privacy.guarantee.found.withdrawn(reason)

    def save(self, block: CheckpointBlock, own: Ancestor) -> None:
        """Write the checkpoint of the last whole round, in the form of those of ``fit``.

        Args:
            block: The recorder's part.
            own: The run, as the weights' next runs have to know it.

        Raises:
            CheckpointError: It could not be written; the one before is whole.
        """
        command = self._command
        command.model.lineage.train(lambda: own)
        content: dict[str, Any] = {
            "epoch": self.completed,
            "global_step": self.completed,
            "pytorch-lightning_version": lightning_version,
            "state_dict": command.model.state_dict(),
            "callbacks": {
                "FederatedLoop": {
                    "rounds_completed": self.completed,
                    "federation": self.federation.state_dict(),
                },
                "DifferentialPrivacy": command.privacy.state_dict(),
                "RunRecorder": block.model_dump(),
            },
            _KEY: {"run": self._run, "ledgers": self.ledgers, "reasons": self._reasons},
        }
        command.model.on_save_checkpoint(content)
        AtomicCheckpointIO().save_checkpoint(content, Path(self._checkpoint))
