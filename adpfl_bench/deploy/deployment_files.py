"""Files of a deployment: what a hospital says of itself, and what a server says of its run.

Both are YAML. Paths in them are relative to the file; names of ``config`` are first looked up there and then, as
``--config`` does, among the files that come with the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adpfl_bench.config.yaml_text import read_yaml
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.records.stated_text import Name

MissingPolicy = Literal["wait", "skip", "stop"]

_File = TypeVar("_File", bound="DeploymentFile")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class PrivacyFloor(_Part):
    """The least privacy that a hospital takes part under."""

    unit: Literal["record", "patient", "client"]
    """The smallest unit that must be protected: an example, all of a patient, or the whole hospital."""
    epsilon: Annotated[float, Field(gt=0)]
    """The accounted epsilon, of this hospital, that the whole run may come to."""
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The delta that it holds at; by default that of the run."""

    def admits(self, unit: PrivacyUnit) -> bool:
        """Whether a run of some unit protects at least what this asks for."""
        order = ("record", "patient", "client")
        return unit in order and order.index(unit) >= order.index(self.unit)


class MeansOver(_Part):
    """Scores leave as means over at least so many cases."""

    means_over: Annotated[int, Field(ge=1)]
    """The least number of cases."""


class DeploymentFile(_Part):
    """Base of the two files.

    Attributes:
        config: The ``--config`` files that all sides have agreed on: a task, a method, and what they changed of them.
        options: Options of the command line for this machine, such as ``--trainer.accelerator=gpu``.
    """

    config: tuple[str, ...]
    options: tuple[str, ...] = ()

    @classmethod
    def read(cls: type[_File], path: Path) -> _File:
        """Read a file.

        Raises:
            ConfigError: It cannot be read, or a key is missing, unknown or has a value that is none.
        """
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise ConfigError(f"{path} must hold settings by name, such as name: north.")
        try:
            return cls.model_validate(content).placed(path.resolve().parent)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "missing":
                raise ConfigError(f"{path} does not state {key}; {_meaning(cls, key)}.") from None
            if first["type"] == "extra_forbidden":
                raise ConfigError(f"{path} states {key}, which is none of {', '.join(cls.model_fields)}.") from None
            raise ConfigError(f"{path} states {key} = {first['input']!r}: {first['msg']}.") from None

    def placed(self: _File, folder: Path) -> _File:
        """Return the file with its paths as they are from anywhere."""
        config = tuple(str(folder / name) if (folder / name).is_file() else name for name in self.config)
        return self.model_copy(update={"config": config})


class HospitalFile(DeploymentFile):
    """What a hospital says of itself; nothing of it is ever taken from a message.

    A hospital that trains under no privacy at all says so: ``require: null``.
    """

    name: Name
    """Its name in the federation, which its chance follows from too."""
    home: Path
    """Folder of its own for all that it keeps: its run's records, its checkpoint, its ledger, its answers."""
    data: dict[str, Any]
    """Settings of its data, as ``data.init_args`` of a task has them; ``root`` is their folder."""
    account: Path | None = None
    """The account of its cohort; ``null`` where it has none."""
    require: PrivacyFloor | None
    """The least privacy that it takes part under; ``null`` takes part without any."""
    scores: Literal["none", "all"] | MeansOver
    """Which scores leave it: none, means over at least so many cases (``means_over: 10``), or all, case by case."""
    test_noise: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    """For tests alone: the key of repeatable noise, which a simulated run has in its ``privacy_ledger.json``. Whoever
    has the key can take the noise off."""

    def placed(self, folder: Path) -> HospitalFile:
        """Place home, data and account too."""
        placed = super().placed(folder)
        root = self.data.get("root")
        data = {**self.data, "root": str(folder / Path(root).expanduser())} if isinstance(root, str) else self.data
        own = {"home": folder / self.home.expanduser(), "data": data}
        account = {} if self.account is None else {"account": folder / self.account.expanduser()}
        return placed.model_copy(update={**own, **account})

    @property
    def own_settings(self) -> dict[str, Any]:
        """Its part of the run's configuration, as YAML has it."""
        data = {key: str(value) if isinstance(value, Path) else value for key, value in self.data.items()}
        return {"data": {"init_args": data}}

    @property
    def own_options(self) -> list[str]:
        """Its part of the command line, after all files."""
        account = [] if self.account is None else [f"--privacy.account={self.account}"]
        return [*self.options, "--trainer.devices=1", *account]

    @property
    def scores_text(self) -> str:
        """The policy of scores, in words."""
        if isinstance(self.scores, str):
            return self.scores
        return f"means over at least {self.scores.means_over} cases"


class ServerFile(DeploymentFile):
    """What a server says of its run."""

    hospitals: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of the hospitals."""
    folder: Path
    """The run's folder."""
    missing: MissingPolicy = "stop"
    """What happens where a participant of a round does not answer: ``wait`` asks again ``tries`` times and stops then,
    ``skip`` goes on without it where at least ``least`` have answered, ``stop`` stops."""
    least: Annotated[int, Field(ge=1)] = 1
    """Client updates that a round must have, under ``skip``."""
    tries: Annotated[int, Field(ge=1)] = 10
    """How often a hospital is asked in a round, under ``wait`` and ``skip``."""
    pause: Annotated[float, Field(ge=0)] = 30.0
    """Seconds between two tries."""
    scores_every: Annotated[int, Field(ge=0)] = 0
    """Rounds after which hospitals score their validation cases; 0 leaves that to the end."""

    def placed(self, folder: Path) -> ServerFile:
        """Place the run's folder too."""
        return super().placed(folder).model_copy(update={"folder": folder / self.folder.expanduser()})


def _meaning(kind: type[BaseModel], key: str) -> str:
    field = kind.model_fields.get(key)
    return " ".join((field.description if field is not None and field.description else "see its page").split()).rstrip(
        "."
    )
