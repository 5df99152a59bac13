"""The cases that a run kept to be looked at: the first of each client, and the best, the median and the worst."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.scored_run import ScoredRun
from adpfl_bench.metrics.registry import DICE
from adpfl_bench.report.kept_file import CHOSEN, PLANES, Arrays, read_kept

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Plane:
    """A flat view of a case.

    Attributes:
        image: Shape [H, W] or [H, W, 3], in [0, 1].
        truth: Shape [R, H, W].
        prediction: Shape [R, H, W].
        spacing: Edges of a pixel along rows' and columns' axes.
    """

    image: NDArray[Any]
    truth: Mask
    prediction: Mask
    spacing: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class KeptCase:
    """A case that a run kept: ``image`` [C, *S], ``truth`` and ``prediction`` [R, *S], and the names of its regions.

    ``model`` says whose model predicted it.
    """

    client: str
    image: NDArray[Any]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    regions: tuple[str, ...] = ()
    model: str = GLOBAL_MODEL

    @cached_property
    def plane(self) -> Plane:
        """What is shown of it: of a volume, the slice with most truth."""
        image, truth, prediction = self.image, self.truth > 0, self.prediction > 0
        if image.ndim == 4:
            index = int(truth.sum(axis=(0, 1, 2)).argmax())
            image, truth, prediction = image[..., index], truth[..., index], prediction[..., index]
        # Three channels are colours; of more the last is shown, which is FLAIR in brain MRI.
        shown = np.moveaxis(image, 0, -1) if len(image) == 3 else image[-1]
        low, high = np.percentile(shown, (0.5, 99.5))
        return Plane(np.clip((shown - low) / max(float(high - low), 1e-6), 0, 1), truth, prediction)


@dataclass(frozen=True)
class ChosenCase:
    """A case that stands for how well a run does.

    Attributes:
        which: ``best``, ``median`` or ``worst``.
        case: Its id.
        client: The client that holds it.
        model: Whose model predicted it.
        dice: Its Dice, the mean over regions.
        regions: Names of the regions.
        planes: One view of a picture, three of a volume, by name.
        of: Number of cases it was chosen from.
        exact: Whether these are all test cases with something to find; else they are the few that were kept.
    """

    which: str
    case: str
    client: str
    model: str
    dice: float
    regions: tuple[str, ...]
    planes: Mapping[str, Plane]
    of: int
    exact: bool


class KeptCases:
    """The cases that a run kept, read once.

    Args:
        run: The run.

    Attributes:
        run: The run.
        problem: Why its examples.npz cannot be read, which then stands for no cases; ``None`` where it can, or is not
            there.
    """

    def __init__(self, run: ScoredRun) -> None:
        self.run = run
        self.problem: str | None = None
        self._arrays: Arrays = {}
        try:
            self._arrays = read_kept(run.directory.examples_file) or {}
        except RecordError as error:  # which the board lists
            self.problem = str(error)

    @cached_property
    def examples(self) -> dict[str, KeptCase]:
        """The first of each client, by case."""
        return _examples(self._arrays)

    @property
    def chosen(self) -> list[ChosenCase]:
        """The best, the median and the worst case; none where the run kept no cases.

        Runs of earlier versions kept only the first cases of each client, of which best, median and worst are taken.
        """
        return _stored(self._arrays) if "chosen" in self._arrays else _of_examples(self.run, self.examples)


def _examples(arrays: Arrays) -> dict[str, KeptCase]:
    if not arrays:
        return {}
    columns = [arrays[name] for name in ("case", "client", "image", "truth", "prediction")]
    regions = tuple(map(str, arrays["region"])) if "region" in arrays else ()
    models = arrays.get("model", np.full(len(columns[0]), GLOBAL_MODEL))
    return {
        str(case): KeptCase(str(client), image, truth, prediction, regions, str(model))
        for case, client, image, truth, prediction, model in zip(*columns, models, strict=True)
    }


def _stored(arrays: Arrays) -> list[ChosenCase]:
    found = []
    names = [arrays[f"chosen_{name}"] for name in ("case", "client", "model", "dice")]
    for which, case, client, model, dice in zip(arrays["chosen"], *names, strict=True):
        planes = {}
        for plane in PLANES:
            key = f"{which}_{plane}"
            if f"{key}_image" in arrays:
                rows, columns = arrays[f"{key}_spacing"]
                truth, prediction = (arrays[f"{key}_{name}"].astype(bool) for name in ("truth", "prediction"))
                image = _to_show(arrays[f"{key}_image"] / 255)
                planes[plane] = Plane(image, truth, prediction, (float(rows), float(columns)))
        regions = tuple(map(str, arrays["region"]))
        of = int(arrays["chosen_of"])
        found.append(ChosenCase(str(which), str(case), str(client), str(model), float(dice), regions, planes, of, True))
    return found


def _of_examples(run: ScoredRun, kept: Mapping[str, KeptCase]) -> list[ChosenCase]:
    examples = {case: example for case, example in kept.items() if example.truth.any()}
    dice: dict[str, list[float]] = {}
    for row in run.all_rows.take(run.all_rows.case.is_in(examples)):
        if row.model == examples[row.case].model:
            dice.setdefault(row.case, []).append(row.values[DICE.name])
    ranked = sorted(dice, key=lambda case: (-float(np.mean(dice[case])), case))
    if not ranked:
        return []
    places = {"best": 0, "worst": len(ranked) - 1, "median": len(ranked) // 2}
    taken = {place: which for which, place in reversed(places.items())}  # of few cases none is shown twice
    found = []
    for which in CHOSEN:
        case = ranked[places[which]]
        if taken[places[which]] == which:
            example, score = examples[case], float(np.mean(dice[case]))
            names = (which, case, example.client, example.model, score, example.regions)
            found.append(ChosenCase(*names, {"picture": example.plane}, of=len(ranked), exact=False))
    return found


def _to_show(image: NDArray[Any]) -> NDArray[Any]:
    """From [1 or 3, H, W] to [H, W] or [H, W, 3]."""
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
