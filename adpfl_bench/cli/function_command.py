"""A function as a command: what it needs is positional (or, keyword-only, an option), the rest are options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from docstring_parser import Docstring
from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser


def run_function(function: Callable[..., Any], words: Sequence[str], prog: str) -> int:
    """Call ``function`` with what the command line says.

    Its docstring becomes the help. A parameter that is false by default is a flag, which needs no value. A required
    one that is a list takes one or more words, which jsonargparse's own ``auto_cli`` would want as one JSON list.

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
    flags = {f"--{name}" for name, parameter in parameters.items() if parameter.default is False}
    followed = zip(words, [*words[1:], ""], strict=True)
    words = [f"{word}=true" if word in flags and after not in ("true", "false") else word for word, after in followed]
    parser = ArgumentParser(prog=prog, description=doc.description, allow_abbrev=False)
    lists = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and get_origin(hints[name]) is list
    ]
    named = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.KEYWORD_ONLY
    ]
    for name in lists:
        parser.add_argument(name, type=get_args(hints[name])[0], nargs="+", metavar=name.upper(), help=_help(doc, name))
    parser.add_function_arguments(function, as_positional=True, as_group=False, skip={*lists, *named})
    for name in named:
        parser.add_argument(f"--{name}", type=hints[name], required=True, help=_help(doc, name))
    arguments = parser.parse_args(words)
    status = function(**{name: getattr(arguments, name) for name in parameters})
    return status if isinstance(status, int) else 0


def _help(doc: Docstring, name: str) -> str | None:
    return next((entry.description for entry in doc.params if entry.arg_name == name), None)
