"""Words for numbers and lists, and facts and tables in a terminal."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH_WITHOUT_TERMINAL = 160


def count(items: Sized | int, noun: str) -> str:
    """Count items, or state their number, in words, e.g. ``"1 image"`` or ``"5,012 images"``."""
    number = items if isinstance(items, int) else len(items)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def a_few(names: Sequence[str], shown: int = 3) -> str:
    """Name the first few, e.g. ``"a, b, c"`` or ``"a, b, c and 5,012 more"``."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def is_text(name: str) -> bool:
    """Whether a name is one in UTF-8: of a file, Python keeps bytes that are not as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Lines of a CSV file: ``None`` is an empty cell, a boolean 0 or 1, and a float has every digit."""
    text = io.StringIO()
    lines = ([int(cell) if isinstance(cell, bool) else cell for cell in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


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


def say_loading(command: str) -> None:
    """Say that a command is about to import PyTorch and Lightning, which takes seconds, if they are still to come."""
    if "lightning" not in sys.modules:
        print(f"adpfl-bench {command}: loading PyTorch and Lightning ...", file=sys.stderr, flush=True)
