"""Gallery of each method's best, median and worst test case: image, truth and prediction."""

from collections.abc import Sequence
from dataclasses import dataclass

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.report.case_outlines import REGION_COLOURS, TRUTH_COLOUR, colour_key, outline
from adpfl_bench.report.kept_cases import ChosenCase, Plane
from adpfl_bench.report.overlays import ShownCases, shown_cases
from adpfl_bench.report.plot import Picture, to_png

_PANEL_INCHES = 1.55
_TITLE_INCHES = 0.2
_DPI = 100
_MOST_STRETCHED = 3.0


@dataclass(frozen=True)
class MethodGallery:
    """The cases of one method.

    Attributes:
        label: The method.
        caption: How they were chosen.
        images: The best, the median and the worst, or fewer where there are no three.
    """

    label: str
    caption: str
    images: tuple[Picture, ...]


def draw_gallery(group: Group, shown: ShownCases | None = None) -> list[MethodGallery]:
    """Draw the best, the median and the worst case of each method, of one seed.

    Args:
        group: The group.
        shown: Its :func:`~adpfl_bench.report.overlays.shown_cases`, where they have been read.

    Returns:
        The methods that kept cases, in the order of their table.
    """
    galleries = []
    for variant, kept in shown_cases(group) if shown is None else shown:
        cases = kept.chosen
        if cases:
            images = tuple(_draw(variant.label, case) for case in cases)
            galleries.append(MethodGallery(variant.label, _caption(kept.run.seed, cases), images))
    return galleries


def _caption(seed: int, cases: Sequence[ChosenCase]) -> str:
    first = cases[0]
    among = f"the {first.of} test cases with something to find"
    if not first.exact:
        among = f"the {first.of} cases that this run kept, not of all test cases"
    own = "" if all(case.model == GLOBAL_MODEL for case in cases) else ", by the clients' own models"
    mean = ", the mean over regions" if len(first.regions) > 1 else ""
    regions = len(next(iter(first.planes.values())).truth)
    return f"Seed {seed}; by Dice{mean}{own}, of {among}. {colour_key(regions, first.regions)}"


def _draw(label: str, case: ChosenCase) -> Picture:
    from matplotlib.figure import Figure  # deferred: only a picture needs it

    heights = [_PANEL_INCHES * min(_height(plane), _MOST_STRETCHED) for plane in case.planes.values()]
    high = sum(heights) + _TITLE_INCHES
    figure = Figure(figsize=(3 * _PANEL_INCHES, high))
    axes = figure.subplots(len(heights), 3, squeeze=False, gridspec_kw={"height_ratios": heights})
    figure.subplots_adjust(0, 0, 1, 1 - _TITLE_INCHES / high, 0.02, 0.02)
    for axis, title in zip(axes[0], ("image", "truth", "truth and prediction"), strict=True):
        axis.set_title(title, fontsize=8, pad=3)
    for line, plane in zip(axes, case.planes.values(), strict=True):
        for axis in line:
            aspect = plane.spacing[0] / plane.spacing[1]
            axis.imshow(plane.image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect=aspect)
            axis.set_axis_off()
        outline(line[1], plane.truth, [TRUTH_COLOUR] if len(plane.truth) == 1 else REGION_COLOURS)
        outline(line[2], plane.truth, [TRUTH_COLOUR])
        outline(line[2], plane.prediction, REGION_COLOURS)
    views = "" if len(case.planes) == 1 else f" in {len(case.planes)} planes ({', '.join(case.planes)})"
    model = "" if case.model == GLOBAL_MODEL else f", model of {case.model}"
    return Picture(
        to_png(figure, _DPI),
        alt=(
            f"{case.which.capitalize()} case of {label}, Dice {case.dice:.3f}: image, truth outlined, and prediction"
            f" outlined{views}."
        ),
        caption=f"{case.which.capitalize()}: {case.case} of {case.client}, Dice {case.dice:.3f}{model}",
    )


def _height(plane: Plane) -> float:
    """Height of a plane over its width."""
    rows, columns = plane.image.shape[:2]
    return float(rows * plane.spacing[0] / (columns * plane.spacing[1]))
