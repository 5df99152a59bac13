"""Public geometry as a Trainer callback: phantoms say how large the numbers of a gradient are, before it is clipped."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from adpfl_bench.callbacks.checkpoint_blocks import reading_block
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.phantom_callback import PhantomCallback
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.public_scales import PublicScales, inverse_moments
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks.federated_task import FederatedTask

_BUDGET = 256 * 2**20  # bytes for a chunk of phantoms


class PhantomGeometry(PhantomCallback):
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

    names = ("cases", "refresh", "power", "damping", "seed")

    def __init__(
        self, cases: int = 64, refresh: int = 2, power: float = 0.5, damping: float = 0.01, seed: int = 424242
    ) -> None:
        super().__init__(cases, refresh, seed)
        if not 0 <= power <= 1 or not damping > 0:
            raise ConfigError(
                "PhantomGeometry.power must lie in [0, 1] and damping must be greater than 0, but they are"
                f" {power} and {damping}."
            )
        self.power = power
        self.damping = damping
        self._scales = PublicScales()
        self._restored: list[Tensor] = []

    def use_engine(self, privacy: DifferentialPrivacy, task: FederatedTask) -> None:
        """Find whose gradients are scaled."""
        self._scales = privacy.engine.scales
        self._scales.use([], self.settings)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave gradients as they are."""
        if stage == "fit":
            self._scales.use([], {})

    def measure(self, task: FederatedTask) -> None:
        """Measure mean squares, and scale gradients by them from now on."""
        self._restored = []
        units = UnitGradients(task, task.example_losses, _BUDGET)
        with self.own_chance():
            moments = units.mean_squares(*self.examples(task))
        self._scales.use(inverse_moments(moments, self.power, self.damping), self.settings)

    def restore(self, task: FederatedTask) -> None:
        """Use the scales of a checkpoint."""
        if self._restored:
            scales, self._restored = [scale.to(task.device) for scale in self._restored], []
            self._scales.use(scales, self.settings)

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
