"""Texts of who benefits: tables and sentences."""

from adpfl_bench.leaderboard.formatting import (
    EMPTY,
    Column,
    TextTable,
    escape_markdown,
    markdown_table,
    percent,
    set_table,
)
from adpfl_bench.leaderboard.who_benefits import HELD_OUT, ClientRow, MethodRow, WhoBenefits


def methods_text(benefits: WhoBenefits) -> TextTable:
    """Return one line per method: how evenly it serves its clients."""
    columns = [
        Column[MethodRow]("Method", lambda row: row.label, numeric=False),
        Column("Clients", lambda row: str(row.clients)),
        Column("Mean own %", lambda row: percent(row.mean)),
        Column("Worst client", lambda row: _named(row.worst_client, row.worst), numeric=False),
        Column("Best client", lambda row: _named(row.best_client, row.best), numeric=False),
        Column("Spread", lambda row: percent(row.spread)),
        Column("SD clients", lambda row: percent(row.sd_clients)),
        Column("Mean gain over local", lambda row: percent(row.mean_gain, "+.2f")),
        Column("Clients that gain", lambda row: f"{row.gaining} / {row.compared}" if row.compared else EMPTY),
    ]
    return set_table(columns, benefits.methods)


def clients_text(benefits: WhoBenefits) -> TextTable:
    """Return one line per method and client."""
    columns = [
        Column[ClientRow]("Method", lambda row: row.label, numeric=False),
        Column("Client", _client, numeric=False),
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


def benefit_lines(benefits: WhoBenefits) -> list[str]:
    """Return the tables and notes in Markdown, without a heading."""
    notes = [f"- {escape_markdown(note)}" for note in benefit_notes(benefits)]
    return [
        *markdown_table(methods_text(benefits)),
        "",
        *markdown_table(clients_text(benefits)),
        "",
        *notes,
        *([""] if notes else []),
    ]


def _client(row: ClientRow) -> str:
    return f"{row.client} ({HELD_OUT})" if row.role == HELD_OUT else row.client


def _named(client: str | None, dice: float | None) -> str:
    return EMPTY if client is None else f"{client} {percent(dice)}"
