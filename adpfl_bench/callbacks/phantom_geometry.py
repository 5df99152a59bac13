"""Public geometry as a Trainer callback: phantoms say how large the numbers of a gradient are, before it is clipped."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from adpfl_bench.callbacks.checkpoint_blocks import reading_block
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import federated_data, need_callback, need_task
from adpfl_bench.data.phantom_examples import phantom_examples
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.peers import peers
from adpfl_bench.privacy.public_scales import PublicScales, inverse_moments
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks.federated_task import FederatedTask

_BUDGET = 256 * 2**20  # bytes for a chunk of phantoms


class PhantomGeometry(Callback):
    """Scales each number of a private gradient by what phantoms say of its size, before the gradient is clipped.

    Every ``refresh`` rounds the mean squares v of phantom gradients are measured at the global weights of the moment,
    and from then on units' gradients are multiplied by ``(v / mean(v) + damping)^-power`` before they are clipped. So
    directions in which gradients are small are not drowned by noise of the same scale in all of them, and a step is
    that of an adaptive optimizer whose moments are public. Phantoms are public and weights are released, so it costs
    no epsilon.

    Source: AdaDPS (Li et al. 2022, arXiv 2202.05963, Algorithm 1 with public side information). Recommended: a power of
    1/4 to 1/2, plain SGD at the clients. Costs: the phantoms' gradients at every refresh.

    Args:
        cases: Number of phantom cases, at least 1.
        refresh: Rounds between two measurements, at least 1.
        power: 1/2 makes all numbers equally large, 0 changes nothing; in [0, 1].
        damping: What is added to v, in units of its mean, greater than 0.
        seed: Seed of the phantoms: another one than that of phantoms that weights were made on.

    Raises:
        ConfigError: A number is out of range, or the run is none that scales can be public in.
    """

    def __init__(
        self, cases: int = 64, refresh: int = 2, power: float = 0.5, damping: float = 0.01, seed: int = 424242
    ) -> None:
        if cases < 1 or refresh < 1:
            raise ConfigError(
                f"PhantomGeometry.cases and refresh must be at least 1, but they are {cases} and {refresh}."
            )
        if not 0 <= power <= 1 or not damping > 0:
            raise ConfigError(
                "PhantomGeometry.power must lie in [0, 1] and damping must be greater than 0, but they are"
                f" {power} and {damping}."
            )
        self.cases = cases
        self.refresh = refresh
        self.power = power
        self.damping = damping
        self.seed = seed
        self._scales = PublicScales()
        self._phantoms: Example | None = None
        self._measured: int | None = None
        self._restored: list[Tensor] = []

    @property
    def settings(self) -> dict[str, Any]:
        """What the scales follow from beside the weights."""
        return {name: getattr(self, name) for name in ("cases", "refresh", "power", "damping", "seed")}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find whose gradients are scaled, and make the phantoms.

        Raises:
            ConfigError: As the class says.
        """
        if stage != "fit":
            return
        privacy, settings = need_callback(trainer, DifferentialPrivacy), need_callback(trainer, FederatedLoop).settings
        if privacy.unit not in ("record", "patient"):
            raise ConfigError(
                f"PhantomGeometry scales the gradients of units, but privacy.unit is {privacy.unit}: use record or"
                " patient, or leave it out."
            )
        if settings.local_parameters or settings.schedule.turns != ("shared",) or settings.schedule.fine_tuning_epochs:
            raise ConfigError(
                "PhantomGeometry measures at the global weights, but clients have parameters or models of their own"
                " here: leave it out."
            )
        if peers().count > 1:
            raise ConfigError(
                f"PhantomGeometry measures in one process, but {peers().count} share the run: set trainer.devices: 1."
            )
        self._scales = privacy.engine.scales
        self._scales.use([], self.settings)
        self._phantoms, self._measured = phantom_examples(federated_data(trainer), self.cases, self.seed), None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave gradients as they are."""
        if stage == "fit":
            self._scales.use([], {})

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Measure at the first step of a round that is due; before it the network has the global weights."""
        task = need_task(pl_module)
        if self._restored:
            scales, self._restored = [scale.to(task.device) for scale in self._restored], []
            self._scales.use(scales, self.settings)
        due = trainer.current_epoch - trainer.current_epoch % self.refresh
        if self._measured is None or self._measured < due:
            self._measured = trainer.current_epoch
            self._scales.use(self._measure(task), self.settings)

    def _measure(self, task: FederatedTask) -> list[Tensor]:
        assert self._phantoms is not None
        image, label = (part.to(task.device) for part in self._phantoms)
        image = image.to(next(task.parameters()).dtype)
        units = UnitGradients(task, task.example_losses, _BUDGET)
        with torch.random.fork_rng():
            flat = units.mean_squares(image, label)
        return inverse_moments(flat, self.power, self.damping)

    def state_dict(self) -> dict[str, Any]:
        """Return the scales."""
        return {"scales": self._scales.state() or self._restored, "measured": self._measured}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the scales until the module is on its device.

        Raises:
            CheckpointError: They are none.
        """
        with reading_block("callbacks.PhantomGeometry"):
            scales = state_dict["scales"]
            if not isinstance(scales, list) or not all(isinstance(scale, Tensor) for scale in scales):
                raise ValueError("the scales are no tensors")
            self._restored, self._measured = (
                scales,
                None if state_dict["measured"] is None else int(state_dict["measured"]),
            )
