"""Trained models: what a run has learned, ready to segment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from adpfl_bench.callbacks.checkpointing import last_checkpoint
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch, EvaluationCase, collate_cases
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.federation import Federation
from adpfl_bench.privacy.noise_key import state_digest
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.running.bare_cli import BareCLI, recorded_words
from adpfl_bench.running.training import run
from adpfl_bench.tasks.segmentation import SegmentationTask


class TrainedModel(BareCLI):
    """A run's model and how it takes images, on whatever hardware is at hand; :meth:`load` says whose model it is.

    Attributes:
        weights: SHA-256 of the weights, in hexadecimal.
    """

    place: Literal["auto", "cpu"] = "auto"
    weights: str

    def before_instantiate_classes(self) -> None:
        """Leave callbacks out, too, which do something to what is trained."""
        super().before_instantiate_classes()
        self.config.trainer.callbacks = None

    def load(self, client: str | None) -> None:
        """Load the global model, or a client's own.

        Raises:
            ConfigError: The task segments nothing.
        """
        if not isinstance(self.model, SegmentationTask):
            raise ConfigError(f"{type(self.model).__name__} segments nothing, so there is nothing to write.")
        assert self._checkpoint is not None
        checkpoint = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(checkpoint["state_dict"])
        if client is not None:
            federation = Federation(self.model, self.config_init["federated"].settings)
            federation.load_state_dict(checkpoint["callbacks"]["FederatedLoop"]["federation"])
            federation.load_model(client)
        self.weights = state_digest(self.model.state_dict())
        self.datamodule.scheme = self.model.scheme
        self._precision: Any = self.trainer.strategy.precision_plugin
        self._device = self.trainer.strategy.root_device
        self.model = self._precision.convert_module(self.model).to(self._device).eval()

    def masks(self, brought: EvaluationCase) -> NDArray[np.bool_]:
        """Predict as ``predict`` does, to the bit: regions [P, *grid]."""
        with torch.inference_mode(), self._precision.predict_step_context():
            found: NDArray[np.bool_] = self.model.predict_step(self._batch(brought), 0)[0]
        return found

    def probabilities(self, brought: EvaluationCase, flips: bool) -> NDArray[np.float32]:
        """Predict the probability of each region, [P, *grid]."""
        with torch.inference_mode(), self._precision.predict_step_context():
            found: NDArray[np.float32] = self.model.probabilities(self._batch(brought), flips)[0]
        return found

    def score(self, batch: EvaluationBatch) -> None:
        """Score a batch's cases by all metrics; they are added to :attr:`scores`."""
        with torch.inference_mode(), self._precision.predict_step_context():
            self.model.score(self._placed(batch), complete=True)

    @property
    def scores(self) -> list[CaseScore]:
        """All that was scored."""
        found: list[CaseScore] = self.model.scores
        return found

    def _placed(self, batch: EvaluationBatch) -> EvaluationBatch:
        batch = batch.to(self._device)
        batch.image = self._precision.convert_input(batch.image)
        return batch

    def _batch(self, brought: EvaluationCase) -> EvaluationBatch:
        return self._placed(collate_cases([brought], [""], [""], "new", "test"))


class TrainedModelOnCpu(TrainedModel):
    """One that stays on the CPU."""

    place = "cpu"


def open_model(
    folder: Path, record: RunRecord, scratch: Path, client: str | None, on_cpu: bool, trust: Sequence[str]
) -> TrainedModel:
    """Make the model of a run as its configuration says, with the weights of its last round.

    Args:
        folder: The run's folder.
        record: Its record.
        scratch: An empty folder.
        client: The client whose own model it is; ``None`` for the global one.
        on_cpu: Whether to leave a GPU alone.
        trust: Modules whose classes the configuration may name beside those of the list.

    Raises:
        BenchError: The configuration or the checkpoint cannot be used.
    """
    words = recorded_words("predict", record.config, last_checkpoint(folder), scratch, trust)
    made = run(words, TrainedModelOnCpu if on_cpu else TrainedModel)
    assert isinstance(made, TrainedModel)
    made.load(client)
    return made


def check_client(folder: Path, record: RunRecord, client: str | None) -> None:
    """Check that a client is named where the clients have models of their own, and only there.

    Raises:
        ConfigError: Which clients there are.
    """
    own = record.federated.headline not in (None, "global")
    names = [name for name in record.data.clients if name not in record.federated.held_out_clients]
    if own and client not in names:
        given = "none was given" if client is None else f"{client!r} is none of them"
        raise ConfigError(
            f"The clients of {folder} have models of their own ({record.method}): say whose with --client; possible are"
            f" {', '.join(names)}, but {given}."
        )
    if client is not None and not own:
        raise ConfigError(f"The clients of {folder} share one model ({record.method}); leave --client out.")
