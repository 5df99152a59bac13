"""Which models score whose cases, and in which batches."""

from collections import Counter

import pytest

from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.federation.scored_models import GLOBAL_MODEL, ModelScope, ScoredModels

OWN = ModelScope(False, "own")


def rows(loader):
    return [(batch.model, batch.client, batch.split, case) for batch in loader for case in batch.cases]


def test_by_default_the_global_model_scores_each_case_once(toy_data):
    data = toy_data()
    data.setup("test")
    found = rows(data.test_dataloader())
    assert found == [(GLOBAL_MODEL, c.name, "test", case.case_id) for c in data.clients for case in c.test]
    assert rows(data.predict_dataloader()) == found


@pytest.mark.parametrize("early", [True, False])
def test_batches_mix_neither_models_nor_clients_and_models_follow_each_other(toy_data, early):
    data = toy_data(evaluation_batch_size=3)
    if early:
        data.setup("test")
        rows(data.test_dataloader())  # made for other models
    data.use_plan(TrainingPlan(held_out=("cape",), models=ScoredModels(OWN, OWN, ModelScope(True, "everyone"))))
    data.setup("test")
    batches = list(data.test_dataloader())
    models = [batch.model for batch in batches]
    assert list(dict.fromkeys(models)) == [GLOBAL_MODEL, "alps", "bay"]
    assert models == sorted(models, key=[GLOBAL_MODEL, "alps", "bay"].index)
    tests = {client.name: {case.case_id for case in client.test} for client in data.clients}
    assert Counter(case for *_, case in rows(batches)) == {case: 3 for own in tests.values() for case in own}
    for batch in batches:
        assert len(batch.cases) <= 3
        assert set(batch.cases) <= tests[batch.client]


def test_who_is_held_out_is_scored_but_does_not_validate(toy_data, make_trainer):
    data = toy_data()
    data.trainer = make_trainer()
    data.use_plan(TrainingPlan(held_out=("bay",), models=ScoredModels(OWN, OWN, OWN)))
    data.setup("validate")
    assert {(model, client) for model, client, *_ in rows(data.val_dataloader())} == {
        ("alps", "alps"),
        ("cape", "cape"),
    }
    assert {(model, client) for model, client, *_ in rows(data.test_dataloader())} == {
        ("alps", "alps"),
        ("alps", "bay"),
        ("cape", "bay"),
        ("cape", "cape"),
    }
    data.use_plan(TrainingPlan(held_out=("bay",)))
    assert {client for _, client, *_ in rows(data.val_dataloader())} == {"alps", "cape"}


def test_pooled_training_leaves_cases_with_their_clients(toy_data):
    data = toy_data()
    data.use_plan(TrainingPlan(pooled=True))
    data.setup("test")
    found = rows(data.test_dataloader())
    assert found == [(GLOBAL_MODEL, c.name, "test", case.case_id) for c in data.clients for case in c.test]
