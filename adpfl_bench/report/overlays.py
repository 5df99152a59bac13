"""Overlays: test cases with the outlines of truth and predictions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.scored_run import ScoredRun
from adpfl_bench.metrics.registry import DICE
from adpfl_bench.report.case_outlines import (
    KEY_PAPER,
    REGION_COLOURS,
    TRUTH_COLOUR,
    colour_key,
    outline,
    outline_key,
    page_key,
)
from adpfl_bench.report.kept_cases import KeptCase, KeptCases
from adpfl_bench.report.plot import Picture, to_png
from adpfl_bench.report.plot_key import KeyEntry

_MOST_CASES = 6
_LONGEST_LINE = 34
_CELL_INCHES = 1.9


ShownCases = Sequence[tuple[Variant, KeptCases]]
"""What a run of each method kept, in the order of the table."""


def shown_cases(group: Group) -> ShownCases:
    """Read the cases that each method's shown run kept."""
    return [(variant, KeptCases(run)) for variant, run in shown_runs(group)]


def draw_overlays(group: Group, shown: ShownCases | None = None) -> Picture | None:
    """Draw a row per example case: the image, the truth, and what each method predicts, with its Dice.

    Of each method one seed is shown, the smallest that all of them have; of the cases that every method kept, the
    first of each client come first.

    Args:
        group: The group.
        shown: Its :func:`shown_cases`, where they have been read.

    Returns:
        ``None`` where no method kept a case.
    """
    shown = shown_cases(group) if shown is None else shown
    rows, without = overlay_rows(shown, _MOST_CASES)
    if not rows:
        return None
    png = draw_rows(rows)
    labels = list(rows[0].predictions)
    seeds = {variant.label: kept.run.seed for variant, kept in shown if variant.label in labels}
    scores = "; ".join(f"{row.case}: " + ", ".join(f"{label} {row.scores[label]}" for label in labels) for row in rows)
    missing = f" {', '.join(without)} kept no cases." if without else ""
    return Picture(
        png,
        alt=f"{len(rows)} test cases of {group.task} ({group.kind}), truth and predictions outlined. {scores}.",
        caption=(
            f"{colour_key(len(rows[0].example.truth), rows[0].example.regions)} These are the first cases of"
            " each client, not a selection, as the network sees them; Dice is taken on the case's own grid."
            f" {_seeds_text(seeds)}{_own_models(rows)}{missing}{group.shown_note}"
        ),
    )


def case_key(shown: ShownCases) -> list[KeyEntry]:
    """Return what the outlines in a group's pictures are, as a key for its page; nothing where no run kept a case."""
    kept = next((case for _, cases in shown for case in cases.examples.values()), None)
    return [] if kept is None else page_key(len(kept.truth), kept.regions)


def _seeds_text(seeds: Mapping[str, int]) -> str:
    if len(set(seeds.values())) == 1:
        return f"Seed {next(iter(seeds.values()))}."
    return f"Seeds: {', '.join(f'{label} {seed}' for label, seed in seeds.items())}."


@dataclass(frozen=True)
class OverlayRow:
    """A case as all methods predict it."""

    case: str
    example: KeptCase
    predictions: dict[str, KeptCase]
    scores: dict[str, str]


def overlay_rows(shown: ShownCases, most: int) -> tuple[list[OverlayRow], list[str]]:
    """Return the cases that all methods with examples kept, and the methods without."""
    examples = {variant.label: cases.examples for variant, cases in shown}
    kept = [(variant.label, cases.run) for variant, cases in shown if cases.examples]
    dice = {label: _dice(run, examples[label]) for label, run in kept}
    common = set.intersection(*map(set, dice.values())) if kept else set()
    rows = []
    for case in _chosen(examples[kept[0][0]], common, most) if kept else []:
        predictions = {label: examples[label][case] for label, _ in kept}
        order = predictions[kept[0][0]].regions
        scores = {label: _dice_text(dice[label][case], order) for label, _ in kept}
        rows.append(OverlayRow(case, predictions[kept[0][0]], predictions, scores))
    return rows, [variant.label for variant, _ in shown if not examples[variant.label]]


def _own_models(rows: Sequence[OverlayRow]) -> str:
    own = [label for label in rows[0].predictions if rows[0].predictions[label].model != GLOBAL_MODEL]
    if not own:
        return ""
    return f" Of {', '.join(own)} the client's own model is shown, or another client's where it has none."


def shown_runs(group: Group) -> list[tuple[Variant, ScoredRun]]:
    """Of each method the run whose cases are shown: of the smallest seed that all have, else of its first."""
    variants = group.shown
    common = set.intersection(*(set(variant.seeds) for variant in variants))
    seed = min(common) if common else None
    return [(v, next((run for run in v.runs if run.seed == seed), v.runs[0])) for v in variants]


def _chosen(examples: Mapping[str, KeptCase], common: set[str], most: int) -> list[str]:
    turns: dict[str, int] = {}
    order: list[tuple[int, int, str]] = []
    for case, example in examples.items():
        if case in common:
            turns[example.client] = turn = turns.get(example.client, 0) + 1
            order.append((turn, len(order), case))
    return [case for _, _, case in sorted(order)[:most]]


def _dice(run: ScoredRun, examples: Mapping[str, KeptCase]) -> dict[str, dict[str, float]]:
    """Dice of the kept cases by region, of the model whose prediction is shown."""
    scores: dict[str, dict[str, float]] = {}
    for row in run.all_rows.take(run.all_rows.case.is_in(examples)):
        if row.model == examples[row.case].model:
            scores.setdefault(row.case, {})[row.region] = row.values[DICE.name]
    return scores


def _dice_text(by_region: Mapping[str, float], order: Sequence[str]) -> str:
    """Dice of each region, in the given order or, where there is none, by name."""
    if len(by_region) == 1:
        return f"Dice {next(iter(by_region.values())):.2f}"
    names = order if set(order) == set(by_region) else sorted(by_region)
    return " ".join(f"{name} {by_region[name]:.2f}" for name in names)


def draw_rows(rows: Sequence[OverlayRow]) -> bytes:
    """Draw cases under each other, each in a row of pictures: a PNG."""
    from matplotlib.figure import Figure  # deferred: only a picture needs it
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D

    labels = list(rows[0].predictions)
    planes = [row.example.plane for row in rows]
    lines = [max(2, *(_wrapped(score).count("\n") + 1 for score in row.scores.values())) for row in rows]
    heights = [
        _CELL_INCHES * plane.image.shape[0] / plane.image.shape[1] + 0.1 + 0.13 * count
        for plane, count in zip(planes, lines, strict=True)
    ]
    engine = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    first, width = rows[0].example, (2 + len(labels)) * _CELL_INCHES
    key = outline_key(len(first.truth), first.regions)
    across = min(len(key), max(1, int(width / 3.2)))
    figure = Figure(figsize=(width, sum(heights) + 0.45 + 0.25 * math.ceil(len(key) / across)), layout=engine)
    axes = figure.subplots(len(rows), 2 + len(labels), squeeze=False, gridspec_kw={"height_ratios": heights})
    for line, row, plane in zip(axes, rows, planes, strict=True):
        for axis in line:
            axis.imshow(plane.image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            axis.set_xlabel(" ", fontsize=8)
        line[0].set_xlabel(f"{row.case}\n{row.example.client}", fontsize=7, parse_math=False)
        outline(line[1], plane.truth, [TRUTH_COLOUR] if len(plane.truth) == 1 else REGION_COLOURS)
        for axis, label in zip(line[2:], labels, strict=True):
            outline(axis, plane.truth, [TRUTH_COLOUR])
            outline(axis, row.predictions[label].plane.prediction, REGION_COLOURS)
            axis.set_xlabel(_wrapped(row.scores[label]), fontsize=8, parse_math=False)
    for axis, title in zip(axes[0], ["image", "truth", *labels], strict=True):
        axis.set_title(title, fontsize=10, fontweight="bold", parse_math=False)
    handles = [Line2D([], [], color=colour, linewidth=2.4, label=label) for label, colour in key.items()]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=across,
        frameon=True,
        facecolor=KEY_PAPER,
        labelcolor="white",
        edgecolor=KEY_PAPER,
        fontsize=9,
    )
    return to_png(figure, dpi=120)


def _wrapped(scores: str) -> str:
    """Scores as they fit under a picture: in one line, or each region in a line of its own."""
    return scores if len(scores) <= _LONGEST_LINE else re.sub(r"(\d) ", r"\1\n", scores)
