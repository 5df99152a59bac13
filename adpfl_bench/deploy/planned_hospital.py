"""A hospital's part in a run before it takes part: what it has agreed to, its data, and what the run would spend."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adpfl_bench
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.config.yaml_text import dump_yaml
from adpfl_bench.data.datamodule import PHANTOM_ROOT, FederatedDataModule
from adpfl_bench.deploy.agreement import Agreement
from adpfl_bench.deploy.deployment_files import HospitalFile
from adpfl_bench.deploy.hospital_command import OneHospital
from adpfl_bench.deploy.hospital_terms import check_noise
from adpfl_bench.deploy.refusal import Refusal
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.forecast import ClientRound, Forecast
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.report.account_report import planned_text
from adpfl_bench.running.planned_run import PlannedRun
from adpfl_bench.running.training import run


def agreed(config: Sequence[str]) -> str:
    """Return what stands in an agreement's file: the digest of settings, and the version that they are read by.

    Args:
        config: The ``--config`` files that all sides agree on.

    Raises:
        BenchError: The configuration is wrong.
    """
    agreement = Agreement.of(_planned(config, {"data": {"init_args": {"root": PHANTOM_ROOT}}}).config_dump)
    stated = {"configuration": agreement.digest, "adpfl_bench": adpfl_bench.__version__}
    return json.dumps(stated, indent=2) + "\n"


def _planned(config: Sequence[str], own: Mapping[str, Any], *options: str) -> PlannedRun:
    """Parse a configuration with a machine's own settings, and start nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "own.yaml"
        path.write_text(dump_yaml(dict(own)), encoding="utf-8")
        words = [word for name in (*config, str(path)) for word in ("--config", name)]
        made = _parsed(["fit", *words, *options, f"--trainer.default_root_dir={scratch}/run"])
    return made


def _parsed(words: Sequence[str]) -> PlannedRun:
    try:
        made = run(words, PlannedRun)
    except ConfigError as error:
        if "FederatedDataModule" not in str(error):
            raise
        raise ConfigError("A deployment needs a task: add --config tasks/....yaml before the method.") from None
    assert isinstance(made, PlannedRun)
    return made


@dataclass(frozen=True)
class PlannedHospital:
    """A hospital before it takes part in a run.

    Attributes:
        file: What it says of itself.
        command: The run's command line, on the hospital's data as one client.
        schedule: The run's rounds.
        privacy: The run's privacy.
    """

    file: HospitalFile
    command: PlannedRun
    schedule: RoundSchedule
    privacy: DifferentialPrivacy

    @classmethod
    def of(cls, file: HospitalFile) -> PlannedHospital:
        """Set a hospital's part up.

        Raises:
            BenchError: Its configuration is wrong, or its data are not what the task expects.
        """
        command = _planned(file.config, file.own_settings, *file.own_options)
        command.datamodule.partition = OneHospital(file.name)
        loop, privacy = command.prepare(None)
        return cls(file, command, loop.schedule, privacy)

    @property
    def data(self) -> FederatedDataModule:
        """The hospital's data."""
        data: FederatedDataModule = self.command.datamodule
        return data

    @property
    def agreement(self) -> Agreement:
        """What the hospital has agreed to."""
        return Agreement.of(self.command.config_dump)

    def differences(self, stated: Path) -> list[str]:
        """Compare with what the server has agreed to.

        Args:
            stated: The agreement's file.

        Returns:
            A sentence for each difference.

        Raises:
            ConfigError: The file is none.
        """
        try:
            server = json.loads(stated.read_text(encoding="utf-8"))
            version, configuration = server["adpfl_bench"], server["configuration"]
        except OSError as error:
            raise ConfigError(
                f"{stated} cannot be read ({error.strerror}): adpfl-bench deploy init writes it, for every side."
            ) from None
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{stated} is not what adpfl-bench deploy init has written; get it again.") from None
        found = []
        if version != adpfl_bench.__version__:
            found.append(
                f"The server has adpfl-bench {version}, and this hospital {adpfl_bench.__version__}: install the same."
            )
        if configuration != self.agreement.digest:
            found.append(
                f"The server's configuration ({str(configuration)[:8]}) is not this hospital's"
                f" ({self.agreement.digest[:8]}): the files in agreed/, or settings in hospital.yaml, are others."
            )
        return found

    def last_round(self, delta: float | None = None) -> ClientRound | None:
        """Forecast what the hospital has spent after the last round, if it takes part in all; None without a proof.

        Where noise is solved for an epsilon, it is solved for this hospital alone.

        Args:
            delta: The delta that epsilon is taken at; by default that of the run.
        """
        method = self.privacy
        if method.accounted.reason is not None:
            return None
        assert method.mechanism is not None
        assert method.threshold is not None
        assert method.noise_multiplier is not None
        units, per_step = self.data.unit_sizes, self.data.units_per_step
        plan = ReleasePlan(method.unit, method.sampling, per_step, method.mechanism)
        z = method.noise_multiplier
        return Forecast(plan, self.schedule, units, z, delta or method.delta, method.threshold).rows()[-1]

    def account_text(self) -> tuple[str, bool]:
        """Say what the run would spend of the hospital's account, and whether it has room for it."""
        method = self.privacy
        looked = method.reservation.look(method.run_books.run)
        return planned_text(*looked), looked[1].fits

    def objections(self) -> list[str]:
        """Return why the hospital would refuse the run, a sentence each."""
        found = []
        try:
            check_noise(self.privacy, self.file)
        except Refusal as refusal:
            found.append(str(refusal))
        floor = self.file.require
        if floor is None:
            return found
        delta = floor.delta or self.privacy.delta
        last = self.last_round(delta)
        if last is None:
            found.append(
                f"Hospital {self.file.name} requires epsilon of at most {floor.epsilon:g}, but nothing is proved of"
                f" this run: {self.privacy.accounted.reason}."
            )
        elif last.epsilon > floor.epsilon:
            found.append(
                f"Hospital {self.file.name} requires epsilon of at most {floor.epsilon:g}, but the run would come to"
                f" {last.epsilon:.4g} at delta {delta:g}."
            )
        return found
