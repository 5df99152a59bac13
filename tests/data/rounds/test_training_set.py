"""Who trains on what: pooled examples, clients held out, and canaries among them."""

from collections import Counter

import pytest
from lightning.pytorch import Callback

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.data.rounds.training_set import training_set
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT, RoundSchedule

EXAMPLES = {"alps": [0, 1, 2, 3], "bay": [4, 5, 6], "cape": [7, 8]}
PATIENTS = dict(enumerate("ppqrstttu"))


def training(**plan):
    return training_set(EXAMPLES, PATIENTS, TrainingPlan(**plan))


def test_by_default_every_client_trains_on_its_own():
    assert training().examples == EXAMPLES
    assert training().sizes == training().unit_sizes == {"alps": 4, "bay": 3, "cape": 2}
    assert training(by_patient=True).unit_sizes == {"alps": 3, "bay": 2, "cape": 2}
    assert training(by_patient=True).sizes == {"alps": 4, "bay": 3, "cape": 2}


def test_pooled_examples_are_those_of_one_client():
    assert training(pooled=True).examples == {POOLED_CLIENT: list(range(9))}
    # t is a patient of bay and of cape: one person
    assert training(pooled=True, by_patient=True).unit_sizes == {POOLED_CLIENT: 6}
    assert training(pooled=True, held_out=("bay",)).examples == {POOLED_CLIENT: [0, 1, 2, 3, 7, 8]}


def test_who_is_held_out_does_not_train():
    assert training(held_out=("cape", "alps")).examples == {"bay": [4, 5, 6]}


@pytest.mark.parametrize(
    ("wanted", "pooled", "held_out", "joined"),
    [
        (None, False, (), "cape"),
        (None, False, ("cape",), "bay"),
        ("alps", False, ("cape",), "alps"),
        (None, True, (), POOLED_CLIENT),
        ("alps", True, ("bay",), POOLED_CLIENT),
    ],
)
def test_canaries_join_a_client_that_trains(wanted, pooled, held_out, joined):
    canaries = Canaries(5, seed=0, client=wanted)
    found = training(pooled=pooled, held_out=held_out, canaries=canaries)
    without = training(pooled=pooled, held_out=held_out)
    assert canaries.client == joined
    assert Counter(found.examples[joined]) == Counter([*without.examples[joined], *canaries.examples])
    assert found.sizes == {**without.sizes, joined: without.sizes[joined] + 5}
    training(canaries=canaries)
    assert canaries.client == (wanted or "cape")


def test_canaries_are_patients_of_their_own():
    canaries = Canaries(3, seed=0, records=2, by_patient=True)
    found = training(pooled=True, held_out=("bay",), by_patient=True, canaries=canaries)
    assert found.sizes == {POOLED_CLIENT: 6 + 6}
    assert found.unit_sizes == {POOLED_CLIENT: 5 + 3}


@pytest.mark.parametrize(
    ("held_out", "sentence"),
    [
        (("alps", "delta", "x"), r"held_out_clients names delta, x, but the clients are alps, bay, cape\."),
        (("bay", "alps", "cape"), r"names every client \(alps, bay, cape\), so that none is left to train"),
    ],
)
def test_refuses_to_hold_out_who_is_not_there_or_everybody(held_out, sentence):
    with pytest.raises(ConfigError, match=sentence):
        training(held_out=held_out)


def test_refuses_canaries_of_a_client_that_is_held_out():
    with pytest.raises(ConfigError, match=r"audit\.client is alps, which federated\.held_out_clients keeps from"):
        training(pooled=True, held_out=("alps",), canaries=Canaries(5, seed=0, client="alps"))


def test_a_datamodule_hears_of_the_plan_before_or_after_its_setup(toy_data):
    early, late = toy_data(), toy_data()
    early.use_plan(TrainingPlan(held_out=("bay",)))
    early.setup("fit")
    late.setup("fit")
    late.use_plan(TrainingPlan(held_out=("bay",)))
    assert early.train_sizes == late.train_sizes == early.unit_sizes == {"alps": 12, "cape": 3}
    with pytest.raises(ConfigError, match="clients that train are alps, cape"):
        late.use_plan(TrainingPlan(RoundSchedule(2, dropout={"bay": 0.5}), held_out=("bay",)))
    unknown = toy_data()
    unknown.use_plan(TrainingPlan(held_out=("zoo",)))
    with pytest.raises(ConfigError, match="held_out_clients names zoo, but the clients are alps, bay, cape"):
        unknown.setup("fit")


class Seen(Callback):
    """Counts the examples of each client's batches."""

    def __init__(self):
        self.examples = Counter()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.examples[batch.client] += len(batch.image)


def test_a_run_trains_on_the_pool_without_who_is_held_out(toy_data, toy_task, fit):
    seen = Seen()
    fit(toy_task(), toy_data(), FederatedLoop(rounds=2, pooled=True, held_out_clients=["bay"]), seen)
    assert seen.examples == {POOLED_CLIENT: 2 * (12 + 3)}
