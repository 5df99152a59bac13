"""A small federation of least-squares clients: trained through the package, and by hand in NumPy and float64."""

import numpy as np
import torch
from torch import nn

from adpfl_bench.federation.server import Server

SIZES = {"a": 7, "b": 20, "c": 11, "d": 40, "e": 5}
STEPS = {"a": 2, "b": 5, "c": 3, "d": 7, "e": 1}
ROUNDS = [("a", "b", "c"), ("b", "a", "d", "e"), ("a", "c", "d", "e", "b")]
RATE = 0.05

_generator = np.random.default_rng(5)
DATA = {
    client: (_generator.normal(size=(size, 4)), _generator.normal(size=size) + index)
    for index, (client, size) in enumerate(SIZES.items())
}
START = _generator.normal(size=4)


def case_shares(participants):
    total = sum(SIZES[client] for client in participants)
    return {client: SIZES[client] / total for client in participants}


def gradient(client, weights):
    inputs, targets = DATA[client]
    return inputs.T @ (inputs @ weights - targets) / len(targets)


def local_gradients(client, weights, momentum=0.0, steps=STEPS):
    """Gradients of a client's local steps, and how far these take it (its delta)."""
    weights, velocity, gradients, start = weights.copy(), np.zeros(4), [], weights
    for _ in range(steps[client]):
        gradients.append(gradient(client, weights))
        velocity = momentum * velocity + gradients[-1]
        weights = weights - RATE * velocity
    return np.array(gradients), weights - start


def by_hand(aggregate, step=lambda weights, change: weights + change, momentum=0.0, rounds=ROUNDS):
    """Global weights after each round; ``aggregate(participants, weights)`` gives what ``step`` applies to them."""
    weights, after_round = START, []
    for participants in rounds:
        weights = step(weights, aggregate(participants, weights))
        after_round.append(weights)
    return np.array(after_round)


def mean_delta(participants, weights):
    shares = case_shares(participants)
    return sum(shares[client] * local_gradients(client, weights)[1] for client in participants)


class Federation:
    """The same clients, trained with torch in float32 through a server."""

    def __init__(self, shares=case_shares, momentum=0.0, steps=STEPS, **of_server):
        self.network = nn.Linear(4, 1, bias=False)
        with torch.no_grad():
            self.network.weight.copy_(torch.tensor(START))
        self.shares, self.momentum, self.steps = shares, momentum, steps
        self.server = Server(list(self.network.parameters()), **of_server)

    def play(self, rounds=ROUNDS):
        after_round = []
        for participants in rounds:
            steps = {client: self.steps[client] for client in participants}
            self.server.begin_round(self.shares(participants), steps, self.momentum)
            for client in participants:
                self.server.send()
                self.train(client)
                self.server.receive(client, self.server.delta())
            self.server.finish_round()
            after_round.append(self.network.weight.detach().flatten().double().numpy())
        return np.array(after_round)

    def train(self, client):
        inputs, targets = (torch.tensor(values, dtype=torch.float32) for values in DATA[client])
        optimizer = torch.optim.SGD(self.network.parameters(), lr=RATE, momentum=self.momentum)
        for _ in range(self.steps[client]):
            optimizer.zero_grad()
            (0.5 * (self.network(inputs)[:, 0] - targets).square().mean()).backward()
            optimizer.step()


def assert_equal(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
