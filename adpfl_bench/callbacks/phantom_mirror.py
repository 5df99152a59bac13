"""Mirror descent on phantoms as a Trainer callback: their gradients are mixed into what private ones released."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import federated_data, need_callback, need_task
from adpfl_bench.data.phantom_examples import phantom_examples
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.privacy.public_mirror import MirrorPlan, PublicMirror


class PhantomMirror(Callback):
    """Mixes gradients of phantoms into private gradients after they were released: mirror descent on phantoms.

    In round t a client steps along ``a g + (1 - a) p``, ``a = max(least, cos(pi t / (2 horizon)))``. Here g is its
    private gradient as released, and p the mean over ``batch_size`` phantoms of their gradients at its weights of the
    moment, each clipped as a unit's is: so directions that phantoms know are followed with less noise, the more the
    further the run is. It is post-processing of what was released and costs no epsilon. Which phantoms a step has
    follows from seed, round, client and step, so that it is the same in every process and after an interruption.

    Source: PDA-DPMD (Amid et al. 2022, arXiv 2112.00193), to first order. Recommended: phantoms near to the data, and a
    horizon of twice the rounds or more. Costs: the phantoms' gradients at every step.

    Args:
        cases: Number of phantom cases, at least 1.
        batch_size: Phantom examples of a step, at least 1; all of them where there are fewer.
        horizon: Round at which private gradients would count for nothing, but for ``least``; at least 1.
        least: What private gradients count for at least, in [0, 1]; 1 leaves the run as it is.
        seed: Seed of the phantoms: another one than that of phantoms that weights were made on.

    Raises:
        ConfigError: A number is out of range, or nothing of single units is released.
    """

    def __init__(
        self, cases: int = 64, batch_size: int = 32, horizon: int = 80, least: float = 0.5, seed: int = 424242
    ) -> None:
        if min(cases, batch_size, horizon) < 1:
            raise ConfigError(
                "PhantomMirror.cases, batch_size and horizon must be at least 1, but they are"
                f" {cases}, {batch_size} and {horizon}."
            )
        if not 0 <= least <= 1:
            raise ConfigError(
                f"PhantomMirror.least is a share of private gradients and must lie in [0, 1], but it is {least}."
            )
        self.cases = cases
        self.batch_size = batch_size
        self.horizon = horizon
        self.least = least
        self.seed = seed

    @property
    def statement(self) -> str:
        """What is done to releases, for a record."""
        return (
            f"PhantomMirror: private gradients, as released, mixed with gradients of {self.cases} phantom cases (seed"
            f" {self.seed}, {self.batch_size} examples a step); in round t they count for"
            f" cos(pi t / {2 * self.horizon}), and at least {self.least:g}"
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the phantoms, and let them be mixed in from now on.

        Raises:
            ConfigError: As the class says.
        """
        if stage != "fit":
            return
        privacy, _ = need_callback(trainer, DifferentialPrivacy), need_callback(trainer, FederatedLoop)
        if privacy.unit not in ("record", "patient") or privacy.mechanism is None:
            raise ConfigError(
                f"PhantomMirror mixes into what units have released, but privacy.unit is {privacy.unit}: use record or"
                " patient, or leave it out."
            )
        task, examples = need_task(pl_module), self.make_phantoms(trainer)
        plan = MirrorPlan(
            examples, min(self.batch_size, len(examples.image)), self.horizon, self.least, self.seed, self.cases
        )
        how = privacy.engine.scales, privacy.mechanism.norm, privacy.normalize
        privacy.engine.mirror = PublicMirror(plan, task, task.example_losses, *how)

    def make_phantoms(self, trainer: Trainer) -> Example:
        """Make the phantoms: images [N, C, *spatial] and labels [N, ...]."""
        return phantom_examples(federated_data(trainer), self.cases, self.seed)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave gradients as they are."""
        if stage == "fit":
            need_callback(trainer, DifferentialPrivacy).engine.mirror = None
