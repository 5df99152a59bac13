"""Command line of a hospital's worker: the fit of one client, whose server is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.config.yaml_text import dump_yaml
from adpfl_bench.data.case import Case
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.partitioning.partition import Partition
from adpfl_bench.deploy.deployment_files import HospitalFile
from adpfl_bench.deploy.messages import ScoredSplit
from adpfl_bench.files import replace_file
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.running.training import BenchCLI, run
from adpfl_bench.trust import trusting

OWN_NAME = "own.yaml"
"""File in a hospital's home that holds its own part of the configuration."""


@dataclass(frozen=True)
class OneHospital(Partition):
    """All patients are one client's: the hospital's own.

    Attributes:
        name: Its name.
    """

    name: str

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Give all cases to the hospital."""
        return {self.name: sorted(cases, key=lambda case: case.case_id)}


class HospitalCommand(BenchCLI):
    """The command line of fit at a hospital, which trains when it is asked to.

    What it makes is made anew for each request (:meth:`renew`), as by a process that was started for it and goes on
    from the checkpoint of the hospital's home; only the data stay, which take longest to read.
    """

    def start(self) -> None:
        """Train nothing yet."""

    def read_data(self, name: str) -> None:
        """Read the hospital's data, as one client of this name.

        Raises:
            BenchError: They are not what the task expects.
        """
        data: FederatedDataModule = self.datamodule
        data.partition = OneHospital(name)
        data.scheme = getattr(self.model, "scheme", None)
        data.setup("fit")

    def renew(self) -> None:
        """Make everything but the data anew."""
        data = self.datamodule
        with trusting(self.line.trusted):
            self.instantiate_classes()
        self.datamodule = data
        untyped: Any = self.trainer
        untyped.datamodule = data

    def fit(self, checkpoint: Path | None) -> None:
        """Train, going on from a checkpoint, or from the network as it is."""
        self.trainer.fit(self.model, datamodule=self.datamodule, ckpt_path=checkpoint)

    def score(self, split: ScoredSplit, state: Mapping[str, Any]) -> list[CaseScore]:
        """Score a split's cases by what the server has sent, and by the models that the hospital keeps.

        Args:
            split: The split.
            state: What the checkpoint holds of the federation; nothing before the first round.
        """
        loop: FederatedLoop = self.config_init["federated"]
        loop.load_state_dict(dict(state))
        loop.load_model(self.model, None)
        score = self.trainer.validate if split == "validation" else self.trainer.test
        score(self.model, datamodule=self.datamodule, verbose=False)
        scores: list[CaseScore] = self.model.scores
        return scores


def hospital_command(file: HospitalFile, hold: ExitStack) -> HospitalCommand:
    """Parse the configuration of a hospital, and take the lock of its home.

    Args:
        file: The hospital's file.
        hold: Keeps the lock.

    Raises:
        BenchError: The configuration is wrong, another process works in the home, or what is there belongs to another
            configuration.
    """
    home = file.home
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(home / OWN_NAME, dump_yaml(file.own_settings).encode())
    words = [word for name in (*file.config, str(home / OWN_NAME)) for word in ("--config", name)]
    words += [*file.own_options, f"--trainer.default_root_dir={home}", "--ckpt_path=last"]
    made = run(["fit", *words], lambda command, rest, _: HospitalCommand(command, rest, hold))
    assert isinstance(made, HospitalCommand)
    return made
