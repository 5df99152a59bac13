"""Text of a task file: YAML with a comment above each setting."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from adpfl_bench.config.yaml_text import dump_inline
from adpfl_bench.planning.planned_setting import PlannedSetting

_WIDTH = 118
_INDENT = 2


def task_text(heading: Sequence[str], settings: Sequence[PlannedSetting]) -> str:
    """Write settings as YAML that reads back as the same, under paragraphs of comments."""
    lines = [line for paragraph in heading for line in _comment(paragraph, 0)]
    return "\n".join([*lines, *_lines(settings, 0)]) + "\n"


def _lines(settings: Sequence[PlannedSetting], depth: int) -> Iterator[str]:
    margin = " " * (_INDENT * depth)
    for setting in settings:
        yield from _comment(setting.comment, depth)
        key = dump_inline(setting.key)
        if setting.settings is None:
            yield f"{margin}{key}: {dump_inline(setting.value)}"
        else:
            yield f"{margin}{key}:"
            yield from _lines(setting.settings, depth + 1)


def _comment(text: str, depth: int) -> list[str]:
    margin = " " * (_INDENT * depth)
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return [f"{margin}# {line}" for line in textwrap.wrap(printable, _WIDTH - len(margin) - 2, break_long_words=False)]
