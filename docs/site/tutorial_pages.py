"""Tutorials as pages: notebooks with the outputs that are committed with them, by nbconvert."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

_FOOT = """
---

This page is a notebook, [{name}]({name}), and its outputs are those of its last run. `make tutorials` runs it again.
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def tutorial_pages(top: Path) -> dict[str, str | bytes]:
    """Return a page for each notebook, and its pictures.

    Raises:
        ValueError: A cell of code was never run, so that the page would lack its output.
    """
    pages: dict[str, str | bytes] = {}
    for path in sorted((top / "docs" / "tutorials").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.execution_count is None:
                raise ValueError(
                    f"{path} has a cell that was never run: {cell.source!r}; make tutorials keeps outputs."
                )
        text, resources = MarkdownExporter().from_notebook_node(notebook, {"output_files_dir": f"{path.stem}_files"})
        pages[f"tutorials/{path.stem}.md"] = _ESCAPES.sub("", text) + _FOOT.format(name=path.name)
        pages |= {f"tutorials/{name}": content for name, content in resources["outputs"].items()}
    return pages
