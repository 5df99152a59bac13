"""Rounds whose lines two processes wrote."""

from pathlib import Path

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.records.chain import ChainBlock
from adpfl_bench.records.doubled_rounds import keep_once

PATH = Path("run/rounds.csv")


def lines(number: int, loss: float = 0.5) -> bytes:
    return f'{number},all,train_loss,{loss}\n{number},"a, b",train_loss,{loss}\n{number},all,val_dice,{loss}\n'.encode()


def chain_of(*rounds: bytes) -> ChainBlock:
    chain = ChainBlock(origin="o")
    for number, content in enumerate(rounds, 1):
        chain = chain.extended(number, content, {}, "w")
    return chain


@pytest.mark.parametrize("chain", [None, chain_of(lines(1), lines(2))], ids=["of an older version", "hashed"])
def test_equal_lines_are_kept_once_and_named(chain: ChainBlock | None) -> None:
    once = {1: lines(1), 2: lines(2)}
    assert keep_once(once, chain, PATH) == (once, [])
    half = lines(2).partition(b"\n")[0] + b"\n"
    assert keep_once({1: lines(1) * 3, 2: lines(2) + half}, chain, PATH) == (once, [1, 2])
    mixed = b"".join(line * 2 for line in lines(1).splitlines(keepends=True))
    assert keep_once({1: mixed}, chain, PATH) == ({1: lines(1)}, [1])


@pytest.mark.parametrize("true_one_first", [True, False])
def test_of_different_lines_those_that_the_checkpoint_has_hashed_are_kept(true_one_first: bool) -> None:
    true, other = lines(2, 0.4), lines(2, 0.6)
    doubled = true + other if true_one_first else other + true
    assert keep_once({1: lines(1), 2: doubled}, chain_of(lines(1), true), PATH)[0] == {1: lines(1), 2: true}


@pytest.mark.parametrize("chain", [None, chain_of(lines(1)), chain_of(lines(1), lines(2, 0.1))])
def test_different_lines_that_nothing_decides_between_are_refused(chain: ChainBlock | None) -> None:
    with pytest.raises(RecordError, match=r"run/rounds.csv says two different things of round 2, since two processes"):
        keep_once({1: lines(1), 2: lines(2, 0.4) + lines(2, 0.6)}, chain, PATH)
