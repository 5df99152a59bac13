"""The command ``adpfl-bench privacy``: what a run is going to spend, or has spent."""

import math
from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.config.config_files import WordParser
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.spent import read_spent
from adpfl_bench.report.spent_report import show_spent
from adpfl_bench.text import say_loading

_HELP = """usage: adpfl-bench privacy --config TASK --config METHOD [--config PLACE] [options] [options of fit]
       adpfl-bench privacy RUN

Before a run: epsilon after every round for every client, the noise that a budget needs and the rounds that it affords.
Configurations and their overrides are given as to fit, and what fit would refuse is refused. The dataset is scanned and
divided among clients, but no image is loaded; with --clients nothing is read at all.

Of a RUN (its folder): what has been spent by client, and what is left of what was planned.

options:
  --clients N [N ...]   numbers of training units (examples, patients) instead of a dataset: 380 270, or north=380
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
        show_spent(Path(words[0]), read_spent(Path(words[0])))
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
