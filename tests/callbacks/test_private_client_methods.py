"""Client methods beside privacy: terms are added to what was released, and every turn's releases are counted."""

import pytest
import torch
from lightning.pytorch import Callback

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import Ditto, FedProx, LocalTraining, Scaffold
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold

CLIP = 0.01


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.5)


def gaussian(unit="record", z=1.0, **settings):
    return DifferentialPrivacy(
        unit, FixedThreshold(CLIP), GaussianMechanism(), noise_multiplier=z, delta=0.01, **settings
    )


class ReleasedGradients(Callback):
    """What was released in each local step, and what the optimizer steps on."""

    def __init__(self, loop):
        self.loop, self.released, self.used, self.weights = loop, [], [], []

    def on_train_start(self, trainer, pl_module):
        engine = pl_module.local_step._engine
        release = engine.release

        def watched(*arguments):
            release(*arguments)
            self.released.append(flat(pl_module, "grad"))

        engine.release = watched

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch.client != getattr(self, "client", None):
            self.client, self.centre = batch.client, flat(pl_module, "data")
        self.weights.append(flat(pl_module, "data") - self.centre)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.used.append(flat(pl_module, "grad"))


def flat(module, what):
    return torch.cat([getattr(parameter, what).detach().flatten().clone() for parameter in module.parameters()])


def test_proximal_term_is_added_after_clipping_and_noise(toy_task, toy_data, fit):
    loop = FederatedLoop(rounds=1, local_epochs=2, client_method=FedProx(0.7))
    seen = ReleasedGradients(loop)
    fit(toy_task(optimizer=sgd), toy_data(), loop, gaussian("batch", z=0.0), seen)
    assert all(release.norm() <= CLIP * (1 + 1e-5) for release in seen.released)
    moved = 0
    for release, used, weights in zip(seen.released, seen.used, seen.weights, strict=True):
        torch.testing.assert_close(used - release, 0.7 * weights, rtol=1e-4, atol=1e-7)
        moved += bool(weights.norm() > 0)
    assert moved > 3


@pytest.mark.parametrize("unit", ["batch", "record"])
def test_control_variates_are_made_of_released_gradients_alone(toy_task, toy_data, fit, unit):
    method = Scaffold()
    loop = FederatedLoop(rounds=1, client_method=method)
    seen = ReleasedGradients(loop)
    fit(toy_task(optimizer=sgd), toy_data({"only": 12}), loop, gaussian(unit), seen)
    variate = torch.cat([tensor.flatten() for tensor in method.state_dict()["clients"]["only"]])
    torch.testing.assert_close(variate, torch.stack(seen.released).mean(0))


@pytest.mark.parametrize("unit", ["batch", "record"])
@pytest.mark.parametrize(
    ("federated", "times"),
    [
        ({"client_method": Ditto(0.1)}, 2.0),
        ({"client_method": LocalTraining()}, 1.0),
        ({"fine_tuning_epochs": 2}, 1 + 2 / 3),
        ({"pooled": True}, 1.0),
    ],
)
def test_every_turn_is_counted_as_planned(toy_task, toy_data, fit, unit, federated, times):
    loop, privacy, data = FederatedLoop(rounds=3, **federated), gaussian(unit), toy_data()
    fit(toy_task(), data, loop, privacy)
    *_, planned = privacy.engine.plan.events_by_round(1.0, loop.schedule, data.unit_sizes)
    for client in data.train_sizes:
        made = privacy.ledger.events(client)
        assert dict(made) == dict(planned[client])
        assert sum(made.values()) == 3 * times  # one release for each pass


def test_personal_turns_have_noise_of_their_own(toy_task, toy_data, fit):
    """A generator that started anew would give both turns the same noise; their difference would betray the data."""
    loop = FederatedLoop(rounds=1, client_method=Ditto(0.0))
    seen = ReleasedGradients(loop)
    fit(toy_task(optimizer=sgd), toy_data({"only": 3}, batch_size=3), loop, gaussian(), seen)
    shared, personal = seen.released
    assert (shared - personal).norm() > 0.5 * shared.norm()


def test_noise_of_a_personal_turn_reaches_the_own_model(toy_task, toy_data, fit, difference):
    models = []
    for z in (0.0, 5.0):
        task, loop = toy_task(optimizer=sgd), FederatedLoop(rounds=1, client_method=LocalTraining())
        fit(task, toy_data(), loop, gaussian(z=z))
        loop.load_model(task, "bay")
        models.append({name: value.clone() for name, value in task.state_dict().items()})
    assert difference(*models) > 1e-3


@pytest.mark.parametrize(
    ("federated", "sentence"),
    [
        ({"client_method": Scaffold()}, "Scaffold cannot be combined with privacy.unit client: .*control variate"),
        ({"client_method": LocalTraining()}, "LocalTraining cannot be combined .* nothing is sent"),
        ({"pooled": True}, "privacy.unit is client, but with federated.pooled there are no clients"),
    ],
)
def test_what_client_privacy_would_not_cover_is_refused(toy_task, toy_data, fit, federated, sentence):
    with pytest.raises(ConfigError, match=sentence):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1, **federated), gaussian("client"))


def test_client_privacy_does_not_cover_own_models_and_says_so(toy_task, toy_data, fit):
    privacy = gaussian("client")
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1, client_method=Ditto(0.1)), privacy)
    assert any("own models" in what for what in privacy.accounted.not_covered)
    assert sum(privacy.ledger.events("bay").values()) == 1  # the personal turn sends nothing
