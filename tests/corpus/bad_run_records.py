"""Bad run.json of a run among others, as tables meet it."""

from typing import Any

from tests.corpus import json_damages
from tests.corpus.damages import Damage, at, content, cut, linked, made_folder, marked, recoded, text, written, zeros
from tests.corpus.kind import Accepted, Answer, Refused, kinds
from tests.corpus.record_asks import RUN, tables

FILE = at(f"{RUN}/run.json")


def put(path: str, value: Any) -> Damage:
    """Put a value at a dotted key of run.json."""
    return json_damages.put(FILE, path, value)


def without(path: str) -> Damage:
    """Take a dotted key of run.json away."""
    return json_damages.without(FILE, path)


def _raw(old: str, new: str) -> Damage:
    """Replace text in the file, as it stands."""

    def change(table: str) -> str:
        assert old in table
        return table.replace(old, new, 1)

    return text(FILE, change)


def row_of(answer: Answer) -> str:
    """The damaged run's line of the first table in Markdown."""
    lines = answer.value["leaderboard.md"].splitlines()
    return next(line for line in lines if line.startswith("| ") and "50.00" in line)


def _listed(meaning: str) -> Accepted:
    """The run is in the table, with its Dice of 50 %."""
    return Accepted(meaning, lambda answer: "50.00" in row_of(answer))


_JSON = Refused(r"dp/run\.json cannot be read as JSON: ")


_NO_NUMBER = Refused(r"dp/run\.json cannot be read as JSON: it has (NaN|Infinity), which is no number in JSON")


def _wrong(key: str, words: str = "") -> Refused:
    return Refused(rf"dp/run\.json is no usable record of a run: {key} {words}")


RUN_RECORDS = kinds(
    "run records",
    tables(),
    [
        ("an empty file", written(FILE, ""), _JSON),
        ("zero bytes", zeros(FILE), _JSON),
        ("its first half", cut(FILE, 0.5), _JSON),
        ("text", written(FILE, "no record\n"), _JSON),
        ("UTF-8 with a mark", marked(FILE), _JSON),
        ("UTF-16", recoded(FILE, "utf-16"), _JSON),
        ("Latin-1", content(FILE, lambda data: data.replace(b"toy", b"t\xf6y")), _JSON),
        ("two records", content(FILE, lambda data: data + data), _JSON),
        ("a comma too many", _raw("}", ",}"), _JSON),
        ("single quotes", text(FILE, lambda table: table.replace('"', "'")), _JSON),
        ("comments", _raw("{", "{ // a comment\n"), _JSON),
        ("100,000 brackets", written(FILE, "[" * 100_000), _JSON),
        ("a lone surrogate", _raw('"toy"', r'"\ud800"'), _JSON),
        ("a list", written(FILE, "[]"), _wrong("the file", "should be")),
        ("a number", written(FILE, "5"), _wrong("the file", "should be")),
        ("null", written(FILE, "null"), _wrong("the file", "should be")),
        ("an empty object", written(FILE, "{}"), _wrong("task", "is missing, and 9 more")),
        ("a folder in its place", made_folder(FILE), Refused(r"dp/run\.json cannot be read: .*Is a directory")),
        (
            "a link to itself",
            linked(FILE, lambda path: path.name),
            Refused(r"dp/run\.json cannot be read: .*symbolic links"),
        ),
        ("a later format", put("format_version", 99), Refused("has the format version 99, but this version of adpfl")),
        (
            "a negative format",
            put("format_version", -1),
            _wrong("format_version", "should be greater than or equal to 0"),
        ),
        ("a format of text", put("format_version", "1"), _wrong("format_version", "should be a valid integer")),
        ("no task", without("task"), _wrong("task", "is missing")),
        ("no method", without("method"), _wrong("method", "is missing")),
        ("no data", without("data"), _wrong("data", "is missing")),
        ("no privacy", without("privacy"), _wrong("privacy", "is missing")),
        ("no fingerprint", without("data.fingerprint"), _wrong("data.fingerprint", "is missing")),
        (
            "no reason for no epsilon",
            without("privacy.accounted.reason"),
            _wrong("privacy.accounted.reason", "is missing"),
        ),
        ("a task that is a number", put("task", 5), _wrong("task", "should be a valid string, but it is 5")),
        ("a task that is null", put("task", None), _wrong("task", "should be a valid string, but it is null")),
        ("a method that is false", put("method", False), _wrong("method", "should be a valid string, but it is false")),
        ("a seed of text", put("seed", "0"), _wrong("seed", "should be a valid integer")),
        ("a seed of 0.5", put("seed", 0.5), _wrong("seed", "should be a valid integer")),
        (
            "a seed of 400 digits",
            put("seed", 10**400),
            Refused("cannot be read as JSON: it has a whole number of 401 digits, which is too large"),
        ),
        (
            "a negative seed",
            put("seed", -1),
            Refused("its record contradicts itself .*: configuration: seed is -1 in run.json and 0 in its"),
        ),
        ("an unknown status", put("status", "done"), _wrong("status", "should be 'running', 'trained', 'finished'")),
        ("an unfinished run", put("status", "running"), Refused("running after 3 of 3 rounds")),
        (
            "a failed run",
            json_damages.keys(FILE, lambda r: r.update(status="failed", error="KeyError: x")),
            Refused("failed after 3 of 3 rounds .KeyError: x"),
        ),
        ("rounds of text", put("rounds_completed", "3"), _wrong("rounds_completed", "should be a valid integer")),
        (
            "rounds that are true",
            put("rounds_completed", True),
            _wrong("rounds_completed", "should be a valid integer"),
        ),
        (
            "10**12 rounds",
            put("federated.rounds", 10**12),
            Refused("after 3 of 1000000000000 rounds|contradicts itself"),
        ),
        ("10**12 clients of a round", put("federated.clients_per_round", 10**12), _listed("a setting as any other")),
        (
            "an epsilon that is NaN",
            put("privacy.accounted.epsilon", float("nan")),
            _NO_NUMBER,
        ),
        (
            "an infinite epsilon",
            put("privacy.accounted.epsilon", float("inf")),
            _NO_NUMBER,
        ),
        (
            "a delta that is NaN",
            put("privacy.accounted.delta", float("nan")),
            _NO_NUMBER,
        ),
        (
            "an epsilon of text",
            put("privacy.accounted.epsilon", "8"),
            _wrong("privacy.accounted.epsilon", "should be a valid number"),
        ),
        (
            "an epsilon of 400 digits",
            _raw("8.5", "8" * 400),
            Refused("it has a whole number of 400 digits, which is too large"),
        ),
        (
            "seconds that are NaN",
            put("wall_seconds", float("nan")),
            _NO_NUMBER,
        ),
        ("an unknown unit", put("privacy.unit", "house"), _wrong("privacy.unit", "should be 'none', 'batch'")),
        ("an unknown kind of data", put("data.kind", "half"), _wrong("data.kind", "should be 'phantom' or 'real'")),
        ("clients that are a list", put("data.clients", ["a"]), _wrong("data.clients", "should be an object")),
        ("a ledger of text", put("privacy.ledger", "none"), _wrong("privacy.ledger", "should be an object")),
        (
            "a release with too few numbers",
            put("privacy.ledger", {"north": [["x", 1]]}),
            _wrong("privacy.ledger.north.0.2", "is missing"),
        ),
        ("a configuration that is a list", put("config", []), _wrong("config", "should be an object")),
        (
            "a configuration nested 2,000 deep",
            _raw('"seed_everything": 0', f'"x": {"[" * 2000}{"]" * 2000}'),
            Refused(r"dp/run\.json"),
        ),
        ("metrics that are a word", put("model.metrics", "dice"), _wrong("model.metrics", "should be")),
        ("further keys", put("later", {"x": 1}), _listed("kept, as a later version may state them")),
        (
            "a key twice",
            _raw('"seed": 0', '"seed": 7, "seed": 0'),
            Refused(r"dp/run\.json cannot be read as JSON: the key seed is there twice"),
        ),
        ("a time that is none", put("started", "yesterday"), _wrong("started", "should be a moment in ISO 8601")),
        (
            "a method of control characters",
            put("method", "dp\x1b[2J\n"),
            _wrong("method", "contains a line break or another control"),
        ),
        (
            "a task of control characters",
            put("task", "a\rb"),
            _wrong("task", "contains a line break or another control"),
        ),
        ("a method of 10,000 letters", put("method", "x" * 10_000), _wrong("method", "has 10,000 letters")),
        ("an empty method", put("method", ""), _wrong("method", "String should have at least 1 character")),
    ],
)
