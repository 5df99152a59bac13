"""Words of argparse and jsonargparse on values that do not fit, in a sentence: they have no exceptions to go by."""

from __future__ import annotations

import re
from collections.abc import Callable

_KEY = re.compile(r'Parser key "([^"]+)"')
_GIVEN = re.compile(r"(?:Given|Got) value: (.+?)\.?(?: Got value: .*)?$", re.MULTILINE)
_CHOICES = re.compile(r"Expected a typing\.Literal\[([^\]]+)\]")
_NO_VALUE = re.compile(r"argument (?:-\w/)?--([\w.]+): expected (?:one|at least one) argument")
_CLASS = re.compile(r"Problem with given class_path '([\w.]+)'")
_LACKING = re.compile(r"arguments are required: ([\w, ]+)")
_ELEMENTS = re.compile(r"Expected a tuple with (\d+) elements?. Got value: (\[.*?\])")
_NUMBERS = {"bool", "float", "int"}
_NAMES_A_CLASS = "Expected a dot import path string"
_KINDS = re.compile(r"Expected an? <class '(?:\w+\.)*(\w+)'>")
_KIND_NAMES = {
    "bool": "true or false",
    "dict": "a block such as {name: value}",
    "float": "a number",
    "int": "a whole number",
    "list": "a list such as [1,2]",
    "str": "a text",
    "tuple": "a list such as [1,2]",
}


def value_complaint(message: str, written: Callable[[str], str] = str) -> str | None:
    r"""Say which value does not fit, and what would, without the sentence's end.

    Args:
        message: A message of argparse or jsonargparse, of several lines.
        written: How the option of a key is written.

    Returns:
        ``None`` where the message is of something else, or several classes were tried.

    >>> value_complaint('Parser key "rounds": Expected a <class \'int\'>. Got value: x', "federated.{}".format)
    'federated.rounds is x, but must be a whole number'
    """
    if bare := _NO_VALUE.search(message):
        return f"{written(bare[1])} needs a value"
    kinds = [kind for kind in dict.fromkeys(_KINDS.findall(message)) if kind != "NoneType"]
    if _NAMES_A_CLASS in message and not _NUMBERS & set(kinds):  # what classes there are is for who knows the base
        return None
    keys, given = _KEY.findall(message), _GIVEN.search(message)
    classes = _CLASS.findall(message)
    if not keys or len(classes) > len(keys) - 1 + bool(_LACKING.search(message)):  # several classes were tried
        return None
    name = written(".".join(keys))
    if lacking := _LACKING.search(message):
        needed = lacking[1].split(", ")
        return f"{name} is {classes[-1]}, which needs {' and '.join(needed)}: give --{name}.{needed[0]}"
    if elements := _ELEMENTS.search(message):
        return f"{name} is {elements[2]}, but must be a list of {elements[1]}"
    choices = [found.replace("'", "") for found in _CHOICES.findall(message)]
    if given is None or not choices + kinds or not all(kind in _KIND_NAMES for kind in kinds):
        return None
    allowed = " or ".join([*choices, *(_KIND_NAMES[kind] for kind in kinds)])
    return f"{name} is {given[1].strip()}, but must be {allowed}"
