"""A privacy forecast as text: a table for the terminal, another of budgets, and a file with all of it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from rich.table import Table

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.forecast import MOST_ROUNDS, ClientRound, Forecast
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.text import count, csv_text, make_table

_SHOWN_ROUNDS = 12
_SHOWN_CLIENTS = 8
_FIELDS = ("round", "client", "units", "participates", "releases", "epsilon", "delta", "accountant")


def maxima(rows: Iterable[ClientRound]) -> list[ClientRound]:
    """Return the client with the largest epsilon in each round; of equal ones the first by name."""
    worst: dict[int, ClientRound] = {}
    for row in rows:
        if row.round not in worst or row.epsilon > worst[row.round].epsilon:
            worst[row.round] = row
    return [worst[number] for number in sorted(worst)]


def forecast_csv(forecast: Forecast, rows: Sequence[ClientRound]) -> str:
    """Return all rows, and after each round's clients one for ``all``: the federation, whose epsilon is the largest.

    The file says of the federation how many clients take part in the round, and how many units all clients have.
    Numbers are at full precision.
    """
    lines: list[Sequence[object]] = [_FIELDS]
    for worst in maxima(rows):
        own = [row for row in rows if row.round == worst.round]
        for row in own:
            start = [row.round, row.client, forecast.units[row.client], row.participates, row.releases]
            lines.append([*start, row.epsilon, forecast.delta, row.accountant])
        participants = sum(row.participates for row in own)
        whole = [worst.round, ALL_CLIENTS, sum(forecast.units.values()), participants, worst.releases]
        lines.append([*whole, worst.epsilon, forecast.delta, worst.accountant])
    return csv_text(lines)


def round_table(rows: Sequence[ClientRound]) -> tuple[str, Table]:
    """Return epsilon of about twelve rounds, closer at the start; of many clients those that end highest and lowest.

    Returns:
        The title, and the table.
    """
    by_round: dict[int, dict[str, float]] = {}
    for row in rows:
        by_round.setdefault(row.round, {})[row.client] = row.epsilon
    numbers = list(by_round)
    places = np.geomspace(1, len(numbers), min(_SHOWN_ROUNDS, len(numbers)))
    shown = sorted({*(round(place) - 1 for place in places), 0, len(numbers) - 1})
    last = by_round[numbers[-1]]
    clients = list(last)
    half = _SHOWN_CLIENTS // 2
    if len(clients) > _SHOWN_CLIENTS:
        ordered = sorted(clients, key=lambda client: -last[client])
        clients = [*ordered[:half], *ordered[-half:]]
    left_out = len(last) - len(clients)
    title = "Epsilon after each round, by client"
    title += f" ({half} highest and {half} lowest of {len(last)})" if left_out else ""
    table = make_table(["Round", *clients, "Largest"])
    for place in shown:
        epsilons = by_round[numbers[place]]
        values = [*(epsilons[client] for client in clients), max(epsilons.values())]
        table.add_row(str(numbers[place]), *(f"{value:.4g}" for value in values))
    return title, table


def budget_table(forecast: Forecast, budgets: Mapping[str, float], own: tuple[str, float]) -> tuple[Table, list[str]]:
    """What each budget asks of the noise, and how many rounds it affords at the planned noise.

    Args:
        forecast: The planned run.
        budgets: Epsilons by what they are called.
        own: What the run's own budget is called, and its epsilon: the planned noise is what it asks for.

    Returns:
        The table, and why a cell of it is empty, a sentence each.
    """
    z = f"{forecast.noise_multiplier:.4g}"
    needed = f"z for {count(forecast.schedule.rounds, 'round')}"
    table = make_table(["Budget", needed, "Epsilon with it", "Sum / statistic", f"Rounds at z = {z}"])
    reasons = []
    for name, epsilon in [*budgets.items(), own]:
        cells = ["none"] * 3
        try:
            noise = forecast.noise_multiplier if name == own[0] else forecast.needed_noise(epsilon)
            planned = forecast.with_noise(noise)
            parts = [f"{part:.4g}" for part in planned.parts() if np.isfinite(part)]
            cells = [f"{noise:.4g}", f"{planned.final:.4g}", " / ".join(parts)]
        except ConfigError as error:
            reasons.append(f"{name}: {error}")
        rounds = forecast.affordable(epsilon)
        table.add_row(name, *cells, f"more than {MOST_ROUNDS:,}" if rounds == MOST_ROUNDS else f"{rounds:,}")
    return table, reasons
