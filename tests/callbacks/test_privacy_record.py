"""What a run states of whom it protects: in the dataset's word, and for a person with several units."""

from collections import Counter
from dataclasses import replace

import pytest

from adpfl_bench import (
    DifferentialPrivacy,
    FederatedLoop,
    FixedThreshold,
    GaussianMechanism,
    LaplaceMechanism,
)
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.case import Case, Client
from adpfl_bench.privacy.accounting import client_epsilon, group_epsilon
from adpfl_bench.records.run_directory import RunDirectory
from tests.toy_federation import ToyDataModule


class Photographs(ToyDataModule):
    """Two and three photographs of one person alternate; the ids are said to be ``stated``."""

    def __init__(self, stated):
        super().__init__()
        self.patient_id_is = stated

    @property
    def example_is(self):
        return "image"

    def scan(self, root):
        cases = super().scan(root)
        return [
            replace(case, patient_id=f"{case.site} {number // 5}{'ab'[number % 5 > 1]}")
            for number, case in enumerate(cases)
        ]


def block(fit, toy_task, data, unit, mechanism=None, **settings):
    privacy = DifferentialPrivacy(unit, FixedThreshold(), mechanism or GaussianMechanism(), 4.0, **settings)
    fit(toy_task(), data, FederatedLoop(rounds=2), privacy)
    return privacy


@pytest.mark.parametrize(
    ("stated", "unit", "word"),
    [
        ("patient", "record", "image"),
        ("patient", "patient", "patient"),
        ("patient", "client", "client"),
        ("patient", "batch", "batch"),
        ("lesion", "patient", "lesion"),
        ("image", "patient", "image"),
        ("patient id", "patient", "patient id"),
    ],
)
def test_the_record_has_the_word_of_the_dataset(fit, toy_task, stated, unit, word):
    data = Photographs(stated)
    privacy = block(fit, toy_task, data, unit)
    found = privacy.describe()
    assert (found.unit, found.protects) == (unit, word)
    assert (data.describe().example_is, data.describe().patient_id_is) == ("image", stated)
    assert (f"unit {unit} (one {word})," if word != unit else f"unit {unit},") in privacy.promise()


def test_without_privacy_nothing_is_protected(fit, toy_task):
    privacy = DifferentialPrivacy()
    fit(toy_task(), Photographs("patient"), FederatedLoop(rounds=1), privacy)
    found = privacy.describe()
    assert (found.protects, found.units_per_person, found.accounted.group_epsilon) == (None, None, None)


@pytest.mark.parametrize(
    ("unit", "sampling", "mechanism"),
    [("record", "shuffle", None), ("record", "poisson", None), ("batch", "shuffle", LaplaceMechanism())],
)
def test_a_person_with_several_images_gets_a_larger_epsilon(fit, toy_task, unit, sampling, mechanism):
    data = Photographs("patient")
    privacy = block(fit, toy_task, data, unit, mechanism, sampling=sampling)
    found = privacy.describe()
    most = {
        client.name: max(Counter(case.patient_id for case in client.train).values(), default=1)
        for client in data.clients
    }
    assert found.units_per_person == max(most.values()) == 3
    events = privacy.engine.books.events()
    assert found.accounted.group_epsilon == max(
        group_epsilon(events[client], 1e-4, size, unit) for client, size in most.items()
    )
    assert found.accounted.group_epsilon > found.accounted.epsilon


@pytest.mark.parametrize("unit", ["patient", "client"])
def test_a_person_who_is_one_unit_has_its_epsilon(fit, toy_task, unit):
    privacy = block(fit, toy_task, Photographs("patient"), unit)
    found = privacy.describe()
    assert found.units_per_person == 1
    assert found.accounted.group_epsilon == found.accounted.epsilon
    assert found.accounted.epsilon == max(client_epsilon(e, 1e-4) for e in privacy.engine.books.events().values())


@pytest.mark.parametrize("stated", ["lesion", "image", "patient id"])
@pytest.mark.parametrize("unit", ["record", "patient", "client", "batch"])
def test_nothing_is_claimed_for_a_person_where_ids_are_no_persons(fit, toy_task, stated, unit):
    found = block(fit, toy_task, Photographs(stated), unit).describe()
    assert found.accounted.epsilon is not None
    assert (found.units_per_person, found.accounted.group_epsilon) == (None, None)


def test_no_epsilon_of_a_group_without_one_of_a_unit(fit, toy_task):
    privacy = DifferentialPrivacy("record", FixedThreshold(), GaussianMechanism(), 0.0)
    fit(toy_task(), Photographs("patient"), FederatedLoop(rounds=1), privacy)
    found = privacy.describe()
    assert (found.units_per_person, found.accounted.group_epsilon) == (3, None)


def test_the_record_keeps_it_to_the_end(make_trainer, toy_task, tmp_path):
    privacy = DifferentialPrivacy("record", FixedThreshold(), GaussianMechanism(), 4.0)
    trainer = make_trainer(FederatedLoop(rounds=2), privacy, RunRecorder(), default_root_dir=tmp_path)
    task, data = toy_task(), Photographs("patient")
    trainer.fit(task, datamodule=data)
    trainer.test(task, datamodule=data)
    record = RunDirectory(tmp_path).read_record()
    assert (record.data.example_is, record.data.patient_id_is) == ("image", "patient")
    assert (record.privacy.protects, record.privacy.units_per_person) == ("image", 3)
    assert record.privacy.accounted.group_epsilon > record.privacy.accounted.epsilon > 0


def test_clients_that_are_stated_in_place_of_a_dataset_say_nothing_of_persons():
    data = Photographs("patient")
    data.use_clients([Client("alps", tuple(Case(f"{i}", f"{i}", (), None) for i in range(3)), (), ())])
    assert data.units_per_person("record") is None
    assert data.units_per_person("patient") == {"alps": 1}


@pytest.mark.parametrize(("unit", "known"), [("record", False), ("batch", False), ("patient", True)])
def test_a_person_may_have_had_more_units_where_another_run_divided_the_data_otherwise(
    fit, toy_task, tmp_path, unit, known
):
    first, second = (DifferentialPrivacy(unit, FixedThreshold(), GaussianMechanism(), 4.0) for _ in range(2))
    trainer = fit(toy_task(), Photographs("patient"), FederatedLoop(rounds=1), first)
    trainer.save_checkpoint(tmp_path / "start.ckpt")
    assert first.describe().accounted.group_epsilon is not None
    again = Photographs("patient")
    again.split_seed = 1
    fit(toy_task(init_from=tmp_path / "start.ckpt"), again, FederatedLoop(rounds=1), second)
    found = second.describe().accounted
    assert found.epsilon > first.describe().accounted.epsilon
    assert found.group_epsilon == (found.epsilon if known else None)
