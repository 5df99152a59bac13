"""The commands ``adpfl-bench list`` and ``adpfl-bench show``: what there is, and what one of it is."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from docstring_parser import parse as parse_docstring

import adpfl_bench
from adpfl_bench.cli.offers import KINDS, Offer, OfferKind, plain_text, yaml_comment
from adpfl_bench.config.config_files import WordParser, find_config, read_config
from adpfl_bench.errors import ConfigError
from adpfl_bench.tasks.starting_models import NOT_INSTALLED, PREFIX, starting_models
from adpfl_bench.text import listed

_LIST_HELP = """usage: adpfl-bench list [KIND ...]

Lists what there is, with a sentence on each. Without a kind it lists the kinds.

kinds:
{kinds}

adpfl-bench show NAME says more of one of them."""

_SHOW_HELP = """usage: adpfl-bench show NAME

Says what something is and what can be set, with ranges and papers: a YAML file (of the package or your own), or
anything that `adpfl-bench list` lists, such as

  adpfl-bench show callbacks/adp_fl_quantile.yaml
  adpfl-bench show QuantileThreshold
  adpfl-bench show isic"""

_ARXIV = re.compile(r"arXiv[: ](\d{4}\.\d{4,5})")
_WIDEST = 120


def list_offers(words: Sequence[str]) -> int:
    """Print what there is of some kinds.

    Args:
        words: The command line after the program's name.

    Raises:
        ConfigError: There is no such kind.
    """
    _, *words = words
    width = _width()
    if any(word in ("-h", "--help") for word in words):
        print(_LIST_HELP.format(kinds="\n".join(_lines(_kinds(), width))))
        return 0
    parser = WordParser()
    parser.add_argument("kinds", nargs="*")
    asked = parser.parse_args(words).kinds
    if unknown := [kind for kind in asked if kind not in KINDS]:
        raise ConfigError(f"There is no kind {listed(unknown[:1])} of things to list; there are {', '.join(KINDS)}.")
    if not asked:
        print("\n".join(["adpfl-bench list KIND lists what there is of", "", *_lines(_kinds(), width)]))
    for kind in dict.fromkeys(asked):
        found = KINDS[kind].found()
        lines = _lines(found, width) if found else textwrap.wrap(KINDS[kind].absent, width)
        print("\n".join([f"{kind}: {KINDS[kind].text}", "", *lines, ""]))
    return 0


def show(words: Sequence[str]) -> int:
    """Print what something is and what can be set.

    Args:
        words: The command line after the program's name.

    Raises:
        ConfigError: There is nothing of that name.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_SHOW_HELP)
        return 0
    parser = WordParser()
    parser.add_argument("name")
    name = parser.parse_args(words).name
    print("\n".join(_described(name, _width())).rstrip())
    return 0


def _kinds() -> list[Offer]:
    return [Offer(name, kind.text) for name, kind in KINDS.items()]


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)


def _lines(offers: Sequence[Offer], width: int) -> list[str]:
    column = min(max((len(offer.name) for offer in offers), default=0) + 4, width // 2)
    found = []
    for offer in offers:
        text = textwrap.wrap(offer.text, max(width - column, 20)) or [""]
        head = f"  {offer.name}"
        first = [f"{head:<{column}}{text[0]}"] if len(head) < column - 1 else [head, " " * column + text[0]]
        found += [*first, *(" " * column + line for line in text[1:])]
    return [line.rstrip() for line in found]


def _described(name: str, width: int) -> Iterator[str]:
    if name.endswith((".yaml", ".yml")):
        yield from _file(name, width)
        return
    models = starting_models()
    if name in models:
        yield from models[name].card.read_text(encoding="utf-8").splitlines()
        return
    if name.startswith(f"{PREFIX}/") and not models:
        raise ConfigError(f"{listed([name])} is one of the models to start from. {NOT_INSTALLED}")
    everything = [(kind, offer) for kind, offers in KINDS.items() for offer in offers.found()]
    matches = [(kind, offer) for kind, offer in everything if name in _names(offer)]
    if not matches:
        known = {word for _, offer in everything for word in _names(offer)} - {"yaml"}
        near = get_close_matches(name, sorted(known), n=1)
        advice = f"did you mean {near[0]}?" if near else "adpfl-bench list lists what there is."
        raise ConfigError(f"There is nothing called {listed([name])}; {advice}")
    for kind, offer in matches:
        if offer.name.endswith(".yaml"):
            yield from _file(offer.name, width)
        else:
            yield from _thing(kind, offer, width)
        yield ""


def _names(offer: Offer) -> tuple[str, ...]:
    """The words by which an offer is asked for: its name, or the last part of it where that is no other thing's."""
    if offer.name.startswith(f"{PREFIX}/"):
        return (offer.name,)
    last = offer.name.rpartition("/")[2]
    return offer.name, last.removesuffix(".yaml"), last.rpartition(".")[2]


def _file(name: str, width: int) -> Iterator[str]:
    path = find_config(name)
    content = read_config(name).content
    yield str(path)
    yield ""
    comment = yaml_comment(path)
    yield comment
    for number in dict.fromkeys(_ARXIV.findall(comment)):
        yield f"https://arxiv.org/abs/{number}"
    yield ""
    yield "It states:"
    yield ""
    yield from (f"  {line}" for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    for class_path in dict.fromkeys(_class_paths(content)):
        yield ""
        yield from _class(class_path, _public(class_path), width)


def _class_paths(value: Any) -> Iterator[str]:
    """Class paths of the suite in a file's settings."""
    if isinstance(value, str) and value.startswith("adpfl_bench.") and _public(value) is not None:
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from _class_paths(part)


def _public(class_path: str) -> Any:
    name = class_path.removeprefix("adpfl_bench.")
    return getattr(adpfl_bench, name) if name in adpfl_bench.__all__ else None


def _thing(kind: str, offer: Offer, width: int) -> Iterator[str]:
    found: OfferKind = KINDS[kind]
    if (value := _public(offer.name)) is not None:
        yield from _class(offer.name, value, width)
    else:
        yield f"{offer.name} ({kind})"
        yield ""
        yield from textwrap.wrap(offer.text, width)
    yield ""
    yield f"Where it is used: {found.text}"


def _class(name: str, value: type[Any], width: int) -> Iterator[str]:
    """What a class is, and its arguments with defaults, as its docstrings and signatures say."""
    doc = parse_docstring(inspect.getdoc(value) or "")
    yield name
    yield ""
    for text in (doc.short_description, doc.long_description):
        for paragraph in (text or "").split("\n\n"):
            yield from textwrap.wrap(plain_text(paragraph), width, initial_indent="  ", subsequent_indent="  ")
    for number in dict.fromkeys(_ARXIV.findall(inspect.getdoc(value) or "")):
        yield f"  https://arxiv.org/abs/{number}"
    if settings := _settings(value):
        yield ""
        yield from _lines(settings, width)


def _settings(value: type[Any]) -> list[Offer]:
    """The arguments of a class, those that it hands on to the classes that it is made of too."""
    parameters: dict[str, inspect.Parameter] = {}
    texts: dict[str, str] = {}
    handed_on = True
    for owner in inspect.getmro(value):
        if not owner.__module__.startswith("adpfl_bench."):
            continue
        for entry in parse_docstring(owner.__doc__ or "").params:
            texts.setdefault(entry.arg_name, plain_text(entry.description or ""))
        if handed_on and "__init__" in vars(owner):
            found = list(inspect.signature(owner).parameters.values())
            handed_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found)
            for parameter in found:
                if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    parameters.setdefault(parameter.name, parameter)
    return [Offer(f"{name}{_default(parameter)}", texts.get(name, "")) for name, parameter in parameters.items()]


def _default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is parameter.empty:
        return ""
    return f" = {default if isinstance(default, (str, int, float, tuple, list, Path, type(None))) else '...'}"
