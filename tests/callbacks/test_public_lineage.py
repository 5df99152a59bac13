"""Runs that start from published weights: what they cost, and what records say."""

from types import SimpleNamespace

import pytest

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.privacy.lineage import inherit
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.data_check import check_lineage
from adpfl_bench.tasks.public_weights import PublicWeights
from tests.tasks.test_public_weights import STATED, publish

ONE = {"only": 6}


def private():
    return DifferentialPrivacy("record", FixedThreshold(0.1), GaussianMechanism(), 1.0, delta=1e-3)


def test_published_weights_cost_no_epsilon_and_the_record_says_what_was_public(toy_task, toy_data, fit, tmp_path):
    plain = private()
    fit(toy_task(), toy_data(ONE), FederatedLoop(rounds=1), plain)
    digest = publish(tmp_path / "toy.pt", toy_task().state_dict())
    task, privacy, recorder = toy_task(init_from=tmp_path / "toy.pt"), private(), RunRecorder(overwrite=True)
    trainer = fit(task, toy_data(ONE), FederatedLoop(rounds=1), privacy, recorder)
    assert privacy.accounted.epsilon == plain.accounted.epsilon > 0
    record = RunDirectory(tmp_path).read_record()
    assert record.privacy.accounted.not_covered == ()
    assert record.model.started_from == "public"
    (published,) = record.privacy.lineage
    assert (published.kind, published.name, published.licence, published.digest) == (
        "public",
        "Toy 1.0",
        "CC0-1.0",
        digest,
    )
    assert (published.trained_on, published.epsilon) == ("drawings", None)
    (cohort,) = record.privacy.cohorts
    assert cohort.epsilon == privacy.accounted.epsilon
    assert list(check_lineage(SimpleNamespace(record=record))) == []

    trainer.save_checkpoint(tmp_path / "next.ckpt")
    later = toy_task(init_from=tmp_path / "next.ckpt")
    assert [ancestor.kind for ancestor in later.lineage.before] == ["public", "real"]
    assert later.started_from == "real"


@pytest.mark.parametrize(("kind", "found"), [("real", 1), ("public", 0)])
def test_a_record_that_calls_other_weights_public_is_found(toy_task, toy_data, fit, tmp_path, kind, found):
    publish(tmp_path / "toy.pt", toy_task().state_dict())
    recorder = RunRecorder()
    fit(toy_task(init_from=tmp_path / "toy.pt"), toy_data(ONE), FederatedLoop(rounds=1), private(), recorder)
    record = recorder._record
    block = record.privacy.lineage[0].model_copy(update={"kind": kind})
    privacy = record.privacy.model_copy(update={"lineage": (block,)})
    findings = list(check_lineage(SimpleNamespace(record=record.model_copy(update={"privacy": privacy}))))
    assert len(findings) == found


def test_published_weights_take_no_guarantee_from_data_without_a_fingerprint():
    assert inherit([PublicWeights(**STATED).ancestor], "", "", "record").reason is None
