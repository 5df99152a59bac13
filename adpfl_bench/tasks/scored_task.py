"""Scored task: how cases are scored, and where their means are published."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from numpy.typing import NDArray

from adpfl_bench.data.evaluation.evaluation_batch import SPARE, EvaluationBatch
from adpfl_bench.errors import ConfigError, add_note
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.peers import peers
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.records.run_record import ModelBlock
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import mean_score
from adpfl_bench.tasks.calibration_sample import Calibration
from adpfl_bench.tasks.work_behind import WorkBehind

Mask = NDArray[np.bool_]

_Placed = list[tuple[int, CaseScore]]
"""Scores, each with the place of its batch in the evaluation."""


class ScoredTask(LightningModule):
    """The half of a task that evaluates: cases come in batches, and every score is kept with its case.

    Attributes:
        regions: Names of what is scored of a case.
        metrics: What cases are scored by; the first is the main one, which methods are compared by.
        calibration: How far probabilities of test cases are from what came true.
    """

    regions: Sequence[str]
    metrics: Sequence[Metric]

    def __init__(self) -> None:
        super().__init__()
        self._scores: list[CaseScore] = []
        self._places: list[int] = []
        self._behind: WorkBehind[_Placed] = WorkBehind()
        self.calibration = Calibration()

    @property
    def scores(self) -> list[CaseScore]:
        """The scores of the evaluation at hand; it waits for those that are still computed.

        Raises:
            Exception: What was raised while a case was scored.
        """
        self._keep(self._behind.finish())
        return self._scores

    @scores.setter
    def scores(self, scores: list[CaseScore]) -> None:
        self.drop_unfinished()
        self._scores = scores

    @property
    def predicted(self) -> Sequence[str]:
        """Names of what ``predict_step`` brings of a case."""
        return self.regions

    def tolerance(self, region: str) -> float | None:
        """Largest distance between surfaces that scores accept in a region; ``None`` where none do."""
        return None

    def describe_scores(self, model: ModelBlock, scored_round: int | None = None) -> ModelBlock:
        """Return a record's block of the model, saying by what cases are scored.

        A run may be scored again by a later version, or at another tolerance, than when it was trained.

        Args:
            model: The block.
            scored_round: Round whose weights were scored; ``None`` before they are.
        """
        tolerances = {region: self.tolerance(region) for region in self.regions}
        return model.model_copy(
            update={
                "scored_round": scored_round,
                "metrics": tuple(metric.described() for metric in self.metrics),
                "surface_tolerance": {name: value for name, value in tolerances.items() if value is not None},
            }
        )

    @abstractmethod
    def score(self, batch: EvaluationBatch, complete: bool) -> list[Mask] | None:
        """Score a batch's cases by :meth:`add_score`, and return what there is to look at.

        Args:
            batch: Cases of one client, predicted by one model.
            complete: Whether all metrics are asked for, or those alone that are followed over the rounds.

        Returns:
            Masks of the regions of each case, [R, *grid]; ``None`` of a task that predicts no masks.
        """

    def add_score(
        self,
        batch: EvaluationBatch,
        index: int,
        region: str,
        values: Mapping[str, float],
        distance_unit: str = "",
        missed: bool | None = None,
    ) -> None:
        """Add the scores of one region of a batch's case to ``scores``.

        Args:
            batch: The batch.
            index: Position of the case in it.
            region: What was scored.
            values: The scores by their metrics' names.
            distance_unit: Unit of those that are distances.
            missed: Whether exactly one of prediction and truth was empty.
        """
        row = case_score(batch, index, region, values, distance_unit, missed)
        self._keep([*self._behind.finish(), [(batch.place, row)]])

    def add_scores_behind(
        self, batch: EvaluationBatch, find: Callable[[EvaluationBatch, int], list[CaseScore]]
    ) -> None:
        """Add the scores of a batch's cases, which threads compute while the next batch is predicted.

        At most two batches are scored at a time, so that the masks of no more than these are in memory; a volume is a
        batch of its own.

        Args:
            batch: The batch.
            find: Finds the scores of the case at a position of the batch, of which it is given all but the images.

        Raises:
            Exception: What was raised while a case of an earlier batch was scored; a note names the case.
        """
        cases, place = tuple(batch.cases), batch.place
        without_images = replace(batch, image=batch.image.new_empty(0))

        def work() -> _Placed:
            found: _Placed = []
            for index, case in enumerate(cases):
                try:
                    found += [(place, row) for row in find(without_images, index)]
                except Exception as error:
                    add_note(error, f"It was raised while case {case} was scored.")
                    raise
            return found

        self._keep(self._behind.begin(work))

    def drop_unfinished(self) -> None:
        """Forget scores that are still computed, where the evaluation has ended early."""
        self._behind.drop()

    def _keep(self, found: list[_Placed]) -> None:
        for place, row in itertools.chain.from_iterable(found):
            self._places.append(place)
            self._scores.append(row)

    def exchange_scores(self) -> None:
        """Take in the scores of the run's other processes, in the order in which one process would have all.

        Raises:
            PeerLost: Another process has ended.
        """
        scores = self.scores
        self.calibration.exchange()
        if peers().count == 1:
            return
        found = peers().gather(list(zip(self._places, scores, strict=True)))
        placed = sorted((pair for own in found for pair in own if pair[0] != SPARE), key=lambda pair: pair[0])
        self._places, self.scores = [place for place, _ in placed], [score for _, score in placed]

    def predict_step(self, batch: EvaluationBatch, batch_idx: int) -> list[Any]:
        """Predict cases, for the datamodule to write.

        Raises:
            ConfigError: The task cannot.
        """
        raise ConfigError(f"{type(self).__name__} predicts nothing to be written; give it the method predict_step.")

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the evaluation, or the round, before; a round may not be validated."""
        self.scores, self._places = [], []
        self.calibration = Calibration()

    on_train_epoch_start = on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:
        """Score cases: by what is fast while training, by all metrics at the end."""
        self.score(batch, complete=self.trainer.state.fn != "fit")

    def test_step(  # type: ignore[override]  # Lightning hands on whatever it is to callbacks
        self, batch: EvaluationBatch, batch_idx: int
    ) -> list[Mask] | None:
        """Score cases with all metrics, and let callbacks look at the masks of each case, [R, *grid]."""
        return self.score(batch, complete=True)

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Means of the round's validation scores by client and region, and over all; none if it was not validated.

        Where clients have models of their own, ``val_dice`` is the mean over the scores of these, and what the global
        model scored beside them is ``val_dice_global``. Other metrics likewise.
        """
        found = []
        for name, metric, scores in self._published("val", in_rounds=True):
            groups: dict[tuple[str, str], list[int]] = {}
            for row, (owner, region) in enumerate(zip(scores.client.texts(), scores.region.texts(), strict=True)):
                for client in (owner, ALL_CLIENTS):
                    groups.setdefault((client, name), []).append(row)
                    if len(self.regions) > 1:
                        groups.setdefault((client, f"{name}_{region}"), []).append(row)
            means = [(*key, mean_score(scores.take(np.array(rows)), metric)) for key, rows in groups.items()]
            found += [RoundMetric(client, what, mean) for client, what, mean in means if mean is not None]
        return found

    def on_validation_epoch_end(self) -> None:
        """Publish means over all cases, for the progress bar and whatever monitors them."""
        for name, metric, scores in self._published("val", in_rounds=True):
            self._log_mean(name, scores, metric)

    def on_test_epoch_end(self) -> None:
        """Publish means over all cases by metric and region, which ``Trainer.test`` returns."""
        for name, metric, scores in self._published("test"):
            self._log_mean(name, scores, metric, logger=True)  # Trainer.test returns what loggers are given
            for region in self.regions if len(self.regions) > 1 else ():
                self._log_mean(f"{name}_{region}", scores.of_region(region), metric, logger=True)

    def _log_mean(self, name: str, scores: ScoreColumns, metric: Metric, logger: bool = False) -> None:
        if (mean := mean_score(scores, metric)) is not None:
            self.log(name, mean, logger=logger)

    def _published(self, stage: str, in_rounds: bool = False) -> Iterator[tuple[str, Metric, ScoreColumns]]:
        """What means are taken of: the scores of the clients' own models where there are such, and the global one's."""
        scores = ScoreColumns.of(self.scores)
        is_global = scores.model.equals(GLOBAL_MODEL)
        of_global, own = scores.take(is_global), scores.take(~is_global)
        for metric in self.metrics:
            if metric.in_rounds or not in_rounds:
                yield f"{stage}_{metric.name}", metric, own if len(own) else of_global
                if len(own) and len(of_global):
                    yield f"{stage}_{metric.name}_global", metric, of_global


def case_score(
    batch: EvaluationBatch,
    index: int,
    region: str,
    values: Mapping[str, float],
    distance_unit: str = "",
    missed: bool | None = None,
) -> CaseScore:
    """Return the scores of one region of a batch's case; arguments as of :meth:`ScoredTask.add_score`."""
    owners = batch.cases[index], batch.patients[index], batch.client, batch.split
    return CaseScore(*owners, region, values, distance_unit, missed, batch.model)
