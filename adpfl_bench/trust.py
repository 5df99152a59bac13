"""Modules whose classes a configuration may name: those of a list, and those that the command line trusts.

To import a module is to run it, and to make an object of a class may do anything. So a class path is looked up here
before anything is imported for it. Python code that names a class by its path is not asked: it is code itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from adpfl_bench.errors import ConfigError

NAMEABLE = (
    "adpfl_bench",
    "torch.optim",
    "monai.networks",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.cli.ReduceLROnPlateau",
)
"""Modules, and a class, that every configuration may name, with what is below them."""

_TRUSTED: ContextVar[tuple[str, ...] | None] = ContextVar("trusted", default=None)


def trusted_modules(names: Sequence[str]) -> tuple[str, ...]:
    """Return the modules that ``--trust`` names, sorted, each once.

    Raises:
        ConfigError: A name is no module's.
    """
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")) or name.partition(".")[0] == "jsonargparse":
            raise ConfigError(f"--trust takes the name of a module, such as clinic or clinic.data, but it has {name}.")
    return tuple(sorted(set(names)))


@contextmanager
def trusting(modules: Sequence[str]) -> Iterator[None]:
    """Let class paths name the modules of the list and these, with what is below them, and no others.

    Raises:
        ConfigError: A name is no module's.
    """
    token = _TRUSTED.set(trusted_modules(modules))
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def is_below(path: str, modules: Sequence[str]) -> bool:
    """Whether a dotted path is one of these, or below one."""
    return any(path == module or path.startswith(f"{module}.") for module in modules)


def check_class_path(path: str, where: str) -> None:
    """Refuse a class path that may not be named, where a command line says which may.

    Args:
        path: Dotted name of a class.
        where: Where it stands, as the subject of a sentence.

    Raises:
        ConfigError: As above; it says what to add.
    """
    trusted = _TRUSTED.get()
    if trusted is not None and not is_below(path, (*NAMEABLE, *trusted)):
        raise refusal(path, where)


def refusal(path: str, where: str) -> ConfigError:
    """Say that a class path may not be named, and what would allow it."""
    module = path.rpartition(".")[0] or path
    return ConfigError(
        f"{where} names {path}, whose code would run. A configuration may name classes of the suite, of torch.optim and"
        " its schedulers, MONAI's networks, and Lightning's callbacks and loggers; if you know this code too and want"
        f" it to run, add --trust {module}."
    )
