"""Method files of a command line: what they amount to together, and the method's name.

* A file with ``method`` and no block ``privacy`` is a *federation* file: how clients train, and what the server makes
  of it.
* A file with ``method`` and a ``privacy`` that states unit, threshold and mechanism is a *privacy* file. It takes the
  place of an earlier one, with the optimizers and the block for the task that the earlier one brought along.
* A file that states every block of a run (the ``config.yaml`` of one) takes the place of everything before it.
* Any other file is a variation: it overrides what is below it key by key, and with a ``method`` also the private name.

Files of the first two kinds can be combined in either order. Where nothing says whether there is privacy, the default
method is below all others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from adpfl_bench.config.yaml_text import dump_yaml, parse_yaml, read_text
from adpfl_bench.errors import ConfigError

DEFAULT_METHOD = "callbacks/adp_fl.yaml"

Kind = Literal["federation", "privacy", "run", "variation"]

_PLAIN = "fedavg"  # what a federation is without anything else, and so is left out of a combination's name
_RUN = {"task", "method", "trainer", "data", "model", "federated", "privacy"}
_PRIVATE = {"unit", "threshold", "mechanism"}
_WITHOUT_EFFECT = ("threshold", "mechanism", "noise_multiplier", "target_epsilon")
_OPTIMIZERS = ("client_optimizer", "server_optimizer")


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file of a command line.

    Attributes:
        name: As it is given to ``--config``.
        path: Where it was found.
        content: What it states for this command line.
        of_task: Whether that is its block for the command line's task.
    """

    name: str
    path: Path
    content: Mapping[str, Any]
    of_task: bool = False

    @property
    def argument(self) -> str:
        """Its word on the command line: its path, or a text where it states something else than it holds."""
        same = parse_yaml(read_text(self.path)) == self.content
        return str(self.path) if same else dump_yaml(dict(self.content))

    @property
    def kind(self) -> Kind:
        """Its part in a method."""
        if self.content.keys() >= _RUN:
            return "run"
        private = self.block("privacy").keys()
        if "method" not in self.content or (private and not private >= _PRIVATE):
            return "variation"
        return "privacy" if private else "federation"

    def block(self, name: str) -> Mapping[str, Any]:
        """Return a block of settings; a path in place of the block of privacy stands for all of it."""
        block = self.content.get(name) or {}
        if isinstance(block, Mapping):
            return block
        return dict.fromkeys(_PRIVATE, block) if name == "privacy" else {}

    @property
    def names_privacy(self) -> bool:
        """Whether the last part of the method's name is that of its privacy."""
        return bool(self.block("privacy")) and self.block("privacy").get("unit") != "none"


def method_name(files: Sequence[ConfigFile]) -> str:
    """Return the name of what the files make together: federation before privacy, joined by "+".

    A federation file of which nothing is left is not in it. The name that a single file states holds as it is.

    Args:
        files: The files in the command line's order, at least one of them with a ``method``.
    """
    runs = [index for index, file in enumerate(files) if file.kind == "run"]
    named = [file for file in files[max(runs, default=0) :] if "method" in file.content]
    if len(named) == 1:
        return str(named[0].content["method"])
    federation: dict[str, None] = {}
    privacy = ""
    for index, file in enumerate(named):
        lost = overridden_settings(file, named[index + 1 :])
        if lost and file.content.keys() == {"method", "federated"} and file.block("federated").keys() == lost.keys():
            continue
        parts = str(file.content["method"]).split("+")
        if file.names_privacy:
            privacy = parts.pop()
        federation |= dict.fromkeys(parts)
    return "+".join(name for name in (*federation, privacy) if name not in ("", _PLAIN)) or _PLAIN


def overridden_settings(file: ConfigFile, later: Sequence[ConfigFile]) -> dict[str, str]:
    """Return settings of a federation file that do not hold, since a later method file states the same ones.

    Args:
        file: The file; those of another kind lose nothing that is worth a word.
        later: The files after it.

    Returns:
        By setting, the last file that states it.
    """
    if file.kind != "federation":
        return {}
    methods = [other for other in later if "method" in other.content]
    stated = {key: str(other.path) for other in methods for key in other.block("federated")}
    return {key: stated[key] for key in file.block("federated") if key in stated}


def without_replaced_methods(files: Sequence[ConfigFile]) -> list[ConfigFile]:
    """Remove from each privacy file what a later one replaces."""
    last = max((index for index, file in enumerate(files) if file.kind == "privacy"), default=0)
    replaced = {file.path for file in files[:last] if file.kind == "privacy"}
    before = [file for file in files[:last] if not (file.of_task and file.path in replaced)]
    return [_without_method(file) if file.kind == "privacy" else file for file in before] + list(files[last:])


def _without_method(file: ConfigFile) -> ConfigFile:
    content = {key: value for key, value in file.content.items() if key not in ("method", "privacy")}
    if own := file.block("federated"):
        content["federated"] = {key: value for key, value in own.items() if key not in _OPTIMIZERS}
    return replace(file, content=content)


def check_unit_is_stated(files: Sequence[ConfigFile], options: Sequence[str]) -> None:
    """Refuse settings of privacy under which nothing would be private.

    Args:
        files: The files in the command line's order, the default method's first where it applies.
        options: The other words of the command line.

    Raises:
        ConfigError: A threshold, mechanism, noise or target is given, but nothing gives a unit.
    """
    stated = {str(key): str(file.path) for file in files for key in file.block("privacy")}
    given = [found[1] for option in options if (found := re.match(r"--privacy(?:\.(\w+)|\b)", option))]
    stated |= {key or "unit": "the command line" for key in given}  # --privacy FILE stands for all of it
    without_effect = [key for key in _WITHOUT_EFFECT if key in stated]
    if without_effect and "unit" not in stated:
        setting = without_effect[0]
        raise ConfigError(
            f"privacy.{setting} is given by {stated[setting]}, but privacy.unit by nothing, so that nothing would be"
            f" private: add a privacy method, such as --config {DEFAULT_METHOD}, or --privacy.unit."
        )
