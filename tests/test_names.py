"""A name means one thing: no two classes, and no two modules, share one."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("folder", ["adpfl_bench", "tests"])
def test_classes_and_modules_have_names_of_their_own(folder):
    found = defaultdict(list)
    for path in sorted((TOP / folder).rglob("*.py")):
        if path.name not in ("__init__.py", "conftest.py"):
            found[path.name].append(path)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path)
    assert len(found) > 100
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
