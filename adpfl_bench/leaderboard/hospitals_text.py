"""Texts of other hospitals: the table, and what limits what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from adpfl_bench.leaderboard.formatting import EMPTY, Column, TextTable, metric_text, number, percent, set_table
from adpfl_bench.leaderboard.hospitals import Hospital, HospitalRow
from adpfl_bench.leaderboard.statistics_text import bounds_text
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.text import count

_EXPLANATION = (
    "All cases of another hospital, by the model of a run's last round or, where clients have models of their own, by"
    " every training client's, averaged. Here: the same runs on their own test cases. Drop: by how much the mean there"
    " is worse; negative where it is better. 95 % intervals are over patients, here and there, and over runs, which"
    " both share; nothing is corrected for the number of hospitals.",
    "A drop compares other patients by other images and other annotators: it does not say which of these made it.",
)


@dataclass(frozen=True)
class _MethodThere:
    """A method at a hospital, with its row by each metric."""

    rows: Mapping[str, HospitalRow]

    @property
    def first(self) -> HospitalRow:
        return next(iter(self.rows.values()))


def hospitals_text(table: Table) -> TextTable:
    """Return a line for each hospital and method: the main metric with intervals, then the others' means and drops."""
    main, *others = (metric for metric in table.metrics if metric.ranked)
    lines: dict[tuple[str, str], dict[str, HospitalRow]] = {}
    for hospital in table.hospitals:
        for row in hospital.rows:
            lines.setdefault((row.hospital, row.label), {})[row.metric] = row

    def of_main(text: Callable[[HospitalRow], str]) -> Callable[[_MethodThere], str]:
        return lambda line: text(line.rows[main.name])

    share = main.unit == "share"
    columns = [
        Column[_MethodThere](
            "Hospital", lambda line: f"{line.first.hospital} ({line.first.hospital_kind})", numeric=False
        ),
        Column("Method", lambda line: line.first.label, numeric=False),
        Column("Runs", lambda line: str(line.first.n_seeds)),
        Column("Cases", lambda line: f"{line.first.hospital_cases:,}"),
        Column(f"{main.title}{' %' if share else ''} here", of_main(lambda row: metric_text(main, row.own_mean))),
        Column(f"{main.title}{' %' if share else ''} there", of_main(lambda row: metric_text(main, row.mean))),
        Column("95 % interval", of_main(lambda row: _bounds(main, row.ci_low, row.ci_high))),
        Column("Drop", of_main(lambda row: _signed(main, row.drop))),
        Column("95 % interval of the drop", of_main(lambda row: _bounds(main, row.drop_low, row.drop_high, "+.2f"))),
        *(column for metric in others for column in _columns(metric)),
    ]
    return set_table(columns, [_MethodThere(rows) for rows in lines.values()])


def _columns(metric: Metric) -> Iterator[Column[_MethodThere]]:
    """A metric's mean there, and its drop."""
    sign = " %" if metric.unit == "share" else ""

    def mean(line: _MethodThere) -> str:
        row = line.rows[metric.name]
        return metric_text(metric, row.mean) + (f" {row.unit}" if metric.measures and row.unit else "")

    yield Column(f"{metric.title}{sign} there", mean)
    yield Column(f"{metric.title} drop", lambda line: _signed(metric, line.rows[metric.name].drop))


def _signed(metric: Metric, value: float | None) -> str:
    return percent(value, "+.2f") if metric.unit == "share" else number(value, "+.2f")


def _bounds(metric: Metric, low: float | None, high: float | None, form: str = ".2f") -> str:
    if metric.unit == "share":
        return bounds_text(low, high, form)
    return EMPTY if low is None or high is None else f"{low:{form}} to {high:{form}}"


def hospital_notes(table: Table) -> list[str]:
    """Say what the hospitals' data are, who did not score them, and what the numbers cannot say."""
    hospitals = table.hospitals
    notes = [note for hospital in hospitals for note in (_data(hospital), *_doubts(table, hospital))]
    if any(row.unit == "px" for hospital in hospitals for row in hospital.rows):
        notes.append(
            "Distances in px, and tolerances, are in pixels of each hospital's own pictures: where sizes differ, HD95"
            " and NSD differ by that alone."
        )
    return [*notes, *_EXPLANATION]


def _data(hospital: Hospital) -> str:
    data, row = hospital.cohort.record.data, hospital.rows[0]
    ids = data.patient_id_is or "patient id"
    kind = f", {data.datamodule}" if data.datamodule else ""
    return (
        f"{hospital.name}: {data.kind} data{kind}, {count(row.hospital_cases, 'case')} of"
        f" {count(row.hospital_patients, ids)}, contents {row.hospital_contents[:8]}."
    )


def _doubts(table: Table, hospital: Hospital) -> Iterator[str]:
    name, data = hospital.name, hospital.cohort.record.data
    if data.kind != table.group.kind:
        yield (
            f"{name} is {data.kind} data and the own test cases are {table.group.kind}: there is no drop between them."
        )
    roots = {
        run.record.data.contents.root
        for variant in table.group.variants
        for run in variant.runs
        if run.record.data.contents is not None
    }
    if data.contents is not None and data.contents.root in roots:
        yield f"{name} holds the very files of the runs' own data, training cases among them: it is no other hospital."
    if absent := [label for label, (scored, _) in hospital.runs.items() if not scored]:
        yield f"{name} was not scored by {', '.join(absent)}."
    if some := [_seeds(label, *seeds) for label, seeds in hospital.runs.items() if 0 < len(seeds[0]) < len(seeds[1])]:
        yield f"{name} was not scored by all runs: {'; '.join(some)}."
    if hospital.rows[0].hospital_patients == 1:
        yield f"{name} has one patient, so there are no intervals."
    elif single := [label for label, (scored, _) in hospital.runs.items() if len(scored) == 1]:
        yield f"{name}: intervals of one run are over patients alone ({', '.join(single)})."
    for title, reason in hospital.left_out.items():
        yield f"{name}: no intervals of {title}, since {reason}."


def _seeds(label: str, scored: Sequence[int], every: Sequence[int]) -> str:
    return f"{label} by seeds {', '.join(map(str, scored))} of {', '.join(map(str, every))}"
