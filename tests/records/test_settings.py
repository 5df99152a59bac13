"""Settings that can change scores, told from those that cannot."""

from adpfl_bench.records.settings import (
    describe_difference,
    differences,
    flatten_settings,
    object_differences,
    settings_digest,
)

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


def test_objects_of_other_classes_are_one_difference():
    def optimizer(name, **arguments):
        below = {f"m.optimizer.init_args.{key}": value for key, value in arguments.items()}
        return {"m.rounds": "3", "m.optimizer.class_path": f'"torch.optim.{name}"', **below}

    adamw, sgd = optimizer("AdamW", lr="0.001", amsgrad="false"), optimizer("SGD", lr="0.3")
    assert object_differences({"a": adamw, "b": sgd, "c": {"m.rounds": "4"}}) == {
        "m.optimizer": {"a": "torch.optim.AdamW(lr=0.001)", "b": "torch.optim.SGD(lr=0.3)", "c": "unset"},
        "m.rounds": {"a": "3", "b": "3", "c": "4"},
    }
    assert object_differences({"a": adamw, "b": {**adamw, "m.optimizer.init_args.lr": "0.1"}}) == {
        "m.optimizer.init_args.lr": {"a": "0.001", "b": "0.1"}
    }
    assert object_differences({"a": {"m.optimizer": "null", "m.rounds": "3"}, "b": sgd}) == {
        "m.optimizer": {"a": "null", "b": "torch.optim.SGD(lr=0.3)"}
    }


def test_a_value_of_many_names_only_the_others():
    values = {**dict.fromkeys("abcdefg", "1"), "h": "2"}
    assert describe_difference("x", values) == "x is 2 (h), 1 (the other 7)"
    assert describe_difference("x", {**values, **dict.fromkeys("bcdefg", "2")}) == "x is 1 (a), 2 (the other 7)"


def test_a_record_without_a_configuration_has_no_settings():
    assert flatten_settings({}) == {"data": "null", "federated": "null", "model": "null", "privacy": "null"}


def test_class_paths_of_earlier_versions_are_compared_by_their_public_names():
    old = {"privacy": {"threshold": {"class_path": "adpfl_bench.privacy.rules.FixedThreshold"}}}
    new = {"privacy": {"threshold": {"class_path": "adpfl_bench.FixedThreshold"}}}
    assert flatten_settings(old) == flatten_settings(new)
    assert flatten_settings(old, as_written=True) != flatten_settings(new, as_written=True)
