"""Reference of the public names, a page for each room: what mkdocstrings reads from signatures and docstrings."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

_HEAD = """# Python names: {room}

{count} of the public names of `adpfl_bench` come from the room `{room}`. They are imported from the package itself,
`from adpfl_bench import {first}`, and YAML files call them `adpfl_bench.{first}`.

"""


def api_pages(top: Path) -> dict[str, str]:
    """Return the pages: the stub of the package says which names are public and where they come from."""
    stub = ast.parse((top / "adpfl_bench" / "__init__.pyi").read_text(encoding="utf-8"))
    rooms: dict[str, list[str]] = defaultdict(list)
    for node in stub.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            rooms[node.module.partition(".")[0]] += [name.name for name in node.names]
    pages = {}
    for room, names in rooms.items():
        text = _HEAD.format(room=room, count=len(names), first=names[0])
        pages[f"reference/api/{room}.md"] = text + "\n".join(f"::: adpfl_bench.{name}\n" for name in names)
    return pages
