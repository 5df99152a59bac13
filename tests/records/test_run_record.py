"""What run.json may hold: the trip to JSON and back, records of earlier versions, and a sentence for what is broken."""

import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from adpfl_bench.errors import RecordError
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.block import Block
from adpfl_bench.records.blocks import CheckBlock, ClientSizes, ObjectBlock
from adpfl_bench.records.run_record import FORMAT_VERSION, RunRecord, parse_record, record_schema
from adpfl_bench.records.stated_text import Name
from tests.leaderboard.records import by_target, record_content, record_of

TOP = Path(__file__).parents[2]
COMMITTED = [*(TOP / "results").rglob("run.json"), *(TOP / "tests").rglob("run.json")]
PLACE = Path("runs/isic/fedavg/seed0/run.json")
COUNTS = st.integers(0, 2**40)
PLAIN = {
    str: st.text(max_size=8),
    bool: st.booleans(),
    int: st.integers(-(2**40), 2**40),
    float: st.floats(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
    Any: st.integers() | st.text(max_size=8) | st.lists(st.none() | st.booleans(), max_size=2),
}
NAMES = st.text(st.characters(categories=["L", "P", "N"]), min_size=1, max_size=8)
STATED = {
    "format_version": st.integers(0, FORMAT_VERSION),
    "task": NAMES,
    "method": NAMES,
    "region": NAMES,
    "started": st.datetimes().map(lambda moment: moment.isoformat()),
    "when": st.datetimes().map(lambda moment: moment.isoformat()),
    "clients": st.dictionaries(NAMES, st.builds(ClientSizes, train=COUNTS, validation=COUNTS, test=COUNTS), max_size=2),
}
"""What fields hold that take less than their types."""


def values(annotation):
    """Whatever a field may hold, by its annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation == Name:
        return NAMES
    if annotation in PLAIN:
        return PLAIN[annotation]
    if origin in (Union, UnionType):
        return st.one_of(map(values, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if origin is tuple and arguments[1:] == (...,):
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    return st.builds(Metric) if annotation is Metric else blocks(annotation)


def blocks(kind: type[BaseModel]):
    """Blocks with all that must be there, some of what may be, and something of another version."""
    own = {name: values(field.annotation) for name, field in kind.model_fields.items()}
    own |= {name: stated for name, stated in STATED.items() if name in own}
    needed = {name: own.pop(name) for name, field in kind.model_fields.items() if field.is_required()}
    return st.fixed_dictionaries(needed, optional={**own, "of another version": PLAIN[Any]}).map(
        lambda content: kind(**content)
    )


def unknown_keys(block: Block):
    """Keys that no field is for, but the settings of objects and the figures of checks."""
    found = [] if isinstance(block, ObjectBlock | CheckBlock) else list(block.model_extra or {})
    inner = [getattr(block, name) for name in type(block).model_fields]
    inner += [value for held in inner if isinstance(held, dict) for value in held.values()]
    return found + [key for below in inner if isinstance(below, Block) for key in unknown_keys(below)]


@given(record=blocks(RunRecord))
def test_a_record_comes_back_as_it_was_written(record):
    again = parse_record(record.to_json().encode(), PLACE)
    assert again == record
    assert again.to_json() == record.to_json()


def test_nothing_of_an_earlier_record_is_lost_or_read_as_something_else():
    assert len(COMMITTED) > 150
    for path in COMMITTED:
        record = parse_record(path.read_bytes(), path)
        assert json.loads(record.to_json()) == json.loads(path.read_text()), path
        assert unknown_keys(record) == [], path
    assert {parse_record(path.read_bytes(), path).format_version for path in COMMITTED} == {0, 1}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": 1}, "task should be a valid string, but it is 1. Restore the file, or read it with the version"),
        ({"seed": "0"}, 'seed should be a valid integer, but it is "0".'),
        ({"status": "odd"}, "status should be 'running', 'trained', 'finished', 'interrupted' or 'failed', but it is"),
        ({"privacy": {}}, "privacy.unit is missing, and 2 more."),
        ({"data": {"kind": "toy", "fingerprint": ""}}, "data.kind should be 'phantom' or 'real', but it is \"toy\"."),
        ({"federated": {"headline": "best"}}, "federated.headline should be 'global', 'own' or 'everyone'"),
        ({"federated": {"client_optimizer": 3}}, "federated.client_optimizer should be an object, but it is 3"),
        ({"model": {"scored_round": 3, "surface_tolerance": {"the whole": "1"}}}, "surface_tolerance.the whole should"),
        ({"privacy": by_target(ledger={"a": [["L"]]})}, "privacy.ledger.a.0.1 is missing"),
        ({"wall_seconds": [1]}, "wall_seconds should be a valid number, but it is [1]."),
    ],
)
def test_a_key_that_is_not_as_it_should_be_is_named(changes, sentence):
    with pytest.raises(RecordError) as error:
        record_of(**changes)
    assert str(error.value).startswith("run.json is no usable record of a run: ")
    assert sentence in str(error.value)


def test_an_audit_without_a_finite_bound_is_refused():
    found = {"epsilon": float("nan"), "confidence": 0.95, "delta": 1e-4, "canaries": 9, "client": "a"}
    with pytest.raises(RecordError, match=r"privacy.audited.epsilon should be a finite number"):
        record_of(privacy=by_target(audited=found))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"task": ', f"{PLACE} cannot be read as JSON: EOF while parsing"),
        ("null", "the file should be an object, but it is null."),
        ("[]", "the file should be an object, but it is []."),
        ("{}", "task is missing, and 9 more."),
    ],
)
def test_what_is_no_record_is_a_sentence(content, sentence):
    with pytest.raises(RecordError) as error:
        parse_record(content.encode(), PLACE)
    assert sentence in str(error.value)


def test_a_record_of_a_later_format_says_so_before_anything_else():
    content = {**record_content(), "format_version": FORMAT_VERSION + 1, "task": {"name": "of a later format"}}
    with pytest.raises(RecordError) as error:
        parse_record(json.dumps(content).encode(), PLACE)
    assert str(error.value) == (
        f"{PLACE} has the format version {FORMAT_VERSION + 1}, but this version of adpfl-bench reads up to"
        f" {FORMAT_VERSION}: read it with the version that made it, or a later one."
    )


def test_published_schema_is_current():
    """``python -m adpfl_bench.records.run_record > docs/run.schema.json`` renews it."""
    assert (TOP / "docs" / "run.schema.json").read_text() == record_schema()
