"""Public subspace as a Trainer callback: gradients are released along directions of phantoms, and beside them."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from adpfl_bench.callbacks.checkpoint_blocks import reading_block
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.phantom_callback import PhantomCallback
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.privacy.public_subspace import NO_RESIDUAL, PublicSubspace, SubspaceParts, leading_directions
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks.federated_task import FederatedTask

_BUDGET = 256 * 2**20  # bytes for a chunk of phantoms


class PhantomSubspace(PhantomCallback):
    """Releases private gradients in two parts: along the leading directions of phantom gradients, and beside them.

    Every ``refresh`` rounds the leading directions of phantom gradients are found at the global weights of the moment.
    From then on a unit's gradient g is split into its embedding, along the directions, which is clipped to the
    threshold C, and its residual, which is clipped to ``residual_share`` of C. The embedding has few dimensions and so
    little noise; the residual has many, but noise in proportion to its small threshold. What phantoms don't know is in
    the residual, and may be learned with a step size of its own. Both are one release with one entry of the ledger: its
    noise multiplier is that of the method, of which the residual takes ``residual_budget``. Phantoms are public and
    weights are released, so the directions cost no epsilon. A threshold rule learns from norms of the embeddings.

    Only the weights that directions were found at are in a checkpoint; a run that goes on finds them again.

    Source: gradient embedding perturbation, GEP (Yu et al. 2021, arXiv 2102.12677, Algorithm 1); without a residual,
    projected DP-SGD (Zhou et al. 2020, arXiv 2007.03813). Recommended: ``normalize: true``, plain SGD at the clients,
    50 to 300 directions of at least as many phantoms. Costs: the phantoms' gradients at every refresh, and two products
    of each unit's gradient with the directions.

    Args:
        dimensions: Number of directions, at least 1.
        cases: Number of phantom cases, at least ``dimensions``.
        refresh: Rounds between two measurements, at least 1.
        residual: Whether residuals are released too.
        residual_share: Threshold of the residual as a share of C, greater than 0.
        residual_budget: Share of the privacy budget that residuals take, in (0, 1). With one half, as in the paper,
            the noise of each part is sqrt(2) times what it would be alone.
        residual_rate: What released residuals are multiplied by, at least 0.
        seed: Seed of the phantoms: another one than that of phantoms that weights were made on.

    Raises:
        ConfigError: A number is out of range, the gradients would not fit into ``privacy.memory_budget``, or the run is
            none that directions can be public in.
    """

    names = (
        "dimensions",
        "cases",
        "refresh",
        "residual",
        "residual_share",
        "residual_budget",
        "residual_rate",
        "seed",
    )

    def __init__(
        self,
        dimensions: int = 100,
        cases: int = 256,
        refresh: int = 2,
        residual: bool = True,
        residual_share: float = 0.2,
        residual_budget: float = 0.5,
        residual_rate: float = 1.0,
        seed: int = 424242,
    ) -> None:
        super().__init__(cases, refresh, seed)
        if not 1 <= dimensions <= cases:
            raise ConfigError(
                "PhantomSubspace.dimensions must be at least 1, and at most the number of cases, whose gradients span"
                f" no more directions, but they are {dimensions} and {cases}."
            )
        if not 0 < residual_share < math.inf or not 0 < residual_budget < 1 or not 0 <= residual_rate < math.inf:
            raise ConfigError(
                "PhantomSubspace.residual_share must be greater than 0, residual_budget in (0, 1) and residual_rate at"
                f" least 0, but they are {residual_share}, {residual_budget} and {residual_rate}."
                " Without residuals: residual: false."
            )
        self.dimensions = dimensions
        self.residual = residual
        self.residual_share = residual_share
        self.residual_budget = residual_budget
        self.residual_rate = residual_rate
        self._subspace = PublicSubspace()
        self._weights: list[Tensor] = []

    def use_engine(self, privacy: DifferentialPrivacy, task: FederatedTask) -> None:
        """Find whose gradients are split.

        Raises:
            ConfigError: The mechanism is none that this is proved for, or memory would not do.
        """
        mechanism = privacy.mechanism
        if mechanism is not None and (mechanism.norm != "l2" or mechanism.trust != "server"):
            what = "clips in the L1 norm" if mechanism.norm != "l2" else "relies on a trusted sum"
            raise ConfigError(
                f"PhantomSubspace is proved for mechanisms that clip in the L2 norm and trust nobody, but"
                f" {type(mechanism).__name__} {what}: use GaussianMechanism, or leave PhantomSubspace out."
            )
        numbers = sum(parameter.numel() for parameter in _trained(task))
        needed = (self.cases + self.dimensions) * numbers * 4 / 2**20
        if needed > privacy.memory_budget:
            raise ConfigError(
                f"PhantomSubspace holds gradients of {self.cases} phantoms and {self.dimensions} directions in"
                f" {numbers} trained numbers, {needed:.0f} MiB, but privacy.memory_budget is"
                f" {privacy.memory_budget:g}: take fewer of them, freeze layers (model.frozen), or raise it."
            )
        parts = SubspaceParts(self.residual_share, self.residual_budget, self.residual_rate)
        self._subspace = privacy.engine.subspace
        self._subspace.announce(parts if self.residual else NO_RESIDUAL, self.settings)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave gradients whole."""
        if stage == "fit":
            self._subspace.announce(NO_RESIDUAL, {})

    def measure(self, task: FederatedTask) -> None:
        """Find the directions at the weights that the task has."""
        self._weights = [parameter.detach().cpu().clone() for parameter in _trained(task)]
        units = UnitGradients(task, task.example_losses, _BUDGET)
        image, label = self.examples(task)
        with self.own_chance():
            rows = units.gradients(image, label, torch.arange(len(image)))
        self._subspace.use(leading_directions(rows, self.dimensions), _trained(task))

    def restore(self, task: FederatedTask) -> None:
        """Find directions again at the weights that a checkpoint has of them.

        Raises:
            CheckpointError: They are those of another network.
        """
        if self._subspace.basis is not None or not self._weights:
            return
        parameters = _trained(task)
        if [weight.shape for weight in self._weights] != [parameter.shape for parameter in parameters]:
            raise CheckpointError(
                "The checkpoint's block callbacks.PhantomSubspace has weights of other shapes than those that are"
                " trained: go on with the network and model.frozen that the run had."
            )
        own, then = [parameter.detach().clone() for parameter in parameters], self._weights
        with torch.no_grad():
            for parameter, weight in zip(parameters, then, strict=True):
                parameter.copy_(weight)
            self.measure(task)
            for parameter, weight in zip(parameters, own, strict=True):
                parameter.copy_(weight)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights that directions were found at, and when."""
        return {"weights": self._weights, "measured": self._measured}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the weights until directions are needed.

        Raises:
            CheckpointError: They are none.
        """
        with reading_block("callbacks.PhantomSubspace"):
            weights, measured = state_dict["weights"], state_dict["measured"]
            if not isinstance(weights, list) or not all(isinstance(weight, Tensor) for weight in weights):
                raise ValueError("the weights that directions were found at are no tensors")
            if not all(bool(torch.isfinite(weight).all()) for weight in weights):
                raise ValueError("the weights that directions were found at are not finite")
            self._weights, self._measured = weights, None if measured is None else int(measured)


def _trained(task: FederatedTask) -> list[Tensor]:
    return [parameter for parameter in task.parameters() if parameter.requires_grad]
