"""Texts of comparisons, rankings, thresholds and who benefits: tables and sentences."""

from collections import Counter
from collections.abc import Sequence

from adpfl_bench.leaderboard.comparisons import BY_TEST, CONTRADICTION, FIRM, MARKS, SIGNIFICANCE, ComparisonRow
from adpfl_bench.leaderboard.formatting import EMPTY, Column, TextTable, number, percent, set_table
from adpfl_bench.leaderboard.rankings import SEPARATOR, RankingRow
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow
from adpfl_bench.leaderboard.who_benefits import HELD_OUT, ClientRow, MethodRow, WhoBenefits

_FEW_PATIENTS = 10
_FEW_SEEDS = 5
_FEW_CLIENTS = 12
"""So many clients have a column each in Markdown."""


def interval_text(row: TableRow) -> str:
    """Return the interval of a method's mean, in percent."""
    return bounds_text(row.ci_low, row.ci_high)


def bounds_text(low: float | None, high: float | None, form: str = ".2f") -> str:
    """Return an interval in percent, or a dash for none."""
    return EMPTY if low is None or high is None else f"{percent(low, form)} to {percent(high, form)}"


def range_text(row: RankingRow) -> str:
    """Return the final ranks that a method has in 95 % of the resamples."""
    return str(row.rank_low) if row.rank_low == row.rank_high else f"{row.rank_low} to {row.rank_high}"


def matrix_text(table: Table) -> TextTable:
    """Return the methods against each other: differences of mean Dice in points, with marks for what is significant."""
    cells: dict[tuple[str, str], str] = {}
    for row in table.statistics.comparisons:
        cells[row.first, row.second] = f"{percent(row.difference, '+.2f')}{MARKS[row.finding]}"
        cells[row.second, row.first] = f"{percent(-row.difference, '+.2f')}{MARKS[row.finding]}"
    labels = [row.label for row in table.rows]
    return TextTable(
        headings=["Method", *(str(number) for number in range(1, len(labels) + 1))],
        numeric=[False, *(True for _ in labels)],
        cells=[
            [f"{number} {label}", *(cells.get((label, other), EMPTY) for other in labels)]
            for number, label in enumerate(labels, 1)
        ],
    )


def comparisons_text(rows: Sequence[ComparisonRow]) -> TextTable:
    """Return one line per pair."""
    columns = [
        Column[ComparisonRow]("First", lambda row: row.first, numeric=False),
        Column("Second", lambda row: row.second, numeric=False),
        Column("Difference", lambda row: percent(row.difference, "+.2f")),
        Column("95 % interval", lambda row: bounds_text(row.difference_low, row.difference_high, "+.2f")),
        Column("Median difference", lambda row: percent(row.median_difference, "+.2f")),
        Column("p", lambda row: _p_text(row.p)),
        Column("p (Holm)", lambda row: _p_text(row.p_holm)),
        Column("Rank-biserial", lambda row: number(row.rank_biserial, "+.2f")),
        Column("Finding", lambda row: row.finding, numeric=False),
    ]
    return set_table(columns, rows)


def ranking_text(rows: Sequence[RankingRow], distribution: bool = False) -> TextTable:
    """Return one line per method, best first.

    Args:
        rows: A ranking.
        distribution: Add a column for each rank, with the share of the resamples in which a method has it.
    """
    columns = [
        Column[RankingRow]("Method", lambda row: row.label, numeric=False),
        Column("Rank", lambda row: str(row.rank)),
        Column("Mean rank", lambda row: number(row.mean_rank, ".2f")),
        Column("95 % range", range_text),
        Column("First %", lambda row: percent(row.first_share, ".0f")),
    ]
    if distribution:
        columns += [_share_column(rank) for rank in range(1, len(rows) + 1)]
    return set_table(columns, rows)


def ranking_heading(rows: Sequence[RankingRow]) -> str:
    """Head a ranking: what is ranked by what."""
    regions, metrics = rows[0].regions.split(SEPARATOR), rows[0].metrics.split(SEPARATOR)
    over = f"region {regions[0]}" if len(regions) == 1 else f"regions {', '.join(regions)}"
    return f"Ranking by {', '.join(metrics)}, {over}"


def ranking_notes(rows: Sequence[RankingRow]) -> list[str]:
    """Say how firm a ranking is."""
    return [
        f"Kendall's tau between this order and that of a resample is {rows[0].stability:.2f} on average; 1 is the same"
        " order, 0 any order."
    ]


def statistics_notes(table: Table) -> list[str]:
    """Say what these statistics cannot say, and what was left out of them."""
    statistics = table.statistics
    left_out = statistics.scores.left_out
    titles = {metric.name: metric.title for metric in table.metrics}
    main, subject = table.main.name, table.group.subject
    if main in left_out:
        return [f"There are no intervals, comparisons and ranking of region {table.region}: {left_out[main]}."]
    if statistics.patients == 1:
        return [f"One {subject} shows nothing of how scores vary: there are no intervals, comparisons and ranking."]
    notes = []
    if len(table.rows) == 1:
        notes.append("One method alone: there is nothing to compare it with, and no ranking.")
    if statistics.patients < _FEW_PATIENTS:
        notes.append(
            f"Intervals and ranking come from {statistics.patients} {subject}s only and know of no others: they"
            " are rough."
        )
    notes += _seed_notes(table)
    if statistics.comparable:
        notes += _test_notes(statistics.comparisons, subject)
        notes += [f"{titles[metric]} is not in the ranking: {reason}." for metric, reason in left_out.items()]
    return notes


def _seed_notes(table: Table) -> list[str]:
    single = [row.label for row in table.rows if row.n_seeds == 1]
    few = [row.label for row in table.rows if 1 < row.n_seeds < _FEW_SEEDS]
    notes, subject = [], table.group.subject
    if single:
        notes.append(
            f"One seed of {_named(single, table)}: the interval covers the choice of {subject}s alone, and no"
            " comparison can tell the method from this one model."
        )
    if few:
        notes.append(
            f"Fewer than {_FEW_SEEDS} seeds of {_named(few, table)}: how much training runs vary is estimated from"
            " these few, so the intervals are wide where they differ, and what is undecided may still be a difference."
        )
    return notes


def _test_notes(rows: Sequence[ComparisonRow], subject: str) -> list[str]:
    patients, tests = rows[0].patients, rows[0].tests
    comparisons = f"{tests} comparison{'s' if tests > 1 else ''}"
    smallest = min(1.0, 2.0 * 0.5**patients * tests)
    if smallest > SIGNIFICANCE:
        return [
            f"With {patients} {subject}s and {comparisons} no difference can be significant: the smallest"
            f" possible corrected p-value is {smallest:.2g}."
        ]
    marked = Counter(MARKS[row.finding] for row in rows)
    found = [f"{marked[FIRM]} marked *"]
    if marked[BY_TEST]:
        found.append(f"{marked[BY_TEST]} by the test alone, (*)")
    if marked[CONTRADICTION]:
        found.append(f"{marked[CONTRADICTION]} with test and mean at odds, (!)")
    return [f"Of {comparisons} over {patients} {subject}s: {', '.join(found)}."]


def _named(labels: Sequence[str], table: Table) -> str:
    return "every method" if len(labels) == len(table.rows) > 1 else ", ".join(labels)


def _p_text(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _share_column(rank: int) -> Column[RankingRow]:
    return Column(f"{rank}.", lambda row: percent(float(row.rank_shares.split()[rank - 1]), ".0f"))


def thresholds_text(rows: Sequence[ThresholdRow], score: str = "Dice") -> TextTable:
    """Return one line for each adaptive method and fixed threshold; ``score`` is the main metric's title."""
    columns = [
        Column[ThresholdRow]("Adaptive", lambda row: row.adaptive, numeric=False),
        Column(f"{score} %", lambda row: percent(row.adaptive_dice)),
        Column("Fixed", lambda row: row.fixed, numeric=False),
        Column("C", lambda row: f"{row.threshold:g}"),
        Column(f"{score} %", lambda row: percent(row.fixed_dice)),
        Column("Reference", lambda row: row.reference, numeric=False),
        Column(f"{score} %", lambda row: percent(row.reference_dice)),
        Column("Gap", lambda row: percent(row.gap)),
        Column("Gap closed %", lambda row: percent(row.gap_closed, ".0f")),
        Column("95 % interval", lambda row: bounds_text(row.gap_closed_low, row.gap_closed_high, ".0f")),
    ]
    return set_table(columns, rows)


def methods_text(benefits: WhoBenefits) -> TextTable:
    """Return one line per method: how evenly it serves its clients."""
    columns = [
        Column[MethodRow]("Method", lambda row: row.label, numeric=False),
        Column("Clients", lambda row: str(row.clients)),
        Column("Mean own %", lambda row: percent(row.mean)),
        Column("Worst client", lambda row: _client_and_score(row.worst_client, row.worst), numeric=False),
        Column("Best client", lambda row: _client_and_score(row.best_client, row.best), numeric=False),
        Column("Spread", lambda row: percent(row.spread)),
        Column("SD clients", lambda row: percent(row.sd_clients)),
        Column("Mean gain over local", lambda row: percent(row.mean_gain, "+.2f")),
        Column("Clients that gain", lambda row: f"{row.gaining} / {row.compared}" if row.compared else EMPTY),
    ]
    return set_table(columns, benefits.methods)


def methods_and_clients_text(benefits: WhoBenefits) -> TextTable:
    """Return one line per method, with what each client reaches under it where there are few of them."""
    text = methods_text(benefits)
    clients = list(dict.fromkeys(row.client for row in benefits.clients))
    if len(clients) > _FEW_CLIENTS:
        return text
    own = {(row.label, row.client): _own_text(row) for row in benefits.clients}
    return TextTable(
        headings=[*text.headings, *(f"Own % of {client}" for client in clients)],
        numeric=[*text.numeric, *(True for _ in clients)],
        cells=[
            [*cells, *(own.get((row.label, client), EMPTY) for client in clients)]
            for cells, row in zip(text.cells, benefits.methods, strict=True)
        ],
    )


def _own_text(row: ClientRow) -> str:
    return f"{percent(row.own)} ({HELD_OUT})" if row.role == HELD_OUT else percent(row.own)


def clients_text(benefits: WhoBenefits) -> TextTable:
    """Return one line per method and client."""
    columns = [
        Column[ClientRow]("Method", lambda row: row.label, numeric=False),
        Column("Client", _client_and_role, numeric=False),
        Column("Model", lambda row: row.model, numeric=False),
        Column("Cases", lambda row: str(row.cases)),
        Column("Own %", lambda row: percent(row.own)),
        Column("SD seeds", lambda row: percent(row.own_sd_seeds)),
        Column("Everyone %", lambda row: percent(row.everyone)),
        Column("Gain over local", lambda row: percent(row.gain_over_local, "+.2f")),
    ]
    return set_table(columns, benefits.clients)


def benefit_notes(benefits: WhoBenefits) -> list[str]:
    """Say what these tables lack, and what the global model scored where clients have models of their own."""
    notes = list(benefits.on_gains)
    beside = [f"{row.label} {percent(row.global_dice)} %" for row in benefits.methods if row.global_dice is not None]
    if beside:
        notes.append(
            f"The global model that was trained beside the clients' own has a mean {benefits.score} of:"
            f" {', '.join(beside)}."
        )
    return notes


def _client_and_role(row: ClientRow) -> str:
    return f"{row.client} ({HELD_OUT})" if row.role == HELD_OUT else row.client


def _client_and_score(client: str | None, dice: float | None) -> str:
    return EMPTY if client is None else f"{client} {percent(dice)}"
