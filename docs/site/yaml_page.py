"""A page of every YAML file: what it is, what it states, and what was measured with it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from markdown_table import code, markdown_table

from adpfl_bench.cli.offers import first_sentence, yaml_comment

_HEAD = """# Every YAML file

A run is a task, a method and a place: files of these three folders, given to `--config` in that order.
`adpfl-bench show FILE` says the same in a terminal. Times, memory and Dice are those of
[the committed study](../results/index.md), means over its three seeds, as `configs/headline.yaml` makes it: small
networks on a processor without a GPU, two runs at a time on two cores beside other work. They compare files with each
other, and say little of another machine.
Where the study has no run with a file, it is *not measured*.

"""
_FOLDERS = {
    "tasks": ("Tasks", "Data, network and training: the first `--config`. Measured: FedAvg on this task in the study."),
    "callbacks": ("Methods", "How clients learn and are kept private: after a task. Measured: on the study's tasks."),
    "configs": ("Places and grids", "Where and how large a run is: the last `--config`. Grids go to `benchmark`."),
}
_MEASURES = ("Time of a run, s", "Peak memory, MB", "Test Dice, %")


def yaml_page(top: Path) -> dict[str, str]:
    """Return the page."""
    measured = _measured(top / "results" / "leaderboard.csv")
    parts = [_HEAD]
    for folder, (title, text) in _FOLDERS.items():
        parts.append(f"## {title}\n\n{text}\n")
        paths = sorted((top / folder).glob("*.yaml"))
        parts.append(_overview(folder, paths, measured))
        parts += [_file(folder, path, measured) for path in paths]
    return {"reference/yaml_files.md": "\n".join(parts)}


_Rows = Mapping[tuple[str, str], Sequence[Mapping[str, str]]]


def _measured(table: Path) -> _Rows:
    """Rows of the study's table by task and method, a row for each region."""
    found: dict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found[row["task"], row["label"]].append(row)
    if not found:
        raise ValueError(f"{table} has no rows, so nothing could be said of the YAML files' time, memory and score.")
    return found


def _overview(folder: str, paths: Sequence[Path], measured: _Rows) -> str:
    rows = []
    for path in paths:
        name = f"{folder}/{path.name}"
        link = f"[{code(name)}](#{_anchor(name)})"
        sentence = first_sentence(yaml_comment(path))
        runs = _runs(folder, path, measured)
        rows.append((link, sentence, *(_spans(runs) if runs else ("not measured", "", ""))))
    return markdown_table(("File", "What it is", *_MEASURES), rows)


def _spans(runs: Mapping[str, Sequence[Mapping[str, str]]]) -> tuple[str, str, str]:
    """The least and the most over tasks and regions."""
    rows = [row for group in runs.values() for row in group]
    return (
        _span([float(row["wall_seconds"]) for row in rows], 0),
        _span([float(row["peak_memory_mb"]) for row in rows], 0),
        _span([100 * float(row["dice_mean"]) for row in rows], 1),
    )


def _span(values: Sequence[float], digits: int) -> str:
    least, most = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return least if least == most else f"{least} to {most}"


def _runs(folder: str, path: Path, measured: _Rows) -> dict[str, Sequence[Mapping[str, str]]]:
    """The study's runs with a file: of a task those of FedAvg, of a method those of each task."""
    wanted = {
        "tasks": lambda task, label: (task, label) == (path.stem, "fedavg"),
        "callbacks": lambda task, label: label == path.stem,
        "configs": lambda task, label: False,
    }[folder]
    return {f"{task}": rows for (task, label), rows in measured.items() if wanted(task, label)}


def _file(folder: str, path: Path, measured: _Rows) -> str:
    name = f"{folder}/{path.name}"
    text = path.read_text(encoding="utf-8")
    stated = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    comment = yaml_comment(path)
    parts = [f"### {name}\n", f"```text\n{comment}\n```\n" if "\n " in comment else f"{comment}\n"]
    rows = [
        (f"{task} ({row['kind']})", row["region"], *_spans({task: [row]}))
        for task, group in _runs(folder, path, measured).items()
        for row in group
    ]
    if rows:
        parts.append(markdown_table(("Task of the study", "Region", *_MEASURES), rows))
    parts.append(f'??? note "What it states"\n\n    ```yaml\n{_indented(stated)}\n    ```\n')
    return "\n".join(parts)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.strip("\n").splitlines())


def _anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_ ").replace(" ", "-")
