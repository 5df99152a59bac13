"""Aggregation rules against their papers' equations, and what holds for each of them."""

import gc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from least_squares import RATE, STEPS, Federation, assert_equal, by_hand, case_shares, local_gradients, mean_delta
from scipy import stats

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.aggregation import (
    BufferMean,
    CoordinateMedian,
    FedNova,
    TrimmedMean,
    WeightedMean,
    effective_steps,
)

RULES = {
    "mean": WeightedMean,
    "nova": FedNova,
    "median": CoordinateMedian,
    "trimmed": lambda: TrimmedMean(0.34),
}


def aggregate(rule, deltas, weights=None, steps=None, momentum=0.0):
    """One round; the deltas are arrays by client, in the order in which they are sent."""
    rule.begin_round(
        weights or dict.fromkeys(deltas, 1 / len(deltas)), steps or dict.fromkeys(deltas, 1), momentum=momentum
    )
    for client, delta in deltas.items():
        rule.receive(client, [torch.as_tensor(delta)])
    (combined,) = rule.finish_round()
    return combined.numpy()


def random_deltas(clients, seed=0):
    generator = np.random.default_rng(seed)
    return {f"client {index}": generator.normal(size=(3, 2)) for index in range(clients)}


def test_weighted_mean_is_the_mean_of_the_local_models():
    def mean_model(participants, weights):
        shares = case_shares(participants)
        return sum(shares[client] * (weights + local_gradients(client, weights)[1]) for client in participants)

    expected = by_hand(mean_model, step=lambda weights, mean: mean)
    assert_equal(Federation(aggregator=WeightedMean()).play(), expected)
    assert_equal(Federation().play(), expected)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_fednova_by_hand(momentum):
    """Wang et al. 2020, section 4: normalised gradients ``G_i a_i / ||a_i||_1``, from the gradients themselves."""

    def normalised(participants, weights):
        shares, direction, effective = case_shares(participants), 0.0, 0.0
        for client in participants:
            gradients, _ = local_gradients(client, weights, momentum)
            coefficients = np.array([sum(momentum**later for later in range(n)) for n in range(len(gradients), 0, -1)])
            direction = direction + shares[client] * coefficients @ gradients / coefficients.sum()
            effective += shares[client] * coefficients.sum()
        return -effective * RATE * direction

    federation = Federation(aggregator=FedNova(), momentum=momentum)
    assert_equal(federation.play(), by_hand(normalised))


@pytest.mark.parametrize(
    ("rule", "of_deltas"),
    [
        (CoordinateMedian(), lambda deltas: np.median(deltas, axis=0)),
        (TrimmedMean(0.34), lambda deltas: stats.trim_mean(deltas, 0.34, axis=0)),
    ],
    ids=["median", "trimmed"],
)
def test_robust_rules_by_hand(rule, of_deltas):
    def robust(participants, weights):
        return of_deltas(np.array([local_gradients(client, weights)[1] for client in participants]))

    assert_equal(Federation(aggregator=rule).play(), by_hand(robust))


def test_fednova_equals_the_mean_where_all_make_as_many_steps_and_only_there():
    equal = dict.fromkeys(STEPS, 4)
    for momentum in (0.0, 0.9):
        nova = Federation(aggregator=FedNova(), steps=equal, momentum=momentum).play()
        assert_equal(nova, Federation(steps=equal, momentum=momentum).play(), 1e-6)
    unequal = Federation(aggregator=FedNova()).play() - by_hand(mean_delta)
    assert np.abs(unequal).max() > 0.01


def test_momentum_changes_what_fednova_divides_by():
    deltas, steps = random_deltas(3), {"client 0": 1, "client 1": 4, "client 2": 9}
    plain = aggregate(FedNova(), deltas, steps=steps)
    assert np.abs(aggregate(FedNova(), deltas, steps=steps, momentum=0.9) - plain).max() > 0.01


@given(steps=st.integers(1, 60), momentum=st.sampled_from([0.0, 0.3, 0.9, 0.99]))
def test_effective_steps_are_how_far_torch_goes_on_a_constant_gradient(steps, momentum):
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=momentum)
    weight.grad = -torch.ones(1, dtype=torch.float64)
    for _ in range(steps):
        optimizer.step()
    assert effective_steps(steps, momentum) == pytest.approx(weight.item(), rel=1e-9)


@pytest.mark.parametrize(("clients", "trim"), [(3, 0.34), (5, 0.2), (9, 0.2), (10, 0.3), (100, 0.29)])
def test_outliers_do_not_move_robust_rules(clients, trim):
    deltas = random_deltas(clients)
    for rule in (CoordinateMedian(), TrimmedMean(trim)):
        outcomes = [aggregate(rule, {**deltas, "client 1": np.full((3, 2), size)}) for size in (1e3, 1e30)]
        np.testing.assert_array_equal(*outcomes)
        assert np.abs(outcomes[0]).max() < 3
    moved = aggregate(WeightedMean(), {**deltas, "client 1": np.full((3, 2), 1e3)})
    assert np.abs(moved).min() > 5


def test_trimming_counts_by_whole_clients():
    """Of 10, a share of 0.29 at either end is two, 0.3 is three."""
    deltas = {str(number): np.array([2.0**number]) for number in range(10)}
    assert aggregate(TrimmedMean(0.29), deltas) == np.mean(2.0 ** np.arange(2, 8))
    assert aggregate(TrimmedMean(0.3), deltas) == np.mean(2.0 ** np.arange(3, 7))
    many = {str(number): np.array([float(number**2)]) for number in range(100)}
    assert aggregate(TrimmedMean(0.29), many) == np.mean(np.arange(29, 71.0) ** 2)  # 0.29 * 100 < 29 in floats
    almost_half = {str(number): np.array([float(number)]) for number in (0, 1, 2, 10)}
    assert aggregate(TrimmedMean(0.4999999999), almost_half) == 1.5


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two():
    deltas = {name: np.array([value]) for name, value in {"a": 1.0, "b": 2.0, "c": 4.0, "d": 100.0}.items()}
    assert aggregate(CoordinateMedian(), deltas) == 3.0


@pytest.mark.parametrize("rule", RULES)
def test_identical_deltas_stay_what_they_are(rule):
    delta = random_deltas(1)["client 0"]
    for clients in (3, 4):
        combined = aggregate(RULES[rule](), {str(number): delta for number in range(clients)})
        np.testing.assert_allclose(combined, delta, rtol=1e-12, atol=clients * 2**-41)


@pytest.mark.parametrize("rule", RULES)
@given(clients=st.integers(3, 8), seed=st.integers(0, 1000), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_clients_does_not_matter(rule, clients, seed, shuffle):
    deltas = random_deltas(clients, seed)
    counts = dict.fromkeys(deltas, 0)
    for index, client in enumerate(deltas):
        counts[client] = index + 1
    weights = {client: count / sum(counts.values()) for client, count in counts.items()}
    shuffled = dict(shuffle.sample(list(deltas.items()), clients))
    found = [aggregate(RULES[rule](), sent, weights, counts) for sent in (deltas, shuffled)]
    np.testing.assert_allclose(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@given(clients=st.integers(3, 8), seed=st.integers(0, 1000), scale=st.floats(-100, 100))
def test_scaling_the_deltas_scales_the_aggregate(rule, clients, seed, scale):
    deltas = random_deltas(clients, seed)
    scaled = {client: scale * delta for client, delta in deltas.items()}
    expected = scale * aggregate(RULES[rule](), deltas)
    np.testing.assert_allclose(aggregate(RULES[rule](), scaled), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", ["median", "trimmed"])
def test_robust_rules_ignore_weights(rule):
    deltas = random_deltas(4)
    weights = dict(zip(deltas, (0.97, 0.01, 0.01, 0.01), strict=True))
    np.testing.assert_array_equal(aggregate(RULES[rule](), deltas, weights), aggregate(RULES[rule](), deltas))


@pytest.mark.parametrize("rule", RULES)
def test_deltas_are_left_alone_and_may_change_after_they_were_sent(rule):
    aggregator, clients = RULES[rule](), ("a", "b", "c", "d")
    aggregator.begin_round(dict.fromkeys(clients, 0.25), dict.fromkeys(clients, 2))
    for number, client in enumerate(clients):
        delta = torch.full((2,), float(number))
        aggregator.receive(client, [delta])
        assert torch.equal(delta, torch.full((2,), float(number)))
        delta.fill_(1e6)  # as a buffer that the next client's delta is written into
    (combined,) = aggregator.finish_round()
    assert torch.equal(combined, torch.full((2,), 1.5))
    assert combined.dtype == torch.float32


@pytest.mark.parametrize("rule", RULES)
def test_nothing_of_a_round_that_was_cut_short_is_left(rule):
    deltas, aggregator = random_deltas(3), RULES[rule]()
    expected = aggregate(RULES[rule](), deltas)
    aggregator.begin_round(dict.fromkeys("abc", 1 / 3), dict.fromkeys("abc", 1))
    aggregator.receive("a", [torch.full((3, 2), 1e6)])
    np.testing.assert_array_equal(aggregate(aggregator, deltas), expected)
    np.testing.assert_array_equal(aggregate(aggregator, deltas), expected)


@pytest.mark.parametrize("rule", RULES)
def test_every_participant_sends_once_and_nobody_else(rule):
    aggregator = RULES[rule]()
    aggregator.begin_round(dict.fromkeys("abc", 1 / 3), dict.fromkeys("abc", 1))
    aggregator.receive("a", [torch.ones(1)])
    for client in ("a", "stranger"):
        with pytest.raises(BenchError, match=f"Client {client} sent a delta, but"):
            aggregator.receive(client, [torch.ones(1)])
    with pytest.raises(BenchError, match="before these clients have sent: b, c"):
        aggregator.finish_round()


@pytest.mark.parametrize("rule", RULES)
def test_weights_that_do_not_sum_to_one_are_refused(rule):
    with pytest.raises(BenchError, match=r"must sum to 1, but they sum to 1\.5"):
        RULES[rule]().begin_round(dict.fromkeys("abc", 0.5), dict.fromkeys("abc", 1))


@pytest.mark.parametrize(
    ("rule", "count", "sentence"),
    [
        (WeightedMean(), 0, "at least one participant"),
        (FedNova(), 0, "at least one participant"),
        (CoordinateMedian(), 2, "CoordinateMedian needs at least 3 participants in a round, but there are 2"),
        (TrimmedMean(0.4), 2, "TrimmedMean needs at least 3 participants in a round, but there are 2"),
        (TrimmedMean(0.1), 9, r"trim 0.1 leaves nobody out of 9 participants; give a trim of at least 0\.112"),
        (TrimmedMean(0.0), 50, "leaves nobody out of 50"),
    ],
)
def test_rounds_with_too_few_participants_are_refused(rule, count, sentence):
    clients = [str(number) for number in range(count)]
    with pytest.raises(ConfigError, match=sentence):
        rule.check_participants(count)
    with pytest.raises(ConfigError, match=sentence):
        rule.begin_round(dict.fromkeys(clients, 1 / max(count, 1)), dict.fromkeys(clients, 1))


@pytest.mark.parametrize("count", range(3, 40))
def test_the_trim_that_a_sentence_asks_for_is_enough(count):
    with pytest.raises(ConfigError) as refused:
        TrimmedMean(0.5 / count).check_participants(count)
    asked = float(str(refused.value).split("at least ")[1].split(",")[0])
    TrimmedMean(asked).check_participants(count)


@pytest.mark.parametrize("trim", [-0.1, 0.5, 1.0, float("nan")])
def test_an_impossible_trim_is_refused(trim):
    with pytest.raises(ConfigError, match=r"must lie in \[0, 0\.5\)"):
        TrimmedMean(trim)


def test_fednova_refuses_what_it_cannot_divide_by():
    with pytest.raises(ConfigError, match="these clients make none: b"):
        FedNova().begin_round({"a": 0.5, "b": 0.5}, {"a": 3, "b": 0})
    for momentum in (-0.1, 1.0):
        with pytest.raises(ConfigError, match=r"momentum in \[0, 1\)"):
            FedNova().begin_round({"a": 1.0}, {"a": 3}, momentum)


def test_what_averages_buffers():
    assert [type(RULES[rule]().for_buffers()) for rule in RULES] == [
        BufferMean,
        BufferMean,
        CoordinateMedian,
        TrimmedMean,
    ]
    rule = TrimmedMean(0.34)
    assert rule.for_buffers() is not rule
    assert rule.for_buffers().describe() == rule.describe() == {"class": "TrimmedMean", "trim": 0.34}
    assert FedNova().describe() == {"class": "FedNova"}


@pytest.mark.parametrize(("rule", "grows"), [("mean", False), ("nova", False), ("median", True), ("trimmed", True)])
def test_memory_within_a_round_is_as_documented(rule, grows):
    def live_elements(clients):
        names = [str(number) for number in range(clients)]
        aggregator = RULES[rule]()
        aggregator.begin_round(dict.fromkeys(names, 1 / clients), dict.fromkeys(names, 1))
        for name in names:
            aggregator.receive(name, [torch.ones(1000)])
        gc.collect()
        elements = sum(thing.numel() for thing in gc.get_objects() if type(thing) is torch.Tensor)
        aggregator.finish_round()
        return elements

    live_elements(3)
    assert live_elements(20) - live_elements(3) == (17_000 if grows else 0)
