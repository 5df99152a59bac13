"""Which small changes of the mathematics do its tests not notice? A sample of mutants against the tests of their rooms.

    python benchmarks/mutation_probe.py --mutants 200 --seed 0 --wider tests/callbacks --output survivors.txt

An operator, a comparison, a constant or a condition is changed in one place. Everything heavy is imported once; each
mutant is a forked process that runs the tests which name its module, quickest first, until one fails. Tests that take
over a second are left out, so a survivor here may still be noticed by one of them.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch  # noqa: F401  (what follows is imported so that no mutant has to)
import pytest
import scipy.stats  # noqa: F401
import torch

TOP = Path(__file__).resolve().parents[1]
SLOW, LIMIT = 1.0, 300  # seconds: of a test that is left out, of a mutant's processor time
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult, ast.Mod: ast.Mult, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def mutations(tree: ast.AST) -> Iterator[ast.AST]:
    """Change the tree in one place after another; it is as it was when the next is asked for."""
    for node in list(executed(tree)):
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPS:
            before, node.op = node.op, SWAPS[type(node.op)]()
            yield node
            node.op = before
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            before, node.ops[0] = node.ops[0], SWAPS[type(node.ops[0])]()
            yield node
            node.ops[0] = before
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            value = node.value
            node.value = not value if isinstance(value, bool) else value + 1
            yield node
            node.value = value
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            test = node.test
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
            yield node
            node.test = test


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that a run comes by: neither annotations nor what an error says."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr | ast.Raise):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child
                yield from executed(child)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module other code."""

    def __init__(self, name: str, path: Path, tree: ast.AST) -> None:
        self.name, self.path, self.tree = name, path, tree

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        """Where the module comes from, if it is this one."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the other code."""
        exec(compile(ast.fix_missing_locations(self.tree), str(self.path), "exec"), module.__dict__)


class Durations:
    """Writes how long each test took."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a line."""
        if report.when == "call" and report.passed:
            with self.file.open("a") as lines:
                lines.write(f"{report.duration}\t{report.nodeid}\n")


def forked(arguments: Sequence[str], finder: Mutated | None = None, plugins: Sequence[object] = ()) -> int:
    """Run tests in a process of their own; pytest's status, or the negative number of a signal."""
    process = os.fork()
    if process == 0:
        with contextlib.suppress(BaseException), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            if finder:
                sys.meta_path.insert(0, finder)
            os._exit(pytest.main(["-q", "-p", "no:cacheprovider", "-n0", *arguments], plugins=list(plugins)))
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def tests_of(module: Path, durations: dict[str, float]) -> list[str]:
    """The tests whose file names the module, or its room where none does; the quickest files first."""
    dotted = ".".join(module.relative_to(TOP).with_suffix("").parts)
    files = {node.split("::")[0] for node in durations}
    named = {file for file in files if dotted in (TOP / file).read_text()}
    files = named or {file for file in files if module.parent.name in file}
    cost = {file: sum(time for node, time in durations.items() if node.startswith(f"{file}::")) for file in files}
    return sorted(files, key=lambda file: cost[file])


def main() -> None:
    """Draw mutants, run them, and list those that no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rooms", nargs="+", default=["privacy", "federation"])
    parser.add_argument("--wider", nargs="*", default=[], help="tests for those that their own tests do not notice")
    parser.add_argument("--output", type=Path, default=Path("survivors.txt"))
    options = parser.parse_args()
    sys.path.insert(0, str(TOP))
    os.chdir(TOP)
    torch.set_num_threads(1)
    modules = sorted(path for room in options.rooms for path in (TOP / "adpfl_bench" / room).rglob("*.py"))
    measured = options.output.with_suffix(".durations")
    measured.unlink(missing_ok=True)
    forked([f"tests/{room}" for room in options.rooms], plugins=[Durations(measured)])
    lines = [line.split("\t") for line in measured.read_text().splitlines()]
    durations = {node: float(time) for time, node in lines}
    slow = [f"--deselect={node}" for node, taken in durations.items() if taken > SLOW]
    places = [(path, number) for path in modules for number, _ in enumerate(mutations(ast.parse(path.read_text())))]
    drawn = random.Random(options.seed).sample(places, min(options.mutants, len(places)))
    print(f"{len(places)} possible mutants in {len(modules)} modules, {len(drawn)} drawn, {len(slow)} tests left out")
    survivors, start = [], time.monotonic()
    for count, (path, number) in enumerate(drawn, 1):
        tree = ast.parse(path.read_text())
        before = path.read_text().splitlines()
        for index, node in enumerate(mutations(tree)):
            if index != number:
                continue
            name = ".".join(path.relative_to(TOP).with_suffix("").parts)
            mutated = Mutated(name, path, tree)
            status = forked(["-x", *tests_of(path, durations), *slow], mutated)
            if status == 0 and options.wider:
                status = forked(["-x", *options.wider, *slow], mutated)
            if status == 0:
                line = getattr(node, "lineno", 0)
                changed = ast.unparse(node).splitlines()[0]
                survivors.append(f"{path.relative_to(TOP)}:{line}: {before[line - 1].strip()}  ->  {changed}")
                options.output.write_text("\n".join(survivors) + "\n")
            break
        print(f"{count}/{len(drawn)} {len(survivors)} survived, {time.monotonic() - start:.0f} s", flush=True)
    print("\n".join(survivors))


if __name__ == "__main__":
    main()
