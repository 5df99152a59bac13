"""An argument parser whose errors are sentences, in which another class starts from its own defaults.

It reads and writes YAML as the rest of the suite does.
"""

import re
from collections.abc import Iterable
from inspect import isabstract
from pydoc import locate
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, _typehints, get_loader, set_dumper, set_loader
from lightning.pytorch.cli import LightningArgumentParser

from adpfl_bench.config.complaints import value_complaint
from adpfl_bench.config.yaml_text import dump_yaml, parse_yaml
from adpfl_bench.errors import ConfigError
from adpfl_bench.public_names import with_public_names
from adpfl_bench.trust import check_class_path, refusal

_NOT_SETTINGS = {"help", "print_config", "print_shtab", "config"}
_UNKNOWN = re.compile(r"(?:Group '([\w.]+)' does not accept option '|Option '|unrecognized arguments: --)([\w.]+)")
_STRAY = re.compile(r"unrecognized arguments: (?!--)(\S+)")
_LINKED = re.compile(r"(?:argument \w+\((?P<sources>[\w., ]+)\) --> |Linked \")(?P<target>[\w.]+)")
_REFUSED = re.compile(
    r"(?:class_path '([^']+)':\s+)?Option '([^']+)' is not accepted"
    r"(?:\. Got value: Namespace\(class_path='([^']+)')?"
)
_INNERMOST = re.compile(
    r"""Parser key "([^"]+)":(?:(?!Parser key)[\s\S])*?Subtypes: \[<class '([\w.]+)'(?![\s\S]*Parser key)"""
)
_NO_CLASS = re.compile(r"Expected a dot import path string: (.+)|No (?:\w+ )?attribute '?\w+|No module named '?[\w.]+")
_IN_BLOCK = re.compile(
    r"""Parser key "(?P<outer>\w+)":[\s\S]*?Problem with given class_path '(?P<kind>[\w.]+)':\s+(?:- )?"""
    r"""(?:Group '(?P<block>\w+)' does not accept option '(?P<option>[\w.]+)'"""
    r"""|unrecognized arguments: --(?P<unknown>\w+\.[\w.]+))"""
)
"""An unknown setting within a block of a class's settings, such as a dataset's description."""
_load_as_set = get_loader("yaml")


def _load(text: str) -> Any:
    """What a value states; a word in braces, or before a colon, which a path may end with, stays a text."""
    value = parse_yaml(text)
    is_set = isinstance(value, dict) and value and all(inner is None for inner in value.values())
    return _load_as_set(text) if is_set else value


set_loader("yaml", _load, (yaml.YAMLError,))
set_dumper("yaml", dump_yaml)

_keep_what_fits: Any = _typehints.discard_init_args_on_class_path_change


def _start_from_own_defaults(parser: Any, before: Any, now: Any) -> None:
    """Forget what was set of a class where another one takes its place.

    jsonargparse would hand on whatever has the same name: AdamW's weight decay to SGD, which has none by default. Only
    where no class was named before does it know better what is meant.
    """
    named = before and "init_args" in before and before["class_path"] is not None
    if not named:
        _keep_what_fits(parser, before, now)
    elif not _is_same_class(before["class_path"], now["class_path"]):
        before.pop("init_args")


def _is_same_class(one: str, other: str) -> bool:
    """Whether two class paths name one class; both have been imported by now, and modules may export each other's."""
    if one == other:
        return True
    found = locate(one)
    return found is not None and found is locate(other)


_typehints.discard_init_args_on_class_path_change = _start_from_own_defaults

# What its policy says of import paths, which config/class_paths.py sets; and of the path as it was given.
_DENIED = re.compile(r"Importing '([\w.]+)' is not allowed")
_GIVEN = re.compile(r"given class_path '([\w.]+)'")
_SAYS_NOTHING = ("Does not validate", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>", "Given value")


class UntrustedClassPath(ConfigError):
    """A class path names code that may not run.

    Attributes:
        path: Where that code is.
        given: The class path as it was given, which may go through another module.
    """

    def __init__(self, path: str, given: str) -> None:
        super().__init__(str(refusal(path, "The configuration")))
        self.path, self.given = path, given


class BenchArgumentParser(LightningArgumentParser):
    """LightningArgumentParser that says what was wrong and what was possible, without pages of usage."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Of nested classes jsonargparse makes the parsers, and options are not abbreviated there either.
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the parser's complaint as a sentence.

        Raises:
            ConfigError: Always.
        """
        if not self.exit_on_error:  # a parser of a nested class, whose complaint the outer one will word
            super().error(message, ex)
        if denied := _DENIED.search(message):
            name = denied[1].rpartition(".")[2]
            given = [path for path in _GIVEN.findall(message) if path.rpartition(".")[2] == name]
            raise UntrustedClassPath(denied[1], (given or [denied[1]])[0])
        raise ConfigError(explain(message, [str(action.dest) for action in self._actions]))


def explain(message: str, known_keys: Iterable[str]) -> str:
    """Turn a message of jsonargparse into what a user can act on.

    jsonargparse has no exceptions of its own for these, so its words are all there is to go by.

    Args:
        message: The message.
        known_keys: Dotted names of the parser's options.
    """
    if unknown := _UNKNOWN.match(message):
        return _unknown_key(".".join(part for part in unknown.groups() if part), known_keys)
    if stray := _STRAY.match(message):
        return (
            f"There is no place for {stray[1]} by itself: a file of settings is given as --config FILE, and a setting"
            " as --KEY VALUE, such as --federated.rounds 3."
        )
    if refused := _REFUSED.search(message):
        class_path = refused[1] or refused[3]
        return f"{class_path} has no setting {refused[2]}; it has {', '.join(_settings_of(class_path))}."
    if linked := _LINKED.match(message):
        sources = linked["sources"] or message.rpartition("via ")[2].replace('"', "").rstrip(".")
        return f"{linked['target']} follows from {sources} and cannot be given; give that."
    if lacking := re.search(r"arguments are required: ((?:data|model)(?:, model)?)$", message.strip()):
        return (
            f"No file or option states {lacking[1].replace(', ', ' and ')}: give a task's file first, such as --config"
            " tasks/isic.yaml; adpfl-bench list tasks lists them."
        )
    if "required: root" in message:
        return (
            "data.root is missing: give the dataset's folder with --data.root PATH, or train on synthetic images with"
            " --config configs/phantom.yaml."
        )
    if within := _IN_BLOCK.search(message):
        return _unknown_in_block(within)
    if misfit := value_complaint(message):
        return f"{misfit}."
    gist = "\n".join(line for line in message.strip().splitlines() if not line.strip().startswith(_SAYS_NOTHING))
    base = _INNERMOST.search(message)
    if (
        base
        and "." in base[2]
        and re.search(r"Expected a dot import path string|No \w+ attribute|No module named|expects a", message)
    ):
        return (
            f"{base[1]} cannot be made from what was given{_not_a_class(message)}; possible are {_subclasses(base[2])}."
        )
    if refused := _NO_CLASS.search(message):
        name = (refused[1] or refused[0]).strip()
        keys = re.findall(r'Parser key "([^"]+)"', message)
        where = ".".join(keys) or "A setting"
        return f"{where} is {name}, which names nothing that can be made or read; give a class path."
    return " ".join(gist.split())


def _not_a_class(message: str) -> str:
    """Which of the given words is no class, where the message tells."""
    found = _NO_CLASS.search(message)
    given = re.findall(r"Problem with given class_path '([^']+)'", message)
    name = found and (found[1] or (given and given[-1]))
    return f" ({name.strip()} is none)" if name else ""


def _unknown_key(name: str, known: Iterable[str]) -> str:
    block = name.rpartition(".")[0]
    while block and not any(key.startswith(f"{block}.") for key in known):
        block = block.rpartition(".")[0]
    prefix = f"{block}." if block else ""
    below = {key.removeprefix(prefix).split(".")[0] for key in known if key.startswith(prefix)}
    where = f"in {block} " if block else ""
    return f"There is no setting {name}; possible {where}are {', '.join(sorted(below - _NOT_SETTINGS))}."


def _unknown_in_block(within: re.Match[str]) -> str:
    """A sentence on a setting that a block, such as a dataset's description, has not."""
    parser = ArgumentParser()
    parser.add_class_arguments(locate(within["kind"]), within["outer"], fail_untyped=False)
    unknown = within["unknown"] or f"{within['block']}.{within['option']}"
    return _unknown_key(f"{within['outer']}.{unknown}", [str(action.dest) for action in parser._actions])


def _settings_of(class_path: str) -> list[str]:
    check_class_path(class_path, "The configuration")  # before anything is imported to explain what is wrong
    kind: Any = locate(class_path)
    names: list[str] = ArgumentParser().add_class_arguments(kind, "its", fail_untyped=False, skip={"params"})
    return [name.removeprefix("its.") for name in names]


def _subclasses(class_path: str) -> str:
    kinds: list[Any] = [locate(class_path)]
    for kind in kinds:  # grows while it is walked: breadth first
        kinds += kind.__subclasses__()
    concrete = {with_public_names(f"{kind.__module__}.{kind.__qualname__}") for kind in kinds if not isabstract(kind)}
    return ", ".join(sorted(concrete))
