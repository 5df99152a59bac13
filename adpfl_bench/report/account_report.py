"""Account of a cohort, as text for a terminal and for a receipt."""

from __future__ import annotations

from adpfl_bench.privacy.account.account_ask import AccountAsk, Affordance, groups_with
from adpfl_bench.privacy.account.account_refusal import most_text
from adpfl_bench.privacy.account.account_room import room_left
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.report.account_statement import MOST_GROUPS, AccountStatement
from adpfl_bench.text import count, make_table, print_facts, print_table

SIMULATION = (
    "simulation: it takes noise from a seed, which whoever knows the seed can take off; it promises nothing to persons"
)


def account_facts(statement: AccountStatement) -> dict[str, str]:
    """Return what an account is for, what was spent and what is left, by name."""
    opening, word = statement.state.opening, statement.word
    facts = {
        "account": f"{opening.name}, made {opening.at}, id {opening.account}",
        "budget": f"epsilon {opening.epsilon:g} at delta {opening.delta:g}, of all runs together, for every {word}",
        "units": f"{statement.state.units:,} have been in a run; one is {statement.meaning}",
        "spent": statement.spent_text,
        "left": statement.left_text,
        "seal": f"{statement.seal} of line {statement.lines}",
    }
    if statement.open_text:
        facts["open"] = statement.open_text
    if opening.simulation:
        facts["noise"] = SIMULATION
    return facts


def planned_text(account: CohortAccount, found: Affordance, ask: AccountAsk) -> str:
    """Say what a run would spend of an account, and what would be left.

    Args:
        account: The account.
        found: What came of asking it.
        ask: What was asked.
    """
    state = account.state()
    opening, who = state.opening, count(found.units, ask.facts.protects)
    budget = f"epsilon {opening.epsilon:g} at delta {opening.delta:g} of {opening.name} ({account.folder})"
    if not found.fits:
        most = f"{found.rounds} of its {ask.rounds}" if found.rounds > ask.completed else "none of its"
        more = f"from {epsilon_text(found.before)}, {most_text(found.after)}"
        return f"{budget} has no room: {found.over:,} of {who} would come to more ({more}); {most} rounds fit"
    left = room_left(groups_with(state, ask, account.key), opening.epsilon, opening.delta)
    return (
        f"{who} would come from {found.before:.4g} to {found.after:.4g} of {budget}; for each of them one further"
        f" release with Gaussian noise of up to epsilon {left:.4g} would be left"
    )


def show_account(statement: AccountStatement) -> None:
    """Print an account: its facts, its runs, and its units by what they have been in."""
    print(f"{statement.folder}: account of unit {statement.state.opening.unit}")
    print_facts(account_facts(statement))
    if not statement.runs:
        return
    runs = make_table(
        ("Run", "Reserved", "Data", "Noise", "Mechanism", "Units", "Releases", "Epsilon alone", "State"),
        left=("Run", "Reserved", "Data", "Noise", "Mechanism", "State"),
    )
    for run in statement.runs:
        numbers = f"{run.units:,}", f"{run.releases:,}", epsilon_text(run.epsilon)
        runs.add_row(run.label, run.at, run.data, run.noise, run.mechanism, *numbers, run.state)
    print_table("Runs; epsilons do not add up", runs)
    groups = make_table((f"Units ({statement.word})", "Releases", "Epsilon of all runs together", "Budget"))
    for group in statement.groups[:MOST_GROUPS]:
        over = group.epsilon > statement.state.opening.epsilon
        state = "over the budget" if over else f"{statement.state.opening.epsilon:g}"
        groups.add_row(f"{group.units:,}", f"{group.releases:,}", epsilon_text(group.epsilon), state)
    more = len(statement.groups) - MOST_GROUPS
    print_table("Units by what they may have been in" + (f"; {more:,} groups with less" if more > 0 else ""), groups)


def epsilon_text(epsilon: float) -> str:
    """Write an epsilon; where nothing is proved, it is none."""
    return "none" if epsilon == float("inf") else f"{epsilon:.4g}"
