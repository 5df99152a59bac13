"""Plan of a run for its datamodule, from the federation's and the method's settings."""

from __future__ import annotations

from adpfl_bench.callbacks.asked_round import AskedRound
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.fixed_places import FixedPlaces
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.tasks.federated_task import FederatedTask


def run_plan(
    settings: FederatedSettings,
    privacy: DifferentialPrivacy,
    task: FederatedTask,
    training: bool,
    canaries: Canaries | None,
    asked: AskedRound | None = None,
) -> TrainingPlan:
    """Make the plan of a fit, or of an evaluation, which trains nobody."""
    return TrainingPlan(
        settings.schedule if training else None,
        settings.pooled,
        settings.held_out_clients,
        settings.scored_models(task),
        by_patient=privacy.unit == "patient",
        poisson=privacy.engine.clips_units and privacy.sampling == "poisson",
        places=FixedPlaces(settings.schedule) if privacy.engine.clips_units and privacy.sampling == "fixed" else None,
        units_per_step=privacy.units_per_step,
        canaries=canaries,
        draws=privacy.draws(settings.schedule.seed),
        views=privacy.views,
        elsewhere=asked.elsewhere if asked is not None else {},
        only_round=asked.round if asked is not None else None,
    )
