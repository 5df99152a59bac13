"""Guarantee of a run from its start to its end: decided, looked after, and remembered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from adpfl_bench.callbacks.privacy_parts import gather
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.privacy.guarantee import Guarantee, PrivacySetting, guarantee
from adpfl_bench.privacy.network_watch import NetworkWatch
from adpfl_bench.tasks.federated_task import FederatedTask


class RunGuarantee:
    """What a proof supports of a run; from the run's start on it can only become less.

    Attributes:
        found: The guarantee as it stands.
        setting: The method's own part of what the proof must know.
        watch: Looks for what changes in the network without noise; ``None`` before a private run is decided on.

    Args:
        setting: The method's own part of what the proof must know; of an unprepared run it is all that is known.
    """

    def __init__(self, setting: PrivacySetting) -> None:
        self.found = guarantee(setting)
        self.watch: NetworkWatch | None = None
        self.setting = setting
        self._look: Callable[..., PrivacySetting] | None = None

    def decide(
        self, trainer: Trainer, task: FederatedTask, federation: FederatedSettings, datamodule: FederatedDataModule
    ) -> None:
        """Decide on a federated run that is about to start."""
        self.decide_by(task, partial(gather, self.setting, trainer, task, federation, datamodule))

    def decide_by(self, module: nn.Module, look: Callable[..., PrivacySetting]) -> None:
        """Decide on a run of a module; ``look(started=...)`` gathers what the proof must know."""
        self._look = look
        self.found = guarantee(look(started=False))
        self.watch = NetworkWatch(module, self.withdraw)

    def start(self) -> None:
        """See what training starts with, and watch it from now on."""
        self.review()
        if self.watch is not None:
            self.watch.start()

    def review(self) -> None:
        """See what the run is made of now."""
        if self._look is not None:
            for reason in guarantee(self._look(started=True)).reasons:
                self.withdraw(reason)

    def end(self) -> None:
        """Let go of Trainer and network."""
        self._look = self.watch = None

    def withdraw(self, reason: str) -> None:
        """Claim nothing for this run from now on, also where it is resumed, and say so."""
        if not self.found.reasons:
            self.found = self.found.withdrawn(reason)
            warnings.warn(f"No epsilon is accounted for this run any more: {reason}.", stacklevel=2)

    def state_dict(self) -> dict[str, list[str]]:
        """Return what must not be forgotten, as plain lists."""
        return self.found.state_dict()

    def load_state_dict(self, state: Mapping[str, Sequence[str]]) -> None:
        """Go on from an earlier part of the run; what was withdrawn then stays withdrawn."""
        self.found = self.found.with_earlier(Guarantee.restored(state))


class GuaranteeKeeping(Callback):
    """Base of the callback that has a guarantee: looks after it from round to round.

    Attributes:
        guarantee: What a proof supports of the run.
    """

    guarantee: RunGuarantee

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See what training starts with."""
        self.guarantee.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See what has become of it."""
        self.guarantee.review()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of Trainer and network."""
        if stage == "fit":
            self.guarantee.end()
