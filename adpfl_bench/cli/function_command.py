"""Commands made of functions: required parameters are positional (or, keyword-only, options), others options."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser

from adpfl_bench.config.complaints import value_complaint
from adpfl_bench.errors import ConfigError

# In the words of argparse and jsonargparse, which have no exceptions of their own for these.
_MISSING = re.compile(r"arguments are required: (.+)")
_UNKNOWN = re.compile(r"unrecognized arguments?: (\S+)")


class SentenceParser(ArgumentParser):
    """A parser of jsonargparse whose complaints are sentences that the command line prints."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the complaint.

        Raises:
            ConfigError: Always.
        """
        options = {name.lstrip("-"): name for name in self._option_string_actions}
        raise ConfigError(f"{complaint(message, self.prog, options)}; {self.prog} --help lists what there is.")


def complaint(message: str, prog: str, options: Mapping[str, str]) -> str:
    """Say in a sentence without its end what a message of jsonargparse says in several lines.

    Args:
        message: The message.
        prog: What the help calls the command.
        options: By the name of each option how it is written; what is not there has a place of its own.

    >>> complaint("the following arguments are required: root, dataset", "adpfl-bench verify", {"root": "--root"})
    'verify needs --root and DATASET'
    """
    command = prog.rpartition(" ")[2]
    if missing := _MISSING.search(message):
        return f"{command} needs {' and '.join(options.get(name, name.upper()) for name in missing[1].split(', '))}"
    if unknown := _UNKNOWN.search(message):
        return f"{command} has no option or place for {unknown[1]}"
    if misfit := value_complaint(message, lambda key: options.get(key, key.upper())):
        return misfit
    return " ".join(message.split()).rstrip(".")


def run_function(function: Callable[..., Any], words: Sequence[str], prog: str) -> int:
    """Call ``function`` with what the command line says.

    Its docstring becomes the help. A parameter that is false by default is a flag, which needs no value. A required
    one that is a list takes one or more words, which jsonargparse's own ``auto_cli`` would want as one JSON list. One
    that is an empty tuple by default takes one word, and may be given several times. A
    positional-only one with a default may be left out, and is no option.

    Args:
        function: What the command does.
        words: The command line after the command's name.
        prog: What the help calls the command.

    Returns:
        The exit status: what the function returns, if that is a number, or 0.
    """
    doc = parse_docstring(inspect.getdoc(function) or "")
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    descriptions = {entry.arg_name: entry.description for entry in doc.params}
    parser = SentenceParser(prog=prog, description=doc.description, allow_abbrev=False)
    own: set[str | int] = set()
    for name, parameter in parameters.items():
        how: dict[str, Any] = {"type": hints[name], "help": descriptions.get(name)}
        required = parameter.default is parameter.empty
        if parameter.default is False:
            parser.add_argument(f"--{name}", nargs="?", const=True, default=False, **how)
        elif parameter.default == ():
            how["type"] = get_args(hints[name])[0]
            parser.add_argument(
                f"--{name}", action="append", default=[], metavar="MODULE" if name == "trust" else "NAME", **how
            )
        elif required and get_origin(hints[name]) is list:
            parser.add_argument(name, nargs="+", metavar=name.upper(), **{**how, "type": get_args(hints[name])[0]})
        elif parameter.kind is parameter.POSITIONAL_ONLY and not required:
            parser.add_argument(name, nargs="?", default=parameter.default, metavar=name.upper(), **how)
        elif required and parameter.kind is parameter.KEYWORD_ONLY:
            parser.add_argument(f"--{name}", required=True, **how)
        else:
            continue
        own.add(name)
    parser.add_function_arguments(function, as_positional=True, as_group=False, skip=own)
    arguments = parser.instantiate(parser.parse_args(list(words)))
    first = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_ONLY]
    named = {name: getattr(arguments, name) for name in parameters if name not in first}
    status = function(*(getattr(arguments, name) for name in first), **named)
    return status if isinstance(status, int) else 0


def run_one_of(command: str, commands: Mapping[str, Callable[..., Any]], help_text: str, words: Sequence[str]) -> int:
    """Run a command of a command, such as ``adpfl-bench account show``.

    Args:
        command: The command's name.
        commands: The functions of its own commands, by name.
        help_text: What it prints without any.
        words: The command line after the program's name.

    Returns:
        The exit status, as of :func:`run_function`.

    Raises:
        BenchError: There is no such command, or it raised an error.
    """
    _, *rest = words
    if not rest or rest[0] in ("-h", "--help"):
        print(help_text)
        return 0
    if rest[0] not in commands:
        raise ConfigError(f"{command} has the commands {', '.join(commands)}, but was given {rest[0]}.")
    return run_function(commands[rest[0]], rest[1:], f"adpfl-bench {command} {rest[0]}")
