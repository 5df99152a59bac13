"""The command ``adpfl-bench privacy``: what a run is going to spend, or has spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adpfl_bench.config.config_files import WordParser
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.privacy_block import AuditedBlock
from adpfl_bench.records.spent import SpentBudget, nominal_text, read_spent
from adpfl_bench.text import print_facts, print_table, say_loading

_HELP = """usage: adpfl-bench privacy --config TASK --config METHOD [--config PLACE] [options] [options of fit]
       adpfl-bench privacy RUN

Before a run: epsilon after every round for every client, the noise that a budget needs and the rounds that it affords.
Configurations and their overrides are given as to fit, and what fit would refuse is refused. The dataset is scanned and
divided among clients, but no image is loaded; with --clients nothing is read at all.

Of a RUN (its folder): what has been spent by client, and what is left of what was planned.

options:
  --clients N [N ...]   numbers of training units (records, patients) instead of a dataset: 380 270, or north=380
  --targets E [E ...]   epsilons to find noise and rounds for (default: 1 4 8)
  --output FOLDER       where privacy.csv and privacy.png go (default: the run's folder)

The unit client has one release for each turn; its numbers of units say how long the turns are."""


def privacy(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0.

    Raises:
        BenchError: As the run itself would; an option is wrong; a file cannot be read or written.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    if not words[0].startswith("-"):
        if len(words) > 1:
            raise ConfigError(
                f"privacy takes the folder of one run and nothing else, or options only, but after {words[0]} there is"
                f" {' '.join(words[1:])}."
            )
        _show_spent(Path(words[0]), read_spent(Path(words[0])))
        return 0
    parser = WordParser()
    parser.add_argument("--clients", nargs="+")
    parser.add_argument("--targets", nargs="+", default=["1", "4", "8"])
    parser.add_argument("--output", type=Path)
    options, rest = parser.parse_known_args(list(words))
    clients = None if options.clients is None else stated_clients(options.clients)
    targets = _targets(options.targets)
    say_loading("privacy")
    from adpfl_bench.running.planned_run import show_plan  # deferred: importing torch and Lightning takes seconds

    show_plan(rest, clients, targets, options.output)
    return 0


def stated_clients(words: Sequence[str]) -> dict[str, int]:
    """Read numbers of units by client.

    Args:
        words: Numbers, or names with numbers (``north=380``), separated by spaces or commas. Clients without a name
            are called ``client_1``, ``client_2`` and so on.

    Raises:
        ConfigError: A word is no number of units, or a name is given twice.
    """
    units: dict[str, int] = {}
    entries = " ".join(words).replace(",", " ").split()
    for number, entry in enumerate(entries, 1):
        name, _, count = entry.rpartition("=")
        name = name or f"client_{number:0{len(str(len(entries)))}d}"
        if not (count.isascii() and count.isdecimal() and int(count) > 0):
            raise ConfigError(
                "--clients lists each client's number of training units, such as 380 270 or north=380, but it has"
                f" {entry}."
            )
        if name in units:
            raise ConfigError(f"--clients has the name {name} twice.")
        units[name] = int(count)
    if not units:
        raise ConfigError("--clients needs the number of training units of at least one client.")
    return units


def _targets(words: Sequence[str]) -> list[float]:
    targets = []
    for word in " ".join(words).replace(",", " ").split():
        try:
            target = float(word)
        except ValueError:
            target = math.nan
        if not 0 < target < math.inf:
            raise ConfigError(f"--targets lists epsilons greater than 0, such as 1 4 8, but it has {word}.")
        targets.append(target)
    return sorted(set(targets))


def _show_spent(folder: Path, spent: SpentBudget) -> None:
    record = spent.record
    rounds = f"{record.rounds_completed} of {record.federated.rounds} rounds"
    print(f"{record.task} / {record.method} / seed {record.seed}: {record.status} after {rounds}; {folder}")
    print_facts({**_spent_facts(spent), "nominal": nominal_text(record.privacy.nominal_epsilon)})
    if spent.reason is None:
        print_table("Spent by client", _spent_table(spent))


def _spent_facts(spent: SpentBudget) -> dict[str, str]:
    block = spent.record.privacy
    z = "not stated" if block.noise_multiplier is None else f"{block.noise_multiplier:.4g}"
    facts = {
        "unit": f"{block.unit}, adjacency {block.adjacency or 'not stated'}",
        "noise": f"{block.mechanism or 'none'}, z = {z}",
        "audited": _audited(block.audited),
    }
    if spent.reason is not None:
        return {**facts, "accounted": f"none: {spent.reason}"}
    worst = max(spent.clients, key=lambda name: spent.clients[name].epsilon, default=None)
    by = "" if worst is None or not spent.epsilon else f" (client {worst}, by {spent.clients[worst].accountant})"
    facts["accounted"] = f"epsilon {spent.epsilon:.4g} at delta {spent.delta:g}{by}"
    if spent.ahead:
        facts["journal"] = "counts releases that run.json does not know of, and is included: a round was broken off"
    if covered := block.accounted.not_covered:
        facts["not covered"] = "; ".join(covered)
    kind = "target" if block.target_epsilon is not None else "after the last planned round"
    planned = spent.planned
    facts["planned"] = (
        "unknown: a client has not taken part yet, or makes a stated number of local steps"
        if planned is None
        else f"epsilon {planned:.4g} ({kind}), of which {max(planned - spent.epsilon, 0):.4g} is left"
    )
    return facts


def _spent_table(spent: SpentBudget) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("Client", "Releases", "Epsilon spent", "after the last planned round", "Accountant"):
        table.add_column(heading, justify="left" if heading in ("Client", "Accountant") else "right")
    for name, client in spent.clients.items():
        end = "unknown" if client.planned is None else f"{client.planned:.4g}"
        table.add_row(name, f"{client.releases:,}", f"{client.epsilon:.4g}", end, client.accountant or "nothing spent")
    return table


def _audited(found: AuditedBlock | None) -> str:
    if found is None:
        return "no audit is recorded"
    details = [f"{found.confidence:.0%} confidence", f"delta {found.delta:g}", f"client {found.client}"]
    return f"epsilon at least {found.epsilon:.4g} ({', '.join(details + ([found.verdict] if found.verdict else []))})"
