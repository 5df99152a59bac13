"""Command line of a deployment's server: the fit of a federation of which no client is here."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from lightning.pytorch import Trainer

from adpfl_bench.callbacks.asked_round import AskedRound
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.datamodule import PHANTOM_ROOT, FederatedDataModule
from adpfl_bench.data.rounds.training_plan import ClientCounts
from adpfl_bench.deploy.deployment_files import ServerFile
from adpfl_bench.deploy.messages import StatedCounts
from adpfl_bench.running.bare_cli import BareCLI
from adpfl_bench.running.training import run

_SERVER = "the server"
_ELSEWHERE = "at the hospitals"


class ServerCommand(BareCLI):
    """The command line of fit at a server, which has no data and trains nobody."""

    @property
    def loop(self) -> FederatedLoop:
        """The federation's settings and schedule."""
        loop: FederatedLoop = self.config_init["federated"]
        return loop

    @property
    def privacy(self) -> DifferentialPrivacy:
        """What hospitals make private, and how."""
        privacy: DifferentialPrivacy = self.config_init["privacy"]
        return privacy

    @property
    def data(self) -> FederatedDataModule:
        """Knows the hospitals by what they have stated, and no case."""
        data: FederatedDataModule = self.datamodule
        return data

    def before_instantiate_classes(self) -> None:
        """Let the configuration state that the data are elsewhere, and not the root that stands in for them here."""
        super().before_instantiate_classes()
        self.config_dump["data"]["init_args"]["root"] = _ELSEWHERE

    def settle(self, roster: dict[str, StatedCounts]) -> None:
        """Check and settle what a fit does at its start, with hospitals as its clients.

        Raises:
            BenchError: What the fit would refuse.
        """
        elsewhere = {name: ClientCounts(own.examples, own.units) for name, own in roster.items()}
        self.loop.asked = AskedRound(_SERVER, elsewhere, lambda update: b"")
        trainer: Trainer = self.trainer
        untyped: Any = trainer
        untyped.datamodule = self.data
        self.loop.setup(trainer, self.model, "fit")


def server_command(file: ServerFile) -> ServerCommand:
    """Parse the configuration of a server.

    Raises:
        BenchError: It is wrong.
    """
    words = [word for name in file.config for word in ("--config", name)]
    words += [f"--data.root={PHANTOM_ROOT}", *file.options, f"--trainer.default_root_dir={file.folder}"]

    def make(command: str, rest: Any, hold: ExitStack) -> ServerCommand:
        return ServerCommand(command, rest, hold)

    made = run(["fit", *words], make)
    assert isinstance(made, ServerCommand)
    return made
