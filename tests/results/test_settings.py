"""Settings that can change scores, told from those that cannot."""

from adpfl_bench.results.settings import describe_difference, differences, flatten_settings, settings_digest

CONFIG = {
    "seed_everything": 1,
    "task": "toy",
    "trainer": {"devices": 1, "precision": None, "default_root_dir": "runs/1"},
    "model": {"init_args": {"channels": [4, 8], "arguments": {}, "init_from": None}},
    "data": {"init_args": {"root": "/data", "batch_size": 4, "num_workers": 2}},
    "federated": {"rounds": 2, "seed": 1, "cross_scores": True},
    "privacy": {"unit": "batch"},
}


def test_flat_settings_hold_what_is_computed_and_not_where():
    assert flatten_settings(CONFIG) == {
        "data.init_args.batch_size": "4",
        "federated.rounds": "2",
        "model.init_args.arguments": "{}",
        "model.init_args.channels": "[4, 8]",
        "model.init_args.init_from": "null",
        "privacy.unit": '"batch"',
        "trainer.precision": "null",
    }


def test_digest_follows_the_settings_and_not_their_order():
    flat = flatten_settings(CONFIG)
    assert settings_digest(dict(reversed(flat.items()))) == settings_digest(flat)
    assert settings_digest({**flat, "federated.rounds": "3"}) != settings_digest(flat)


def test_differences_in_words():
    found = differences({"a": {"x": "1", "y": "2"}, "b": {"x": "1", "y": "3"}, "c": {"x": "1"}})
    assert found == {"y": {"a": "2", "b": "3", "c": "unset"}}
    assert describe_difference("y", {"a": "2", "b": "3", "c": "2"}) == "y is 2 (a, c), 3 (b)"


def test_a_record_without_a_configuration_has_no_settings():
    assert flatten_settings({}) == {"data": "null", "federated": "null", "model": "null", "privacy": "null"}
