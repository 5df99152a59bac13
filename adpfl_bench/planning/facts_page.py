"""Page of facts: what planning has read, for whoever started it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from adpfl_bench.planning.case_facts import PERCENTILES
from adpfl_bench.planning.data_facts import DataFacts, medians
from adpfl_bench.planning.step_memory import GIB
from adpfl_bench.planning.task_plan import TaskPlan
from adpfl_bench.text import a_few, count, make_table, print_facts, print_table, times

_SHOWN = 10


def print_page(data: DataFacts, plan: TaskPlan) -> None:
    """Print facts, classes, intensities and choices, and what was left out."""
    print(f"{data.root}: {data.description.name}, {count(data.read, 'case')} of {data.kind}")
    print_facts({**dict(_facts(data)), **dict(_choices(plan))})
    _print_classes(data)
    _print_intensities(data)
    if data.problems:
        print(f"\n{count(data.problems, 'problem')} left out of the plan; fit refuses them until they are mended:")
        for problem in data.problems[:_SHOWN]:
            print(f"  {problem}")
        if len(data.problems) > _SHOWN:
            print(f"  and {len(data.problems) - _SHOWN:,} more; adpfl-bench verify lists all")


def _facts(data: DataFacts) -> Iterator[tuple[str, str]]:
    facts = data.facts
    yield "shape", _spread([each.shape for each in facts], "x")
    if data.kind == "volumes":
        yield "without margins", _spread([each.box for each in facts], "x")
        yield "spacing", f"{_spread([each.spacing or () for each in facts], ' ')} mm"
        yield "orientation", _counted(Counter(each.orientation for each in facts))
    yield "channels", ", ".join(data.channels)
    identified = data.description.ids_identify
    yield "patients", f"{data.patients:,} ids, of {identified}s" if identified else f"{data.patients:,} ids"
    yield "sites", _counted(data.sites) if data.sites else "not stated for every case"
    splits = Counter(case.split for case in data.cases if case.split is not None)
    yield "splits", _counted(splits) if splits else "not stated"
    yield "empty masks", f"{data.empty:,} of {len(facts):,}"


def _choices(plan: TaskPlan) -> Iterator[tuple[str, str]]:
    geometry, step = plan.geometry, plan.geometry.step
    if geometry.spacing is not None:
        yield "target spacing", f"{' '.join(f'{edge:g}' for edge in geometry.spacing)} mm"
    yield "network's input", f"{times(step.network.patch)}, {step.network.stages} stages, {geometry.weights:,} weights"
    yield "step", f"{count(step.batch, 'example')}, about {step.bytes / GIB:.2g} GiB in single precision"
    if plan.window_reason:
        yield "CT window", plan.window_reason
    yield "clients", f"{plan.federation.clients}: {plan.federation.reason}"
    yield (
        "planned on",
        {
            "private": "private data: epsilon does not cover these settings, and records say so (docs/planning.md)",
            "public": "data that --public says are public",
            "phantom": "phantoms",
        }[plan.planned_on],
    )


def _print_classes(data: DataFacts) -> None:
    unit = "pixels" if data.kind == "pictures" else "ml"
    scale = 1 if data.kind == "pictures" else 1000
    table = make_table(("class", "cases", f"median {unit}", "smallest", "largest"), left=("class",))
    for name in data.scheme.classes:
        sizes = [each.sizes[name] / scale for each in data.facts if name in each.sizes]
        ends = (np.median(sizes), min(sizes), max(sizes)) if sizes else ()
        table.add_row(name, f"{len(sizes):,}", *(f"{size:,.4g}" for size in ends))
    print_table("Classes, where they are there", table)


def _print_intensities(data: DataFacts) -> None:
    names = [f"{percentile:g} %" for percentile in PERCENTILES]
    table = make_table(("channel", *names), left=("channel",))
    for index, channel in enumerate(data.channels):
        rows = [each.intensities[index] for each in data.facts if each.intensities]
        table.add_row(channel, *(f"{value:.4g}" for value in (medians(rows) if rows else ())))
    print_table("Intensities inside of the labels: medians over cases, which are in no file", table)


def _spread(rows: Sequence[Sequence[float]], between: str) -> str:
    columns = list(zip(*rows, strict=True))
    low, high = (between.join(f"{choose(column):.4g}" for column in columns) for choose in (min, max))
    middle = between.join(f"{value:.4g}" for value in medians(rows))
    return f"median {middle}" + (f", from {low} to {high} along each axis" if low != high else ", all alike")


def _counted(counts: Mapping[str, int]) -> str:
    return a_few([f"{name} {number:,}" for name, number in counts.items()], _SHOWN)
