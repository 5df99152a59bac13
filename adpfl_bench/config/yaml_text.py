"""YAML text as values: the one way in which the suite reads YAML, which refuses what can be read in two ways.

Refused are keys that stand twice or are no text, tags, aliases that refer to themselves or multiply, nesting without
end, more than one document, and other encodings than UTF-8; a byte-order mark of UTF-8 is left out. Dates are text.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adpfl_bench.errors import ConfigError
from adpfl_bench.public_names import with_public_names

_MOST_BYTES = 1_000_000
_MOST_VALUES = 100_000  # aliases counted as often as they stand
_DEEPEST = 100
# libyaml composes nested nodes by recursion, and overflows the stack; a text with fewer openings than this cannot.
_OPENINGS = re.compile(r"[\[{]|[-?]\s")
_FEW_OPENINGS = 2_000

_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge"))
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+)$")
_FLOAT = re.compile(
    r"""[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)$
    |[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$""",
    re.VERBOSE,
)
# What a scalar with such a tag has to be, which it is anyway without one.
_TAGGED = {
    f"{_TAG}int": ("no whole number", _INT),
    f"{_TAG}float": ("no number", re.compile(f"{_FLOAT.pattern}|{_INT.pattern}", re.VERBOSE)),
    f"{_TAG}bool": ("neither true nor false", re.compile("(?:yes|no|true|false|on|off)$", re.IGNORECASE)),
    f"{_TAG}null": ("not null", re.compile("(?:~|null)?$", re.IGNORECASE)),
}
_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


# libyaml reads ten times as fast as what is written in Python, which a wheel without it falls back on.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain values; 1e-3 is a number, and 010, 1:30 and 2001-01-01 are text."""

    yaml_implicit_resolvers: Mapping[str, list[tuple[str, re.Pattern[str]]]] = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in (f"{_TAG}{n}" for n in ("timestamp", "int", "float"))
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


class _Dumper(yaml.SafeDumper):
    """Text in quotes where this reader or another one would take it for something else."""


_Dumper.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


# Of text that is an enumeration's member, the text.
def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Unicode's line ends are escaped: in other quotes the reader takes them for ends of lines."""
    plain = str.__str__(text)
    style = '"' if any(end in plain for end in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", plain, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_multi_representer(str, _represent_text)


def dump_yaml(content: Any) -> str:
    """Write plain values as a text of YAML, key by key in their order."""
    text: str = yaml.dump(content, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text


def dump_inline(value: Any) -> str:
    """Write a plain value as YAML on one line."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, width=_MOST_BYTES, allow_unicode=True, sort_keys=False
    )
    return text.removesuffix("...\n").rstrip("\n")


def parse_yaml(text: str) -> Any:
    """What a text of YAML states, in plain values.

    Raises:
        yaml.YAMLError: It is no YAML, or is refused.
    """
    text = text.removeprefix("\ufeff")
    try:
        if len(_OPENINGS.findall(text)) > _FEW_OPENINGS:
            _check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _measure(node, {}, 0)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except ValueError as error:  # a number of thousands of digits, or half a character
        raise yaml.YAMLError(str(error)) from error


def read_yaml(path: Path) -> Any:
    """What a YAML file states, in plain values, with classes of the suite by their public names.

    Raises:
        ConfigError: It cannot be read, is no YAML, or is refused; it says where.
    """
    text = read_text(path)
    try:
        return parse_yaml(with_public_names(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not a YAML file of plain values: {problem_of(error)}.") from error


def read_text(path: Path) -> str:
    """The text of a YAML file.

    Raises:
        ConfigError: It cannot be read, is not in UTF-8, or is too long.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"{path} is longer than {_MOST_BYTES:,} bytes, which is no configuration.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = _ENCODINGS.get(content[:2], f"byte {content[error.start]:#04x} in line {line}")
        raise ConfigError(f"{path} is not in UTF-8 ({found}); save it in UTF-8.") from error


def line_of(path: Path, *keys: str | int) -> int:
    """Line of a value, counted from 1, in a file that has been read; of what is around it, where it is not stated."""
    loader = _Loader(read_text(path))
    try:
        node = loader.get_single_node()
        line = 0
        for key in keys:
            pairs = enumerate(node.value) if isinstance(node, yaml.SequenceNode) else node.value
            found = next((value for name, value in pairs if getattr(name, "value", name) == key), None)
            if found is None:
                break
            node, line = found, found.start_mark.line
            if isinstance(node, yaml.ScalarNode):
                break
        return line + 1
    finally:
        loader.dispose()


def problem_of(error: yaml.YAMLError) -> str:
    """What is wrong with a text, and in which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        context = f"{error.context}, " if error.context else ""
        return f"line {error.problem_mark.line + 1}: {context}{error.problem}"
    return " ".join(str(error).split())


def _refuse(node: Any, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _refuse(event, f"blocks stand in blocks, more than {_DEEPEST} deep")


def _measure(node: Any, sizes: dict[int, int], depth: int) -> int:
    """Number of values below a node, those of aliases counted each time; refuses what is not plain."""
    known = sizes.get(id(node))
    if known == 0:
        raise _refuse(node, "an alias refers to the block that it stands in")
    if known is not None:
        return known
    if node.tag not in _PLAIN:
        raise _refuse(
            node, f"the tag {node.tag.replace(_TAG, '!!')} stands for an object, and only plain values may stand"
        )
    if depth > _DEEPEST:
        raise _refuse(node, f"blocks stand in blocks, more than {_DEEPEST} deep")
    size = 1
    if isinstance(node, yaml.ScalarNode):
        kind, pattern = _TAGGED.get(node.tag, ("", None))
        if pattern is not None and not pattern.match(node.value):
            raise _refuse(
                node, f"the tag {node.tag.replace(_TAG, '!!')} stands before {node.value[:80]!r}, which is {kind}"
            )
    else:
        sizes[id(node)] = 0  # while it is under way
        inner = node.value
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = [value for _, value in node.value]
        size += sum(_measure(value, sizes, depth + 1) for value in inner)
        if size > _MOST_VALUES:
            raise _refuse(node, f"with its aliases it states more than {_MOST_VALUES:,} values")
    sizes[id(node)] = size
    return size


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
            stated = "a list or a block" if not isinstance(key, yaml.ScalarNode) else f"{key.value or 'nothing'}"
            kind = key.tag.removeprefix(_TAG)
            raise _refuse(key, f"a key is {stated}, which YAML reads as {kind} and not as text; put it in quotes")
        if key.value in lines:
            raise _refuse(key, f"the key {key.value} stands twice, first in line {lines[key.value]}")
        lines[key.value] = key.start_mark.line + 1
