"""Words for numbers and lists; facts, sentences and tables in a terminal."""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH_WITHOUT_TERMINAL = 160
_LONGEST_NAME = 255  # as that of a file
# Control characters, line ends of Unicode, changes of the direction of writing, and what is no text at all.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Apostrophes count too, so that a text that had some keeps its own; a number of its own type is no text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")


def count(items: Sized | int, noun: str) -> str:
    """Count items, or state their number, in words, e.g. ``"1 image"`` or ``"5,012 images"``."""
    number = items if isinstance(items, int) else len(items)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def a_few(names: Sequence[str], shown: int = 3) -> str:
    """Name the first few, e.g. ``"a, b, c"`` or ``"a, b, c and 5,012 more"``."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def listed(names: Iterable[str], longest: int = 200) -> str:
    """Names of other people's files as a part of a sentence, which stays one line of some length whatever they are."""
    text = ", ".join(names)
    text = text if len(text) <= longest else f"{text[:longest]}..."
    return ascii(text) if _UNPRINTABLE.search(text) else text


def is_text(name: str) -> bool:
    """Whether a name is one in UTF-8: of a file, Python keeps bytes that are not as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def name_problem(name: str) -> str | None:
    """Say why no record, table or terminal could state a name; ``None`` where all can."""
    if _UNPRINTABLE.search(name):
        return "contains a line break or another control character"
    if len(name) > _LONGEST_NAME:
        return f"has {len(name):,} letters, of which at most {_LONGEST_NAME} fit into tables"
    return None


def folder_name_problem(name: str) -> str | None:
    """Say why a name is none of a folder within another, or of what records state; ``None`` where it is one."""
    problem = name_problem(name) if name else "is none"
    if problem is None and (name.startswith(".") or "/" in name or "\\" in name):
        return "is no folder's: it begins with a dot, or has a slash"
    return problem


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Lines of a CSV file: ``None`` is an empty cell, a boolean 0 or 1, and a float has every digit.

    Text that a spreadsheet would take for a formula has an apostrophe before it, which :func:`plain_cell` takes away;
    numbers have none.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(csv_cell, row) for row in rows)
    return text.getvalue()


def csv_cell(value: Any) -> Any:
    """Return what stands for a value in a cell of a CSV file, as :func:`csv_text` says."""
    if isinstance(value, bool):
        return int(value)
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def plain_cell(cell: str) -> str:
    """Return the text that :func:`csv_text` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and what they are, aligned."""
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"  {name:<{width}}  {fact}")


def print_table(title: str, table: Any) -> None:
    """Print a table of rich under a title, at a fixed width where there is no terminal."""
    print(f"\n{title}")
    make_console().print(table)


def make_table(headings: Iterable[str], left: Collection[str] = ()) -> Table:
    """Return a table of rich without rows; its columns are set flush right, apart from those of ``left``."""
    from rich import box  # deferred: the ground floor is imported by commands that print no table
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(Text(heading), justify="left" if heading in left else "right")
    return table


def make_console() -> Console:
    """Standard output for tables of rich, at a fixed width where there is no terminal."""
    from rich.console import Console  # deferred likewise

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def say(text: str) -> None:
    """Print sentences: each on a line of its own in a log, broken between words in a terminal."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(part for line in text.splitlines() for part in _broken(line, width))
    print(text)


def _broken(line: str, width: int) -> list[str]:
    inner = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False) or [""]


def times(shape: Iterable[int]) -> str:
    """Write a shape as 4x64x64."""
    return "x".join(map(str, shape))


def say_loading(command: str) -> None:
    """Say that a command is about to import PyTorch and Lightning, which takes seconds, if they are still to come."""
    if "lightning" not in sys.modules:
        print(f"adpfl-bench {command}: loading PyTorch and Lightning ...", file=sys.stderr, flush=True)
