"""Trained models: what runs have learned, ready to segment."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch, EvaluationCase, collate_cases
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.federation.federation import Federation
from adpfl_bench.privacy.noise_key import state_digest
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.running.bare_cli import BareCLI, recorded_words
from adpfl_bench.running.model_source import ModelSource
from adpfl_bench.running.training import run
from adpfl_bench.tasks.segmentation import SegmentationTask
from adpfl_bench.tasks.weight_checks import check_weights


class TrainedModel(BareCLI):
    """A model and how it takes images, on whatever hardware is at hand; :meth:`load` says whose model it is.

    Attributes:
        weights: SHA-256 of the weights, in hexadecimal.

    Args:
        command: As of BenchCLI, as are the next two.
        arguments: See above.
        hold: See above.
        exported: Whether the checkpoint is the file of weights of a bundle.
        place: What it may compute on.
    """

    weights: str

    def __init__(
        self,
        command: str,
        arguments: Sequence[str],
        hold: ExitStack,
        exported: bool = False,
        place: Literal["auto", "cpu"] = "auto",
    ) -> None:
        self._exported, self.place = exported, place
        super().__init__(command, arguments, hold)

    def before_instantiate_classes(self) -> None:
        """Leave callbacks out, too, which do something to what is trained."""
        super().before_instantiate_classes()
        self.config.trainer.callbacks = None

    def _find_checkpoint(self, given: str | None) -> str | None:
        return given if self._exported else super()._find_checkpoint(given)

    def load(self, client: str | None) -> None:
        """Load the global model, or a client's own.

        Raises:
            ConfigError: The task segments nothing.
            CheckpointError: The weights are not those of the model.
        """
        if not isinstance(self.model, SegmentationTask):
            raise ConfigError(f"{type(self.model).__name__} segments nothing, so there is nothing to write.")
        assert self._checkpoint is not None
        if self._exported:
            self.model.load_state_dict(self._exported_weights(Path(self._checkpoint)))
        else:
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

    def _exported_weights(self, path: Path) -> dict[str, torch.Tensor]:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            check_weights(state, self.model.network)
        except Exception as error:  # torch.load raises whatever its file makes it stumble over
            raise CheckpointError(f"{path} cannot be read as the model's weights: {error}") from error
        return {f"network.{name}": value for name, value in state.items()}

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


def open_model(source: ModelSource, scratch: Path, on_cpu: bool, trust: Sequence[str]) -> TrainedModel:
    """Make a model as its configuration says, with its weights.

    Args:
        source: Where it comes from.
        scratch: An empty folder.
        on_cpu: Whether to leave a GPU alone.
        trust: Modules whose classes the configuration may name beside those of the list.

    Raises:
        BenchError: The configuration or the weights cannot be used.
    """
    words = recorded_words("predict", source.config, source.weights, scratch, trust)
    exported = source.kind == "exported model"
    made = run(words, partial(TrainedModel, exported=exported, place="cpu" if on_cpu else "auto"))
    assert isinstance(made, TrainedModel)
    made.load(source.client)
    if source.digest not in (None, made.weights):
        raise CheckpointError(
            f"{source.weights} holds other weights than {source.folder} states; export the model again."
        )
    return made
