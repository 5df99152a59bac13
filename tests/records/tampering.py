"""Ways to tamper with a run's folder, each with the name of the check that finds it."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.ledger import PrivacyLedger
from tests.records.sealed_runs import DELTA, FIXED


@dataclass(frozen=True)
class Tampering:
    """One way to tamper.

    Attributes:
        name: What is done.
        edit: Does it to a run's folder.
        check: Which check finds it.
        resealed: Which one still finds it when all digests have been computed again; ``None``: no check can.
        adaptive: Whether the run is one of ADP-FL, without a guarantee.
    """

    name: str
    edit: Callable[[Path], None]
    check: str
    resealed: str | None
    adaptive: bool = False


def record(**changes):
    """Replace values of run.json by dotted key; a function is given the old value."""

    def edit(folder):
        path = folder / "run.json"
        content = json.loads(path.read_text())
        for key, value in changes.items():
            *above, last = key.split("__")
            place = content
            for name in above:
                place = place[name]
            place[last] = value(place.get(last)) if callable(value) else value
        path.write_text(json.dumps(content, indent=2) + "\n")

    return edit


def table(name, change):
    """Change the lines of a CSV file; ``change`` takes the lines as dictionaries and returns them."""

    def edit(folder):
        path = folder / name
        lines = list(csv.DictReader(path.read_text().splitlines()))
        columns = list(lines[0])
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(change(lines))

    return edit


def first(**cells):
    """Replace cells of the first line."""
    return lambda lines: [{**lines[0], **cells}, *lines[1:]]


def journal(change):
    """Change the releases of the journal, by client."""

    def edit(folder):
        path = folder / "privacy_ledger.json"
        content = json.loads(path.read_text())
        for session in content["sessions"]:
            session["releases"] = change(session["releases"])
        path.write_text(json.dumps(content))

    return edit


def several(*edits):
    def edit(folder):
        for one in edits:
            one(folder)

    return edit


def without_south(ledger):
    return {client: own for client, own in ledger.items() if client != "south"}


def one_fewer(ledger):
    return {client: [[*release[:-1], release[-1] - 1] for release in own] for client, own in ledger.items()}


def account_again(folder):
    """State the epsilon that the ledger amounts to."""
    path = folder / "run.json"
    content = json.loads(path.read_text())
    ledger = PrivacyLedger()
    ledger.load_state_dict(content["privacy"]["ledger"])
    found = {client: client_epsilon(ledger.events(client), DELTA) for client in ledger.clients()}
    worst = max(found, key=found.get)
    block = content["privacy"]["accounted"]
    block |= {"by_client": found, "epsilon": found[worst], "group_epsilon": found[worst], "reason": None}
    block["accountant"] = accountant(ledger.events(worst), DELTA)
    path.write_text(json.dumps(content, indent=2) + "\n")


def other_folder(**changes):
    """Replace the run by a copy of itself beside it, and edit that."""

    def edit(folder):
        copy = folder.with_name(f"{folder.name}-copy")
        shutil.copytree(folder, copy)
        record(**changes)(copy)

    return edit


EPSILON = {
    "privacy__accounted__epsilon": 0.1,
    "privacy__accounted__group_epsilon": 0.1,
    "privacy__accounted__by_client": {"east": 0.1, "north": 0.1, "south": 0.1},
}
LATE = 4
"""A line of rounds.csv in round 2."""

TAMPERINGS = (
    Tampering("epsilon is 0.1", record(**EPSILON), "epsilon", "epsilon"),
    Tampering("epsilon is not the largest client's", record(privacy__accounted__epsilon=0.1), "epsilon", "epsilon"),
    Tampering("ADP-FL gets a proof", account_again, "guarantee", "guarantee", adaptive=True),
    Tampering(
        "ADP-FL gets a proof and another name of its threshold",
        several(account_again, record(privacy__threshold="FixedThreshold")),
        "guarantee",
        "guarantee",
        adaptive=True,
    ),
    Tampering(
        "ADP-FL gets a proof, another threshold and another configuration",
        several(account_again, record(privacy__threshold="FixedThreshold", config__privacy__threshold=FIXED)),
        "configuration",
        None,
        adaptive=True,
    ),
    Tampering("a Dice of 1.7", table("cases.csv", first(dice="1.7")), "scores", "scores"),
    Tampering("a Dice that is no number", table("cases.csv", first(dice="nan")), "scores", "scores"),
    Tampering("an infinite distance", table("cases.csv", first(hd95="inf")), "scores", "scores"),
    Tampering("a negative distance", table("cases.csv", first(hd95="-3.0")), "scores", "scores"),
    Tampering("missed is 5", table("cases.csv", first(missed="5")), "scores", "scores"),
    Tampering("mm and px", table("cases.csv", first(hd95_unit="mm")), "scores", "scores"),
    Tampering("a distance in inches", table("cases.csv", first(hd95_unit="in")), "scores", "scores"),
    Tampering("a higher Dice", table("cases.csv", first(dice="0.9")), "scores", "scores"),
    Tampering("a higher Dice and IoU", table("cases.csv", first(dice="0.8", iou=str(0.8 / 1.2))), "cases", None),
    Tampering("a score twice", table("cases.csv", lambda lines: [*lines, lines[0]]), "scores", "scores"),
    Tampering("cases removed", table("cases.csv", lambda lines: lines[2:]), "cases", "cases"),
    Tampering("a case of another client", table("cases.csv", first(client="south")), "cases", "cases"),
    Tampering("a case of another patient", table("cases.csv", first(patient="x")), "cases", "cases"),
    Tampering("a copy with another seed", other_folder(seed=7), "copy", "copy"),
    Tampering("a seed", record(seed=7), "configuration", "configuration"),
    Tampering("phantoms are called real", record(data__kind="real"), "data", "data"),
    Tampering(
        "phantoms are called real, in the configuration too",
        record(data__kind="real", config__data__init_args__root="data/isic"),
        "data",
        None,
    ),
    Tampering("another fingerprint", record(data__fingerprint="e" * 64), "data", None),
    Tampering(
        "another configuration under its hash",
        record(config__model__init_args__optimizer__init_args__lr=0.2),
        "configuration",
        None,
    ),
    Tampering("another hash", record(config_sha256="0" * 64), "configuration", None),
    Tampering("a client's releases removed", record(privacy__ledger=without_south), "ledger", "ledger"),
    Tampering("releases removed from the journal", journal(one_fewer), "ledger", "ledger"),
    Tampering(
        "releases removed everywhere, and epsilon accounted again",
        several(record(privacy__ledger=one_fewer), journal(one_fewer), account_again),
        "ledger",
        "ledger",
    ),
    Tampering("the journal of another run", record(run="another"), "ledger", "ledger"),
    Tampering("rounds removed", table("rounds.csv", lambda lines: lines[:8]), "rounds", "rounds"),
    Tampering(
        "a line of a round",
        table(
            "rounds.csv", lambda lines: [{**own, "value": "0.9"} if n == LATE else own for n, own in enumerate(lines)]
        ),
        "rounds",
        None,
    ),
    Tampering("every line twice", table("rounds.csv", lambda lines: [*lines, *lines]), "rounds", "rounds"),
    Tampering("rounds_completed", record(rounds_completed=2), "rounds", "rounds"),
    Tampering("fewer rounds", record(federated__rounds=2, federated__total_rounds=2), "configuration", "configuration"),
    Tampering(
        "a case moved to another client", table("partition.csv", first(client="south")), "partition", "partition"
    ),
    Tampering(
        "a case left out of the partition", table("partition.csv", lambda own: own[1:]), "partition", "partition"
    ),
    Tampering("numbers of cases", record(data__clients__north__test=40), "partition", "partition"),
    Tampering("another method", record(method="dp_fl"), "configuration", "configuration"),
    Tampering("another task", record(task="isic"), "configuration", "configuration"),
    Tampering("delta", record(privacy__accounted__delta=1e-2), "configuration", "configuration"),
    Tampering("the unit", record(privacy__unit="patient"), "configuration", "configuration"),
    Tampering("what is protected", record(privacy__protects="patient"), "configuration", "configuration"),
    Tampering("the noise multiplier", record(privacy__noise_multiplier=15.0), "configuration", "configuration"),
    Tampering(
        "the noise multiplier, in the configuration too",
        record(privacy__noise_multiplier=15.0, config__privacy__noise_multiplier=15.0),
        "ledger",
        "ledger",
    ),
    Tampering("a lineage", record(model__started_from="real"), "lineage", "lineage"),
    Tampering(
        "weights from a checkpoint",
        record(config__model__init_args__init_from="other/last.ckpt"),
        "lineage",
        "lineage",
    ),
    Tampering("settings that were planned", record(data__planned_on="private"), "data", "data"),
    Tampering(
        "settings that were planned, in the configuration too",
        record(data__planned_on="private", config__data__init_args__planned_on="private"),
        "data",
        "data",
    ),
    Tampering("the number of parameters", record(model__parameters=9), "record", None),
    Tampering("the wall time", record(wall_seconds=0.1), "record", None),
    Tampering("the revision", record(git_revision="0" * 40), "record", None),
)


def as_markdown():
    """The table of docs/records.md: what is done, what finds it, and what still does when all digests are new."""
    lines = [
        "| what is done | found by | after all digests are computed again |",
        "|---|---|---|",
        *(
            f"| {own.name} | `{own.check}` | {f'`{own.resealed}`' if own.resealed else 'not found'} |"
            for own in TAMPERINGS
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
