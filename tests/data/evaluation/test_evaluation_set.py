"""Which models score whose cases, and in which batches."""

from collections import Counter

import pytest

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation.evaluation_set import pair_models, pair_predictors
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.case_score import GLOBAL_MODEL

A, B, C = (Client(name, (), (), (Case(f"{name}-1", f"{name}-1", (), None),)) for name in "abc")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("global", "Ga Gb Gc"),
        ("own", "aa ac bb bc"),
        ("everyone", "aa ab ac ba bb bc"),
        ("global and own", "Ga Gb Gc aa ac bb bc"),
        ("global and everyone", "Ga Gb Gc aa ab ac ba bb bc"),
    ],
)
def test_pairs_of_models_and_clients_with_c_held_out(scope, expected):
    pairs = pair_models(scope, [A, B, C], ["a", "b"])
    short = [("G" if model == GLOBAL_MODEL else model) + client.name for model, client in pairs]
    assert " ".join(short) == expected


@pytest.mark.parametrize(
    ("scope", "trained", "expected"),
    [
        ("global", "ab", "Ga Gb Gc"),
        ("own", "abc", "aa bb cc"),
        ("everyone", "abc", "aa bb cc"),
        ("global and own", "abc", "aa bb cc"),
        ("global and everyone", "ab", "Gc aa bb"),
    ],
)
def test_each_case_is_segmented_once(scope, trained, expected):
    pairs = pair_predictors(scope, [A, B, C], list(trained))
    assert " ".join(("G" if model == GLOBAL_MODEL else model) + client.name for model, client in pairs) == expected


@pytest.mark.parametrize("scope", ["own", "everyone"])
def test_cases_that_no_one_model_is_for_are_refused(scope):
    with pytest.raises(ConfigError, match="No single model segments the cases of b, c: held out"):
        pair_predictors(scope, [A, B, C], ["a"])


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
    data.use_federation(held_out_clients=["cape"])
    data.use_models("own", "global and everyone")
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
    data.use_federation(held_out_clients=["bay"])
    data.use_models("own", "own")
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
    data.use_models("global", "global")
    assert {client for _, client, *_ in rows(data.val_dataloader())} == {"alps", "cape"}


def test_pooled_training_leaves_cases_with_their_clients(toy_data):
    data = toy_data()
    data.use_federation(pooled=True)
    data.setup("test")
    found = rows(data.test_dataloader())
    assert found == [(GLOBAL_MODEL, c.name, "test", case.case_id) for c in data.clients for case in c.test]
