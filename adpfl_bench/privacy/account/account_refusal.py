"""Refusals of an account: runs that it does not take, and runs that do not fit, a sentence each."""

from __future__ import annotations

from pathlib import Path

from adpfl_bench.errors import AccountRefusal, ConfigError
from adpfl_bench.privacy.account.account_ask import AccountAsk, Affordance
from adpfl_bench.privacy.account.account_key import AccountKey
from adpfl_bench.privacy.account.account_state import AccountState, exceeds
from adpfl_bench.text import count


def check_ask(folder: Path, key: AccountKey, state: AccountState, ask: AccountAsk) -> None:
    """Refuse a run that the account in a folder does not take, whatever is left.

    Raises:
        ConfigError: Its unit, its data's word for one, its noise, or its units are not those of the account.
    """
    opening, facts = state.opening, ask.facts
    if ask.unit != opening.unit:
        raise ConfigError(
            f"The account {folder} is for the unit {opening.unit}, but privacy.unit is {ask.unit}, of which another"
            " number would hold: use that unit, or an account of its own."
        )
    words = {own.facts.protects for own in state.runs.values()} - {facts.protects}
    if words:
        raise ConfigError(
            f"The account {folder} counts by {min(words)}, as the data of its runs have it, but these data would count"
            f" by {facts.protects}: use an account of its own for them."
        )
    if not facts.secure and not state.opening.simulation:
        raise ConfigError(
            f"privacy.secure is false, so that the noise follows from the seed, and the account {folder} is for noise"
            " that nobody can take off: set privacy.secure true. A simulation has an account of its own (adpfl-bench"
            " account create --simulation)."
        )
    own = state.runs.get(facts.run)
    if own is not None and own.settled is not None and own.outcome != "lost" and exceeds(own.settled, ask.released):
        raise ConfigError(
            f"The account {folder} has counted releases of the run of {facts.folder} that its own journal does not"
            " know: another copy of the run has gone on, or the folder was put back to an earlier state, and what it"
            " releases now would be counted as the same. Go on with the other copy, or start a new run."
        )
    if own is None and ask.completed:
        raise ConfigError(
            f"The account {folder} does not know the run of {facts.folder}, which has made"
            f" {count(ask.completed, 'round')}: give the account that it began under."
        )
    if own is not None and dict(own.rosters) != {c: roster.roster for c, roster in ask.rosters(key).items()}:
        raise ConfigError(
            f"The run of {facts.folder} has begun with other units under these clients' names, as the account"
            f" {folder} has it: restore the data and their division, or start a new run in another folder."
        )


def most_text(epsilon: float) -> str:
    """Say how much the unit with most would come to."""
    return "of some nothing is proved any more" if epsilon == float("inf") else f"up to {epsilon:.4g}"


def refusal(folder: Path, state: AccountState, ask: AccountAsk, found: Affordance, at_work: int) -> AccountRefusal:
    """Return the refusal of a run that does not fit.

    Args:
        folder: The account's folder.
        state: The account.
        ask: What was asked.
        found: What came of it.
        at_work: Number of other runs that hold a reservation and are at work.
    """
    opening = state.opening
    most = "not even one round fits"
    if found.rounds > ask.completed:
        most = f"at most {found.rounds} of its {ask.rounds} rounds fit (federated.rounds {found.rounds})"
    elif ask.completed:
        most = f"none after the {count(ask.completed, 'round')} that it has made fits"
    left = f", {found.exhausted:,} of them with any more release at all" if found.exhausted else ""
    held = f" {count(at_work, 'run')} at work may still give some back." if at_work else ""
    return AccountRefusal(
        f"The account {opening.name} ({folder}) has no room for this run: of {count(found.units, ask.facts.protects)}"
        f" {found.over:,} would come to more than epsilon {opening.epsilon:g} at delta {opening.delta:g} with all runs"
        f" together ({most_text(found.after)}){left}. With this noise {most}.{held}",
        found.rounds,
    )
