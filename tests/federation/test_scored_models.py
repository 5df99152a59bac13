"""Whose model scores whose cases."""

import pytest

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.scored_models import (
    GLOBAL_MODEL,
    ModelScope,
    ScoredModels,
    counting_models,
    scored_models,
)

SCOPES = {
    "global": ModelScope(),
    "own": ModelScope(False, "own"),
    "everyone": ModelScope(False, "everyone"),
    "global and own": ModelScope(True, "own"),
    "global and everyone": ModelScope(True, "everyone"),
}


def short(pairs):
    return " ".join(("G" if model == GLOBAL_MODEL else model) + client for model, client in pairs)


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
    assert short(SCOPES[scope].pairs(["a", "b", "c"], ["a", "b"])) == expected


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
    assert short(SCOPES[scope].predictors(["a", "b", "c"], list(trained))) == expected


@pytest.mark.parametrize("scope", ["own", "everyone"])
def test_cases_that_no_one_model_is_for_are_refused(scope):
    with pytest.raises(ConfigError, match="No single model segments the cases of b, c: held out"):
        SCOPES[scope].predictors(["a", "b", "c"], ["a"])


@pytest.mark.parametrize(
    ("federation", "validation", "fine_tuned", "test", "headline"),
    [
        ({}, "global", "global", "global", "global"),
        ({"shared": False, "personal": True}, "own", "own", "everyone", "everyone"),
        ({"shared": False, "personal": True, "cross": False}, "own", "own", "own", "own"),
        ({"local_parts": True}, "own", "own", "everyone", "own"),
        ({"local_parts": True, "cross": False}, "own", "own", "own", "own"),
        ({"personal": True}, "own", "own", "global and everyone", "own"),
        ({"personal": True, "cross": False}, "own", "own", "global and own", "own"),
        ({"fine_tuning": True}, "global", "own", "global and everyone", "own"),
    ],
)
def test_models_of_each_kind_of_federation(federation, validation, fine_tuned, test, headline):
    usual = {"personal": False, "shared": True, "local_parts": False, "fine_tuning": False, "cross": True}
    expected = ScoredModels(SCOPES[validation], SCOPES[fine_tuned], SCOPES[test], headline)
    assert scored_models(**{**usual, **federation}) == expected


@pytest.mark.parametrize(
    ("headline", "client", "expected"),
    [
        ("global", "a", {GLOBAL_MODEL}),
        ("own", "a", {"a"}),
        ("own", "c", {"a", "b"}),
        ("everyone", "a", {"a", "b"}),
    ],
)
def test_models_that_count(headline, client, expected):
    assert set(counting_models(headline, client, ["c"], ["a", "b"])) == expected
