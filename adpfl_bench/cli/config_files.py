"""Finding YAML files: the working directory's first, then those that come with the package."""

from __future__ import annotations

from pathlib import Path

from adpfl_bench.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("tasks", "callbacks", "configs")


def packaged_root() -> Path:
    """Folder with the suite's own ``tasks/``, ``callbacks/`` and ``configs/``."""
    installed = _PACKAGE / "yaml"
    return installed if installed.is_dir() else _PACKAGE.parent


def packaged_configs() -> list[str]:
    """Names of the YAML files that come with the package, as one gives them to ``--config``."""
    root = packaged_root()
    return sorted(str(path.relative_to(root)) for folder in _FOLDERS for path in (root / folder).glob("*.yaml"))


def find_config(name: str) -> Path:
    """Find a YAML file by the name given to ``--config``.

    Args:
        name: A path; relative ones are looked up in the working directory, then among the packaged files.

    Raises:
        ConfigError: It is in neither place.
    """
    if Path(name).is_file():
        return Path(name)
    packaged = packaged_root() / name
    if packaged.is_file():
        return packaged
    raise ConfigError(
        f"There is no configuration file {name}, neither in {Path.cwd()} nor with the package; it comes with"
        f" {', '.join(packaged_configs())}."
    )


def resolve_config_arguments(arguments: list[str]) -> list[str]:
    """Replace the file names after ``--config``, ``-c`` or ``--config=`` by the files found for them.

    Raises:
        ConfigError: A file is not found.
    """
    resolved: list[str] = []
    expects_file = False
    for argument in arguments:
        if expects_file:
            argument = str(find_config(argument))
        elif argument.startswith("--config="):
            argument = f"--config={find_config(argument.removeprefix('--config='))}"
        expects_file = argument in ("--config", "-c")
        resolved.append(argument)
    return resolved
