"""Tutorials as pages: notebooks with the outputs that are committed with them, by nbconvert."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

# What a cell printed is a block of its own kind: a table, known by its rules, scrolls sideways, and sentences wrap.
_TEMPLATE = """{% extends 'markdown/index.md.j2' %}
{% block stream %}

```{ .text .output{{ "" if "\u2500\u2500" in output.text else " .wrapped" }} }
{{ output.text | trim }}
```
{% endblock stream %}
{% block data_png %}
![{{ cell.metadata.alt }}]({{ output.metadata.filenames['image/png'] | path2url }})
{% endblock data_png %}
"""
_FOOT = """
---

This page is a notebook, <a href="{name}" download>{name}</a>, and its outputs are those of its last
run. `make tutorials` runs it again, from an empty folder.
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LANGUAGES = {".py": "python", ".yaml": "yaml"}


def tutorial_pages(top: Path) -> dict[str, str | bytes]:
    """Return a page for each notebook, and its pictures.

    Raises:
        ValueError: A cell was never run, or has a picture without words that say what it shows (``alt``).
    """
    exporter = MarkdownExporter(raw_template=_TEMPLATE)
    pages: dict[str, str | bytes] = {}
    for path in sorted((top / "docs" / "tutorials").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _check(cell, path)
                _show_as_file(cell)
        text, resources = exporter.from_notebook_node(notebook, {"output_files_dir": f"{path.stem}_files"})
        pages[f"tutorials/{path.stem}.md"] = _ESCAPES.sub("", text) + _FOOT.format(name=path.name)
        pages |= {f"tutorials/{name}": content for name, content in resources["outputs"].items()}
    return pages


def _check(cell: nbformat.NotebookNode, path: Path) -> None:
    if cell.execution_count is None:
        raise ValueError(f"{path} has a cell that was never run: {cell.source!r}; make tutorials KEEP=1 keeps outputs.")
    pictures = [output for output in cell.outputs if "image/png" in output.get("data", ())]
    if pictures and not cell.metadata.get("alt"):
        raise ValueError(
            f"{path} has a picture without alt in its cell's metadata: {cell.source!r}; say what it shows."
        )


def _show_as_file(cell: nbformat.NotebookNode) -> None:
    """Show a cell of the shell as commands, and a cell that writes a file as that file.

    Left out are the magic words and the redirection by which lines keep their order in a notebook.
    """
    first, _, rest = cell.source.partition("\n")
    if first == "%%sh":
        cell.source, cell.metadata.magics_language = rest.replace(" 2>&1", ""), "sh"
    elif first.startswith("%%writefile "):
        name = first.split()[1]
        cell.source, cell.outputs = rest, []
        cell.metadata.magics_language = f'{_LANGUAGES[Path(name).suffix]} title="{name}"'
