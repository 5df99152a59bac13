"""The files that a deployment starts from: a folder for the server, and one for each hospital."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import MappingProxyType

from adpfl_bench.config.config_files import find_config
from adpfl_bench.deploy.superlink_address import check_address
from adpfl_bench.errors import ConfigError
from adpfl_bench.files import atomic_folder
from adpfl_bench.text import folder_name_problem

AGREEMENT_FILE = "agreement.json"
"""File beside server.yaml and hospital.yaml that states what all sides have agreed to."""

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_AGREED = "agreed"


@dataclass(frozen=True)
class StartingFiles:
    """What a deployment starts from.

    Args:
        hospitals: Names of the hospitals.
        config: The ``--config`` files that all sides agree on, in their order.
        superlink: Address of the server's SuperLink, as host:port.
    """

    hospitals: Sequence[str]
    config: Sequence[str]
    superlink: str

    def check(self, folder: Path) -> None:
        """Refuse what cannot be written; errors as of :meth:`write`."""
        check_address(self.superlink)
        if folder.exists():
            raise ConfigError(f"{folder} exists already, and nothing is overwritten; give a new folder.")
        self._copies()

    def write(self, folder: Path, agreement: str) -> list[Path]:
        """Write the server's folder ``server``, and one for each hospital under its name.

        Args:
            folder: Where; it must not exist.
            agreement: What stands in each folder's agreement.json, by which a hospital knows that its files are the
                server's.

        Returns:
            The folders.

        Raises:
            ConfigError: The SuperLink has no address, the folder exists, a hospital's name is no folder's or given
                twice, or a file is not found.
        """
        self.check(folder)
        copies = self._copies()
        config = _list([f"{_AGREED}/{name}" for name in copies])
        with atomic_folder(folder) as made:
            for place in ("server", *self.hospitals):
                (made / place / _AGREED).mkdir(parents=True)
                for name, content in copies.items():
                    (made / place / _AGREED / name).write_bytes(content)
                (made / place / AGREEMENT_FILE).write_text(agreement, encoding="utf-8")
            for hospital in self.hospitals:
                values = {"name": _text(hospital), "config": config}
                _write(made / hospital / "hospital.yaml", "hospital.yaml", values)
            self._write_server(made / "server", folder.resolve() / "server", config)
        return [folder / place for place in ("server", *self.hospitals)]

    def _write_server(self, made: Path, folder: Path, config: str) -> None:
        _write(made / "server.yaml", "server.yaml", {"hospitals": _list(self.hospitals), "config": config})
        for module in ("__init__", "client_app", "server_app"):
            _write(made / "app" / "adpfl_app" / f"{module}.py", f"app_{module}.txt")
        _write(made / "app" / "LICENSE", "app_license.txt")
        _write(made / "app" / "pyproject.toml", "app_pyproject.toml", {"server": _text(folder / "server.yaml")})
        found = {"superlink": _text(self.superlink), "certificate": _text(folder / "ca.crt")}
        _write(made / "flwr" / "config.toml", "flwr_config.toml", found)

    def _copies(self) -> dict[str, bytes]:
        """Return the agreed files by names that tell them apart, in their order."""
        for hospital in self.hospitals:
            problem = folder_name_problem(hospital) or (
                "has a space at an end" if hospital.strip() != hospital else None
            )
            if problem or hospital == "server":
                raise ConfigError(
                    f"A hospital is called {hospital!r}, which {problem or 'is the folder of the server'}."
                )
        if len(set(self.hospitals)) < len(self.hospitals):
            raise ConfigError(f"Hospitals are told apart by their names, but they are {', '.join(self.hospitals)}.")
        paths = [find_config(name) for name in self.config]
        return {f"{index}_{path.name}": path.read_bytes() for index, path in enumerate(paths, 1)}


def _text(value: str | Path) -> str:
    """Return text as YAML and TOML have it."""
    return json.dumps(str(value), ensure_ascii=False)


def _list(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def _write(path: Path, template: str, values: Mapping[str, str] = MappingProxyType({})) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
    path.write_text(text, encoding="utf-8")
