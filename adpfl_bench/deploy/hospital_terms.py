"""Terms of a hospital: what it checks of a run before it takes part, and of a request before it does anything."""

from __future__ import annotations

from collections.abc import Mapping

import adpfl_bench
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.data.rounds.training_plan import ClientCounts
from adpfl_bench.deploy.deployment_files import HospitalFile, PrivacyFloor
from adpfl_bench.deploy.messages import Request, StatedCounts
from adpfl_bench.deploy.refusal import Refusal
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.accounting import client_epsilon


def check_deployable(settings: FederatedSettings) -> None:
    """Refuse what only a simulation can do.

    Raises:
        Refusal: As above.
    """
    method = type(settings.client_method)
    if not method.can_be_deployed():
        raise Refusal(
            f"{method.__name__} keeps a state (state_dict) and does not say what of it travels, so that it cannot be"
            " deployed: give it broadcast, take_broadcast, sent_by and receive, as ClientMethod describes them."
        )
    senseless = {
        "federated.pooled": settings.pooled,
        "federated.fine_tuning_epochs": settings.schedule.fine_tuning_epochs > 0,
        f"federated.client_method {method.__name__}, by which nobody sends anything": (
            "shared" not in settings.schedule.turns
        ),
        "federated.dropout": bool(settings.schedule.dropout),
        "federated.straggling": bool(settings.schedule.straggling),
    }
    for name, given in senseless.items():
        if given:
            raise Refusal(f"{name} is for simulations, and cannot be deployed: leave it out of the configuration.")


def check_addressed(request: Request, file: HospitalFile, configuration: str) -> None:
    """Refuse a request that is not for this hospital, or is made under another configuration.

    Raises:
        Refusal: As above.
    """
    if request.hospital != file.name:
        raise Refusal(
            f"A request for hospital {request.hospital} came to {file.name}; let the node that has this hospital's home"
            " be known by its name."
        )
    if request.version != adpfl_bench.__version__:
        raise Refusal(
            f"The server has adpfl-bench {request.version}, and hospital {file.name} has {adpfl_bench.__version__};"
            " install the same version on both sides."
        )
    if request.configuration != configuration:
        raise Refusal(
            f"The server's configuration ({request.configuration[:8]}) is not the one that hospital {file.name} has"
            f" agreed to ({configuration[:8]}); nothing is done under another. Use the same files on both sides."
        )


def check_noise(privacy: DifferentialPrivacy, file: HospitalFile) -> None:
    """Refuse a run whose noise could be taken off, and one that protects less than the hospital asks for.

    Raises:
        Refusal: As above.
    """
    private = privacy.unit != "none"
    if private and not privacy.secure and file.test_noise is None:
        raise Refusal(
            f"The run's noise follows from its seed (privacy.secure: false), and whoever knows that can take it off;"
            f" hospital {file.name} takes part with privacy.secure: true alone."
        )
    if private and privacy.secure and file.test_noise is not None:
        raise Refusal(
            f"Hospital {file.name} has a key of repeatable noise (test_noise), for tests of runs without"
            " privacy.secure; it is refused where noise is to be secret."
        )
    if private and privacy.mechanism is not None and privacy.mechanism.trust == "sum":
        raise Refusal(
            "The run's noise is that of a trusted sum, which a deployment does not have: the server sees what each"
            f" hospital sends, and hospital {file.name} would send it with too little noise. Use GaussianMechanism."
        )
    if private and privacy.sampling == "fixed":
        raise Refusal(
            "The run's noise is correlated from step to step (privacy.sampling: fixed), which needs every step of a"
            " hospital to be made; a deployment does not promise that. Use shuffle or poisson."
        )
    floor = file.require
    if floor is not None and not floor.admits(privacy.unit):
        raise Refusal(
            f"Hospital {file.name} requires privacy of the unit {floor.unit}, but the run's unit is {privacy.unit}; no"
            " weaker one is admitted."
        )


def check_epsilon(
    floor: PrivacyFloor, name: str, privacy: DifferentialPrivacy, schedule: RoundSchedule, units: Mapping[str, int]
) -> float:
    """Refuse a run that would come to more than the hospital admits; returns what it comes to there.

    Args:
        floor: What it admits.
        name: The hospital.
        privacy: The run's privacy, whose noise is settled.
        schedule: Who takes part in which round.
        units: Units of every hospital.

    Raises:
        Refusal: As above.
    """
    if (reason := privacy.accounted.reason) is not None:
        raise Refusal(
            f"Hospital {name} requires epsilon of at most {floor.epsilon:g}, but nothing is proved of this run:"
            f" {reason}."
        )
    plan, noise, delta = privacy.engine.plan, privacy.noise_multiplier, floor.delta or privacy.delta
    assert plan is not None
    assert noise is not None
    visits = [
        visit
        for index in range(schedule.total_rounds)
        for visit in schedule.visits(index, list(units))
        if visit.client == name
    ]
    planned = plan.events(noise, units, {visit: visits.count(visit) for visit in dict.fromkeys(visits)})
    epsilon = client_epsilon(planned.get(name, {}), delta)
    if epsilon > floor.epsilon:
        raise Refusal(
            f"Hospital {name} requires epsilon of at most {floor.epsilon:g} at delta {delta:g}, but the run would come"
            f" to {epsilon:.4g} there; ask for more noise or fewer rounds."
        )
    return epsilon


def check_roster(roster: Mapping[str, StatedCounts], file: HospitalFile, own: StatedCounts) -> None:
    """Refuse a list of hospitals that states another number of this one's examples than it has.

    Raises:
        Refusal: As above.
    """
    if roster.get(file.name) != own:
        raise Refusal(
            f"The server's list of hospitals states {roster.get(file.name)} of {file.name}, which has {own}: its data"
            " have changed since it said hello, or the list is another run's. Start the run anew."
        )


def check_turn(request: Request, name: str, schedule: RoundSchedule, completed: int) -> None:
    """Refuse a round that the schedule does not have for this hospital, or that it has made already.

    Args:
        request: The request, of the kind ``train``.
        name: The hospital.
        schedule: Who takes part in which round.
        completed: Rounds that are over for this hospital.

    Raises:
        Refusal: As above.
    """
    if not 1 <= request.round <= schedule.rounds:
        raise Refusal(
            f"Round {request.round} was asked for, but the configuration has {schedule.rounds} rounds: hospital {name}"
            " releases nothing beyond them."
        )
    if request.round <= completed:
        raise Refusal(
            f"Round {request.round} was asked for again in other words, but hospital {name} has made it and releases"
            " nothing for it a second time; the same request gets the same answer."
        )
    if name not in schedule.participants(request.round - 1, list(request.roster)):
        raise Refusal(
            f"Round {request.round} was asked for, but the schedule of the run does not draw hospital {name} for it, so"
            " that it trains in others."
        )


def elsewhere(roster: Mapping[str, StatedCounts], name: str) -> dict[str, ClientCounts]:
    """Return the other hospitals with what they state."""
    return {other: ClientCounts(own.examples, own.units) for other, own in roster.items() if other != name}
