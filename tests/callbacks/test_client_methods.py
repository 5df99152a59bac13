"""Client methods through the federated loop, against plain PyTorch from their papers' equations."""

import copy

import pytest
import torch
from torch.utils.data import default_collate

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.rounds.round_plan import plan_round
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import Ditto, FedProx, LocalTraining, Scaffold

SIZES = {"alps": 12, "bay": 9, "cape": 3, "dale": 6}
ROUNDS = 3
PARTIAL = {"clients_per_round": 3, "local_epochs": 2, "seed": 1}
RATE = 0.3


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=RATE)


class Plain:
    """A federation by hand: weights are dictionaries of float64 tensors, local steps plain SGD."""

    def __init__(self, task, data, schedule):
        self.task = copy.deepcopy(task).double().train()
        self.data, self.schedule = data, schedule
        self.start = self.read()

    def read(self):
        return {name: p.detach().clone() for name, p in self.task.named_parameters()}

    def plan(self, index):
        plan = plan_round(self.schedule, index, self.data.own_records, self.data.batch_size)
        turns = {}
        for step in plan:
            turns.setdefault((step.client, step.turn), []).append(step.keys)
        return turns

    def gradient(self, weights, keys):
        for name, parameter in self.task.named_parameters():
            parameter.data.copy_(weights[name])
            parameter.grad = None
        batch = default_collate([self.data.records[key] for key in keys])
        self.task.example_losses(batch.image.double(), batch.label.double()).mean().backward()
        return {name: p.grad.clone() for name, p in self.task.named_parameters()}

    def train(self, weights, batches, term=lambda weights, gradient: gradient, rate=RATE):
        weights = dict(weights)
        for keys in batches:
            gradient = term(weights, self.gradient(weights, keys))
            weights = {name: weights[name] - rate * gradient[name] for name in weights}
        return weights

    def average(self, weights, uniform=False):
        sizes = {c: 1 if uniform else SIZES[c] for c in weights}
        total = sum(sizes.values())
        return {n: sum(sizes[c] / total * w[n] for c, w in weights.items()) for n in next(iter(weights.values()))}


@pytest.fixture
def play(toy_task, toy_data, fit, history):
    """Runs the loop with a method, and gives the loop, the data and the untrained task beside it."""

    def run(method=None, network="plain", **federated):
        task, data = toy_task(network, optimizer=sgd), toy_data(SIZES)
        start = copy.deepcopy(task)
        loop = FederatedLoop(**{"rounds": ROUNDS, **PARTIAL, "client_method": method, **federated})
        fit(task, data, loop, history)
        return loop, task, Plain(start, data, loop.schedule)

    return run


def model_of(loop, task, client):
    loop.load_model(task, client)
    weights = {name: p.detach().clone() for name, p in task.named_parameters()}
    loop.load_model(task, None)
    return weights


def close(expected, ours, difference):
    assert difference({n: w.float() for n, w in expected.items()}, ours) < 1e-5


@pytest.mark.parametrize("mu", [0.0, 0.5])
def test_fedprox_equals_its_equation(play, history, difference, mu):
    _, _, plain = play(FedProx(mu))
    weights = plain.start
    for index in range(ROUNDS):
        centre = weights
        local = {
            client: plain.train(centre, batches, lambda w, g, c=centre: {n: g[n] + mu * (w[n] - c[n]) for n in g})
            for (client, _), batches in plain.plan(index).items()
        }
        weights = plain.average(local)
        close(weights, history.rounds[index], difference)


def test_fedprox_holds_clients_nearer_to_the_global_weights(play, difference):
    _, free, _ = play(FedProx(0.0))
    _, held, plain = play(FedProx(1.0))
    start = {n: w.float() for n, w in plain.start.items()}
    assert difference(start, dict(held.named_parameters())) < difference(start, dict(free.named_parameters()))


def test_scaffold_equals_option_two_of_its_paper(play, history, difference):
    """Algorithm 1 with eta_g = 1; the variates by option II, from how far a client has moved."""
    _, _, plain = play(Scaffold(), aggregation_weights="uniform")
    weights = plain.start
    zero = {n: torch.zeros_like(w) for n, w in weights.items()}
    server, own = zero, dict.fromkeys(SIZES, zero)
    seen = set()
    for index in range(ROUNDS):
        local, change = {}, []
        for (client, _), batches in plain.plan(index).items():
            c, c_i = server, own[client]
            y = plain.train(weights, batches, lambda w, g, c=c, c_i=c_i: {n: g[n] + c[n] - c_i[n] for n in g})
            new = {n: c_i[n] - c[n] + (weights[n] - y[n]) / (len(batches) * RATE) for n in y}
            change.append({n: new[n] - c_i[n] for n in y})
            own[client], local[client] = new, y
            seen.add(client)
        weights = plain.average(local, uniform=True)
        server = {n: server[n] + sum(d[n] for d in change) / len(SIZES) for n in server}
        close(weights, history.rounds[index], difference)
    assert seen == set(SIZES)  # somebody came back, and somebody was left out of a round


def test_scaffold_starts_as_fedavg_and_goes_on_differently(play, history, difference):
    play(Scaffold())
    scaffold = history.rounds[:]
    history.rounds.clear()
    play(None)
    assert difference(history.rounds[0], scaffold[0]) == 0  # all control variates are zero in the first round
    assert difference(history.rounds[-1], scaffold[-1]) > 1e-3


def test_scaffold_keeps_state_of_seen_clients_only_and_on_the_cpu(play):
    method = Scaffold()
    loop, _, _ = play(method, clients_per_round=1, rounds=2)
    seen = {client for index in range(2) for client in loop.schedule.participants(index, list(SIZES))}
    assert set(method.state_dict()["clients"]) == seen


@pytest.mark.parametrize("lam", [0.0, 0.4])
def test_ditto_equals_its_algorithm(play, history, difference, lam):
    loop, task, plain = play(Ditto(lam))
    weights, own = plain.start, {}
    for index in range(ROUNDS):
        centre, local = weights, {}
        for (client, turn), batches in plain.plan(index).items():
            if turn == "shared":
                local[client] = plain.train(centre, batches)
            else:
                own[client] = plain.train(
                    own.get(client, centre),
                    batches,
                    lambda w, g, c=centre: {n: g[n] + lam * (w[n] - c[n]) for n in g},
                )
        weights = plain.average(local)
    close(weights, model_of(loop, task, None), difference)
    for client, expected in own.items():
        close(expected, model_of(loop, task, client), difference)
    assert len(own) == len(SIZES)


def test_ditto_trains_the_global_model_as_fedavg_does(play, difference):
    _, with_own, _ = play(Ditto(0.4))
    _, without, _ = play(None)
    assert difference(dict(without.named_parameters()), dict(with_own.named_parameters())) == 0


def test_parameters_without_a_gradient_are_left_alone_where_no_method_changes_gradients(toy_task, toy_data, fit):
    """AdamW would let the weights of a layer that is not used decay, if it got zeros for a gradient."""
    decaying = lambda parameters: torch.optim.AdamW(parameters, lr=0.1, weight_decay=0.5)  # noqa: E731
    task = toy_task("unused", optimizer=decaying)
    torch.nn.init.ones_(task.network[1].weight)
    fit(task, toy_data(SIZES), FederatedLoop(rounds=2))
    assert torch.equal(task.network[1].weight, torch.ones(5000))


def test_own_running_statistics_are_found_after_the_network_has_moved(play):
    """A network that moves to another device gets new buffers there."""
    loop, task, _ = play(LocalTraining(), network="batchnorm")
    expected = {}
    for client in ("alps", "bay"):
        loop.load_model(task, client)
        expected[client] = task.network[1].running_mean.clone()
    assert not torch.equal(expected["alps"], expected["bay"])
    task.network[1].running_mean = torch.zeros(4)
    for client, mean in expected.items():
        loop.load_model(task, client)
        assert torch.equal(task.network[1].running_mean, mean)


def test_ditto_with_a_large_lambda_stays_near_the_global_model(play, difference):
    distance = {}
    for lam in (0.0, 1.0):
        loop, task, _ = play(Ditto(lam))
        distance[lam] = difference(model_of(loop, task, None), model_of(loop, task, "cape"))
    assert distance[1.0] < distance[0.0]


def test_local_training_equals_each_client_alone(play, history, difference):
    loop, task, plain = play(LocalTraining())
    own = {}
    for index in range(ROUNDS):
        for (client, turn), batches in plain.plan(index).items():
            assert turn == "personal"
            own[client] = plain.train(own.get(client, plain.start), batches)
    for client, expected in own.items():
        close(expected, model_of(loop, task, client), difference)
    close(plain.start, model_of(loop, task, None), difference)  # nothing was sent


def test_local_parameters_stay_with_their_client(play, difference):
    loop, task, plain = play(None, local_parameters=r"^network\.3\.")
    local = [name for name in plain.start if name.startswith("network.3.")]
    assert 0 < len(local) < len(plain.start)
    weights, own = plain.start, {}
    for index in range(ROUNDS):
        trained = {}
        for (client, _), batches in plain.plan(index).items():
            trained[client] = plain.train({**weights, **own.get(client, {})}, batches)
            own[client] = {name: trained[client][name] for name in local}
        weights = {**plain.average(trained), **{name: plain.start[name] for name in local}}
    close(weights, model_of(loop, task, None), difference)
    for client, mine in own.items():
        close({**weights, **mine}, model_of(loop, task, client), difference)


def test_fine_tuning_adapts_the_final_model_to_every_client(play, history, difference):
    loop, task, plain = play(None, fine_tuning_epochs=2, fine_tuning_rate=0.5)
    weights = plain.start
    for index in range(ROUNDS):
        weights = plain.average({c: plain.train(weights, b) for (c, _), b in plain.plan(index).items()})
    close(weights, model_of(loop, task, None), difference)
    last = plain.plan(ROUNDS)
    assert set(last) == {(client, "personal") for client in SIZES}
    for (client, _), batches in last.items():
        close(plain.train(weights, batches, rate=0.5 * RATE), model_of(loop, task, client), difference)
    assert loop.rounds_completed == ROUNDS + 1


def test_fine_tuning_leaves_the_rounds_before_it_as_they_are(play, difference):
    _, tuned, _ = play(None, fine_tuning_epochs=1)
    _, plain, _ = play(None)
    assert difference(dict(plain.named_parameters()), dict(tuned.named_parameters())) == 0


def test_terms_are_added_to_shared_parameters_alone(play, difference):
    """FedProx with local parameters pulls at the shared ones; the local ones are free."""
    loop, task, plain = play(FedProx(0.5), local_parameters=r"^network\.3\.", rounds=1)
    shared = [name for name in plain.start if not name.startswith("network.3.")]
    for (client, _), batches in plain.plan(0).items():
        expected = plain.train(
            plain.start,
            batches,
            lambda w, g: {n: g[n] + (0.5 * (w[n] - plain.start[n]) if n in shared else 0) for n in g},
        )
        mine = model_of(loop, task, client)
        assert (
            difference(
                {n: expected[n].float() for n in expected if n not in shared},
                {n: mine[n] for n in expected if n not in shared},
            )
            < 1e-5
        )


@pytest.mark.parametrize(
    ("federated", "sentence"),
    [
        (
            {"client_method": Ditto(), "local_parameters": "3"},
            "Ditto trains a whole model .* federated.local_parameters",
        ),
        ({"client_method": LocalTraining(), "fine_tuning_epochs": 1}, "LocalTraining .* federated.fine_tuning_epochs"),
        ({"client_method": Scaffold(), "pooled": True}, "client_method Scaffold makes no sense with federated.pooled"),
        ({"pooled": True, "participation": 0.5}, "federated.participation makes no sense"),
        ({"fine_tuning_rate": 0.0}, "fine_tuning_rate is a share"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(federated, sentence):
    with pytest.raises(ConfigError, match=sentence):
        FederatedLoop(**federated)


def test_negative_strengths_are_refused():
    with pytest.raises(ConfigError, match="mu of FedProx must be"):
        FedProx(-1.0)
    with pytest.raises(ConfigError, match="lam of Ditto must be"):
        Ditto(float("nan"))


@pytest.mark.parametrize("pattern", ["nothing", "network", "("])
def test_local_parameters_must_be_some_and_not_all(play, pattern):
    with pytest.raises(ConfigError, match=r"federated\.local_parameters is"):
        play(None, local_parameters=pattern)
