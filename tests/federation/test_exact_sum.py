"""Exact sums: the same bits in every order and every division, and near the real sum."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.federation.aggregation import FedNova, WeightedMean
from adpfl_bench.federation.client_methods import LocalWork, Scaffold
from adpfl_bench.federation.exact_sum import BUFFER_BITS, WEIGHT_BITS, ExactSum, OutOfRange

NUMBERS = st.floats(-1000, 1000, width=32)
TERMS = st.lists(st.tuples(st.lists(NUMBERS, min_size=4, max_size=4), st.floats(0, 1)), min_size=1, max_size=9)


def total(terms, bits=WEIGHT_BITS):
    exact = ExactSum(len(terms), bits)
    for values, coefficient in terms:
        exact.add([torch.tensor(values, dtype=torch.float64)], coefficient)
    return exact.result()[0]


@given(terms=TERMS, order=st.randoms(use_true_random=False), bits=st.sampled_from([WEIGHT_BITS, BUFFER_BITS]))
def test_every_order_gives_the_same_bits_near_the_real_sum(terms, order, bits):
    shuffled = order.sample(terms, len(terms))
    found = total(terms, bits)
    assert torch.equal(found, total(shuffled, bits))
    for position in range(4):
        real = sum(Fraction(values[position]) * Fraction(coefficient) for values, coefficient in terms)
        rounding = sum(abs(values[position] * coefficient) for values, coefficient in terms) * 2**-52
        assert abs(Fraction(found[position].item()) - real) <= len(terms) * 2 ** -(bits + 1) + rounding


def test_floats_depend_on_the_order():
    """Otherwise none of this were needed."""
    deltas = torch.randn(20, 1000, generator=torch.Generator().manual_seed(0))
    forwards, backwards = deltas[0] * 0.05, deltas[-1] * 0.05
    for index in range(1, 20):
        forwards = forwards + 0.05 * deltas[index]
        backwards = backwards + 0.05 * deltas[-1 - index]
    assert not torch.equal(forwards, backwards)


@pytest.mark.parametrize("rule", [WeightedMean, FedNova])
def test_clients_may_come_in_any_order(rule):
    generator = torch.Generator().manual_seed(1)
    deltas = {str(k): [torch.randn(500, generator=generator), torch.randn(7, generator=generator)] for k in range(12)}
    shares = {name: (int(name) + 1) / 78 for name in deltas}
    outcomes = []
    for names in (list(deltas), list(reversed(deltas)), sorted(deltas)):
        mean = rule()
        mean.begin_round({name: shares[name] for name in names}, {name: 1 + int(name) for name in names})
        for name in names:
            mean.receive(name, deltas[name])
        outcomes.append(mean.finish_round())
    for outcome in outcomes[1:]:
        assert all(map(torch.equal, outcome, outcomes[0]))
    assert [tensor.dtype for tensor in outcomes[0]] == [torch.float32] * 2


def test_scaffolds_variate_does_not_depend_on_the_order():
    def variate(order):
        method = Scaffold()
        for client in order:
            weights = [torch.zeros(300)]
            work = LocalWork(client, "shared", 5, weights, weights)
            method.on_client_start(work)
            gradient = torch.randn(300, generator=torch.Generator().manual_seed(int(client)))
            method.on_gradient(work, [gradient])
            method.on_client_end(work)
        method.on_round_end()
        return method.state_dict()["server"][0]

    assert torch.equal(variate("01234"), variate("31042"))
    expected = torch.stack([torch.randn(300, generator=torch.Generator().manual_seed(k)) for k in range(5)]).mean(0)
    torch.testing.assert_close(variate("01234"), expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2.0**22])
def test_what_has_no_room_is_refused_and_nothing_is_added(value):
    exact = ExactSum(terms=1)
    exact.add([torch.ones(2)], 0.5)
    with pytest.raises(OutOfRange, match=r"room for less than 4\.19e\+06"):
        exact.add([torch.tensor([1.0, value])])
    assert exact.result()[0].tolist() == [0.5, 0.5]


def test_the_largest_terms_do_not_wrap():
    for terms in (1, 3, 1000):
        exact = ExactSum(terms)
        largest = exact.limit * (1 - 1e-12)
        for _ in range(terms):
            exact.add([torch.tensor([largest, -largest], dtype=torch.float64)])
        total = exact.result()[0]
        torch.testing.assert_close(total, torch.tensor([1.0, -1.0], dtype=torch.float64) * largest * terms)


def test_running_statistics_have_more_room():
    exact = ExactSum(terms=4, bits=BUFFER_BITS)
    exact.add([torch.tensor([2.0e8], dtype=torch.float64)])
    assert exact.result()[0].item() == 2.0e8


def test_nothing_is_nothing():
    assert ExactSum(3).result() == []
    empty = ExactSum(2)
    empty.add([torch.zeros(0), torch.tensor(1.5)])
    assert [value.tolist() for value in empty.result()] == [[], 1.5]
