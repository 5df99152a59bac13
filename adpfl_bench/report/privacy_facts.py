"""Facts of what a private method is going to do, as sentences for a terminal."""

from collections.abc import Mapping, Sequence

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.privacy_record import SECRET_NOISE, SEEDED_NOISE
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.records.protected import MEANINGS, Protected, group_text, unit_text
from adpfl_bench.text import count

_LISTED_CLIENTS = 12
_TRUSTS = {
    "server": "nobody: the server sees what each client sends, and epsilon holds against it",
    "sum": "a sum: epsilon holds where nobody sees more of a round than the sum over its clients, some of them honest",
}


def privacy_facts(
    method: DifferentialPrivacy, schedule: RoundSchedule, units: Mapping[str, int], per_step: int
) -> dict[str, str]:
    """Say what a method is going to do, by what each sentence is about.

    Args:
        method: The method, with its noise settled.
        schedule: Who takes part in which round.
        units: Number of units by client.
        per_step: Units of a step.
    """
    if len(units) > _LISTED_CLIENTS:
        listed = f"{len(units)} with {min(units.values())} to {max(units.values())}"
    else:
        listed = ", ".join(f"{name} {number}" for name, number in units.items())
    facts = {
        "schedule": _schedule(schedule, list(units)),
        "clients": f"{listed} training {method.units.counted}s",
    }
    if method.threshold is None or method.mechanism is None or method.engine.sums is None:
        return {"unit": "none", **facts}
    described, noise = method.describe(), method.engine.sums
    word = method.units.word
    assert word is not None
    norm = str(described.clipping_norm).upper()
    solved = f"solved for epsilon {method.target_epsilon:g}" if method.target_epsilon is not None else "as given"
    share = method.threshold.budget_share(method.mechanism, noise.noise_multiplier)
    statistic = f"the threshold's statistic {noise.statistic_multiplier:.4g} ({share:.1%} of the budget)"
    whole = "all of the budget for the sum; the threshold has no statistic"
    return {
        "unit": f"{unit_text(method.unit, word)}: {MEANINGS[word]}",
        "person": _person(method, word),
        "adjacency": f"{described.adjacency}: a neighbour has the unit's contribution replaced by nothing",
        "threshold": str(described.threshold),
        "mechanism": f"{described.mechanism}, contributions clipped in {norm} norm",
        "trust": _TRUSTS[method.mechanism.trust],
        "noise": f"z = {noise.noise_multiplier:.4g}, {solved}; {SECRET_NOISE if method.secure else SEEDED_NOISE}",
        "split": f"sum {noise.sum_multiplier:.4g}, {statistic}" if share else whole,
        "sampling": _sampling(method, units, per_step),
        **facts,
        "delta": f"{method.delta:g}",
    }


def _person(method: DifferentialPrivacy, word: Protected) -> str:
    most = method.units.most_per_person
    if most is None or most == 1:
        return group_text(most, None, word)
    return f"a person has up to {most} of these; run.json states what they get together"


def _schedule(schedule: RoundSchedule, clients: Sequence[str]) -> str:
    drawn = len(schedule.drawn(0, clients))
    steps = schedule.local_steps
    length = count(steps, "local step") if steps else count(schedule.local_epochs, "local epoch")
    turns = " and ".join(f"a {turn}" for turn in schedule.turns) + f" turn of {length}"
    cyclic = " in cyclic order" if schedule.availability == "cyclic" and drawn < len(clients) else ""
    parts = [
        count(schedule.rounds, "round"),
        f"{drawn} of {len(clients)} clients in each{cyclic}",
        length if schedule.turns == ("shared",) else turns,
    ]
    if schedule.dropout:
        parts.append(f"dropping out with probability {_by_client(schedule.dropout)}")
    if schedule.straggling:
        slow = f"{schedule.straggler_work:.0%} of the steps with probability {_by_client(schedule.straggling)}"
        parts.append(f"straggling at {slow}")
    if schedule.fine_tuning_epochs:
        parts.append(f"then {count(schedule.fine_tuning_epochs, 'epoch')} of fine-tuning")
    return ", ".join(parts)


def _by_client(stated: float | Mapping[str, float]) -> str:
    if isinstance(stated, Mapping):
        return " and ".join(f"{value:g} ({client})" for client, value in stated.items())
    return f"{stated:g}"


def _sampling(method: DifferentialPrivacy, units: Mapping[str, int], per_step: int) -> str:
    if method.unit == "client":
        return "none: one release for each turn of a client"
    if method.sampling == "poisson":
        rates = sorted({min(1.0, per_step / size) for size in units.values()})
        spread = f"{rates[0]:.4g}" if len(rates) == 1 else f"{rates[0]:.4g} to {rates[-1]:.4g} by client"
        return f"poisson: each unit drawn independently for each step, with probability {spread}"
    if method.sampling == "fixed":
        batches = sorted({-(-size // per_step) for size in units.values()})
        spread = f"{batches[0]}" if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"
        return f"fixed: the same {spread} batches by client come one after the other; a pass over them is one release"
    return f"shuffle: each unit once in a local epoch, {per_step} to a step; no amplification is claimed"
