"""The chain of a run's rounds: what a link depends on, and which round is found to be changed."""

import hashlib
import json

import pytest

from adpfl_bench.records.chain import ChainBlock, run_origin

LEDGER = {"north": [["GaussianMechanism", 1.0, 1.0, 1.0, "l2", 3]], "south": [["GaussianMechanism", 1.0, 4]]}
LINES = {number: f"{number},all,train_loss,0.{number}\n".encode() for number in (1, 2, 3, 4)}


def chain(rounds=4, lines=LINES, ledger=LEDGER, weights="w", origin="o"):
    found = ChainBlock(origin=origin)
    for number in range(1, rounds + 1):
        found = found.extended(number, lines[number], ledger, f"{weights}{number}")
    return found


def test_a_link_is_the_hash_of_what_the_documentation_says():
    def digest(value):
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    first, second = chain(2).links
    rows = hashlib.sha256(LINES[2]).hexdigest()
    assert (second.round, second.releases, second.weights) == (2, 7, "w2")
    assert second.ledger == digest(LEDGER)
    assert second.link == digest([first.link, 2, rows, 7, second.ledger, "w2"])
    assert ChainBlock(origin="o").head == "o"
    assert chain(2).head == second.link


@pytest.mark.parametrize(
    "other",
    [
        {"lines": {**LINES, 2: b"2,all,train_loss,0.9\n"}},
        {"ledger": {"north": LEDGER["north"]}},
        {"weights": "v"},
        {"origin": "p"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_link_depends_on_all_that_was_before_it(other):
    assert chain().head != chain(**other).head


def test_the_order_of_a_ledger_does_not_matter():
    assert chain(ledger=dict(reversed(LEDGER.items()))) == chain()


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_changed_round_is_found_and_no_other(number):
    found = chain()
    assert found.broken(LINES) == []
    assert found.broken({**LINES, number: LINES[number] + b"x"}) == [number]
    assert found.broken({n: lines for n, lines in LINES.items() if n != number}) == []


def test_a_chain_begins_again_where_it_was_cut():
    again = chain().until(2)
    assert [link.round for link in again.links] == [1, 2]
    for number in (3, 4):
        again = again.extended(number, LINES[number], LEDGER, f"w{number}")
    assert again == chain()


def test_where_histories_part():
    one = chain()
    assert one.parts_from(one) is None
    assert one.parts_from(one.until(2)) is None
    assert one.until(2).parts_from(one) is None
    assert one.parts_from(chain(lines={**LINES, 3: b"3,all,x,1\n"})) == 3
    assert one.parts_from(chain(origin="p")) == 0


def test_an_origin_tells_runs_apart():
    one = run_origin(0, "phantom", "f", "p")
    others = [
        run_origin(1, "phantom", "f", "p"),
        run_origin(0, "real", "f", "p"),
        run_origin(0, "phantom", "g", "p"),
        run_origin(0, "phantom", "f", "q"),
    ]
    assert len({one, *others}) == 5
