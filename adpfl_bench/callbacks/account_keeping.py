"""Keeping of an account from a run's start to its end."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer

from adpfl_bench.callbacks.run_books import RunBooks
from adpfl_bench.callbacks.run_guarantee import GuaranteeKeeping
from adpfl_bench.callbacks.run_reservation import RunReservation


class AccountKeeping(GuaranteeKeeping):
    """Base of the callback that releases under an account: asks it, stops where nothing is proved, and settles.

    Attributes:
        reservation: Connects the run with the account of its cohort.
        run_books: Connects it with its books.
    """

    reservation: RunReservation
    run_books: RunBooks

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See what has become of the guarantee, and stop a run that has an account and no guarantee any more."""
        super().on_train_epoch_start(trainer, pl_module)
        self.reservation.check()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count in the account what was really released, unless the run goes on in another fit."""
        if self.reservation.goes_on:
            self.reservation.leave()
        else:
            self.reservation.settle(self.run_books.run)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keep what the account has promised for the run's continuation."""
        self.reservation.leave()
