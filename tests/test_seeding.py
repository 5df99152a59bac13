"""Random streams by purpose."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.seeding import derive_seed, numpy_generator, seed_torch, torch_generator

PURPOSES = st.lists(st.one_of(st.integers(0, 100), st.text(max_size=4)), max_size=4).map(tuple)


@given(seeds=st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)), purposes=st.tuples(PURPOSES, PURPOSES))
def test_equal_exactly_for_equal_seed_and_purpose(seeds, purposes):
    first, second = (derive_seed(seed, *purpose) for seed, purpose in zip(seeds, purposes, strict=True))
    same = seeds[0] == seeds[1] and purposes[0] == purposes[1]
    assert (first == second) == same
    assert 0 <= first < 2**63


def test_no_two_of_many_purposes_collide():
    seeds = {
        derive_seed(seed, purpose, index, client)
        for seed in range(3)
        for purpose in ("noise", "order")
        for index in range(100)
        for client in ("a", "b", "ab", 1, "1")
    }
    assert len(seeds) == 3 * 2 * 100 * 5


def test_another_process_derives_the_same():
    """Python salts its own hash in every process."""
    code = "from adpfl_bench.seeding import derive_seed; print(derive_seed(3, 'noise', 1, 'site'))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(output) == derive_seed(3, "noise", 1, "site")


def test_generators_draw_the_same_whatever_the_global_state():
    def draw():
        ours = numpy_generator(1, "x", 2).random(5), torch.rand(5, generator=torch_generator(1, "x", 2))
        return np.concatenate([ours[0], ours[1].numpy()])

    torch.manual_seed(0)
    np.random.seed(0)
    first = draw()
    torch.manual_seed(1)
    np.random.seed(1)
    state = torch.get_rng_state()
    assert np.array_equal(first, draw())
    assert torch.equal(state, torch.get_rng_state())
    assert not np.array_equal(numpy_generator(1, "x", 3).random(5), first[:5])


def test_numpys_words_and_numbers_are_pythons():
    assert derive_seed(np.int64(1), np.str_("noise"), np.int64(3)) == derive_seed(1, "noise", 3)


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_torch_is_seeded_as_by_itself(monkeypatch, seed):
    torch.manual_seed(seed)
    expected = torch.rand(3)
    seed_torch(seed)
    assert torch.equal(torch.rand(3), expected)
    seeded = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    seed_torch(seed)
    assert seeded == [seed]
