"""What method the configuration files of a command line amount to, and what it is called.

* A file with ``method`` and no block ``privacy`` is a *federation* file: how clients train, and what the server makes
  of it.
* A file with ``method`` and a ``privacy`` that states unit, threshold and mechanism is a *privacy* file. It takes the
  place of an earlier one, with the optimizers that the earlier one brought along.
* A file that states every block of a run (the ``config.yaml`` of one) takes the place of everything before it.
* Any other file is a variation: it overrides what is below it key by key, and with a ``method`` also the private name.

Files of the first two kinds can be combined in either order. Where nothing says whether there is privacy, the default
method holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from adpfl_bench.errors import ConfigError

DEFAULT_METHOD = "callbacks/adp_fl.yaml"

Kind = Literal["federation", "privacy", "run", "variation"]

_PLAIN = "fedavg"  # what a federation is without anything else, and so is left out of a combination's name
_RUN = {"task", "method", "trainer", "data", "model", "federated", "privacy"}
_MAKE_PRIVATE = ("unit", "threshold", "mechanism")
_WITHOUT_EFFECT = ("threshold", "mechanism", "noise_multiplier", "target_epsilon")
_OPTIMIZERS = ("client_optimizer", "server_optimizer")


def method_kind(content: Mapping[str, Any]) -> Kind:
    """Which kind a configuration file is.

    Args:
        content: What the file states, with the command line's task merged in.
    """
    if "method" not in content:
        return "variation"
    if content.keys() >= _RUN:
        return "run"
    privacy = content.get("privacy")
    if privacy is None:
        return "federation"
    # A path in place of the block stands for all of it.
    whole = not isinstance(privacy, Mapping) or all(key in privacy for key in _MAKE_PRIVATE)
    return "privacy" if whole else "variation"


def default_applies(files: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the default method is below the files: no file of theirs says whether there is privacy.

    Args:
        files: What each file states, in the command line's order.
    """
    return all(method_kind(content) == "variation" for content in files)


def combined_name(files: Sequence[Mapping[str, Any]]) -> str | None:
    """Name of what the files make together: federation before privacy, joined by "+".

    A federation file of which nothing is left is not in it.

    Args:
        files: What each file states, in the command line's order, without replaced methods.

    Returns:
        The name, or ``None`` where the last name that a file states holds as it is.
    """
    named = [index for index, content in enumerate(files) if "method" in content]
    runs = [index for index in named if method_kind(files[index]) == "run"]
    named = [index for index in named if not runs or index >= runs[-1]]
    if len(named) < 2:
        return None
    federation: list[str] = []
    privacy = ""
    gone = {index for index, lost in overridden_settings(files).items() if _changes_nothing(files[index], lost)}
    for index in sorted(set(named) - gone):
        parts = str(files[index]["method"]).split("+")
        if _names_privacy(files[index]):
            *parts, privacy = parts
        federation += [part for part in parts if part not in federation]
    names = [name for name in (*federation, privacy) if name not in ("", _PLAIN)]
    return "+".join(names) or _PLAIN


def overridden_settings(files: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, int]]:
    """Settings of federation files that do not hold, since a later method file states the same ones.

    Args:
        files: What each file states, in the command line's order, without replaced methods.

    Returns:
        By the position of each such file: its settings, with the position of the last file that states them.
    """
    found: dict[int, dict[str, int]] = {}
    for index, content in enumerate(files):
        if method_kind(content) == "federation":
            later = {
                key: position
                for position, other in enumerate(files)
                if position > index and "method" in other
                for key in _federated(other)
            }
            if lost := {key: later[key] for key in _federated(content) if key in later}:
                found[index] = lost
    return found


def _changes_nothing(content: Mapping[str, Any], lost: Mapping[str, int]) -> bool:
    return content.keys() == {"method", "federated"} and _federated(content).keys() == lost.keys()


def without_replaced_methods(files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Take out of each privacy file what a later one takes the place of.

    Args:
        files: What each file states, in the command line's order.

    Returns:
        As many, in the same order.
    """
    kinds = [method_kind(content) for content in files]
    kept: list[Mapping[str, Any]] = []
    for index, content in enumerate(files):
        if kinds[index] == "privacy" and "privacy" in kinds[index + 1 :]:
            content = {key: value for key, value in content.items() if key not in ("method", "privacy")}
            if own := _federated(content):
                content["federated"] = {key: value for key, value in own.items() if key not in _OPTIMIZERS}
        kept.append(content)
    return kept


def check_unit_is_stated(files: Sequence[tuple[str, Mapping[str, Any]]], words: Sequence[str]) -> None:
    """Refuse settings of privacy under which nothing would be private.

    Args:
        files: Each file's name and what it states, in the command line's order.
        words: The command line.

    Raises:
        ConfigError: A threshold, mechanism, noise or target is given, but nothing, the default included, gives a unit.
    """
    if default_applies([content for _, content in files]):
        return
    stated: dict[str, str] = {}
    for name, content in files:
        privacy = content.get("privacy") or {}
        if not isinstance(privacy, Mapping):
            return
        stated |= {str(key): name for key in privacy}
    for option in (word.partition("=")[0] for word in words):
        if option == "--privacy":
            return
        if option.startswith("--privacy."):
            stated[option.split(".")[1]] = "the command line"
    without_effect = [key for key in _WITHOUT_EFFECT if key in stated]
    if without_effect and "unit" not in stated:
        setting = without_effect[0]
        raise ConfigError(
            f"privacy.{setting} is given by {stated[setting]}, but privacy.unit by nothing, so that nothing would be"
            f" private: add a privacy method, such as --config {DEFAULT_METHOD}, or --privacy.unit."
        )


def _federated(content: Mapping[str, Any]) -> Mapping[str, Any]:
    federated = content.get("federated")
    return federated if isinstance(federated, Mapping) else {}


def _names_privacy(content: Mapping[str, Any]) -> bool:
    privacy = content.get("privacy")
    if method_kind(content) == "run" and isinstance(privacy, Mapping):
        return bool(privacy.get("unit", "none") != "none")
    return privacy is not None
