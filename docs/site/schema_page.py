"""The JSON schema of run.json as a page: a table for each block."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markdown_table import code, markdown_table

_SCHEMA = """# The schema of run.json

[run.schema.json](../run.schema.json) is the JSON schema of a [run record](../records.md), which every record is checked
against. The whole record comes first, then its blocks.

"""


def schema_page(top: Path) -> dict[str, str]:
    """Return the page."""
    schema = json.loads((top / "docs" / "run.schema.json").read_text(encoding="utf-8"))
    blocks = {schema["title"]: schema, **schema["$defs"]}
    return {"reference/schema.md": _SCHEMA + "\n".join(_block(name, block) for name, block in blocks.items())}


def _block(name: str, block: Mapping[str, Any]) -> str:
    rows = [
        (code(key), _kind(entry), "yes" if key in block.get("required", ()) else "", entry.get("description", ""))
        for key, entry in block.get("properties", {}).items()
    ]
    table = markdown_table(("Key", "Type", "Required", "What it is"), rows) if rows else ""
    return f"## {name}\n\n{block.get('description', '')}\n\n{table}"


def _kind(entry: Mapping[str, Any]) -> str:
    """What an entry may be, with links to blocks."""
    if "$ref" in entry:
        name = str(entry["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in entry:
        return " or ".join(_kind(choice) for choice in entry["anyOf"])
    if "enum" in entry:
        return " or ".join(code(json.dumps(value)) for value in entry["enum"])
    if "const" in entry:
        return code(json.dumps(entry["const"]))
    if entry.get("type") == "array" and "items" in entry:
        return f"list of {_kind(entry['items'])}"
    if isinstance(inner := entry.get("additionalProperties"), Mapping):
        return f"object of {_kind(inner)}"
    return str(entry.get("type", "any"))
