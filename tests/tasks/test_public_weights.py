"""Published weights: statements beside a file, and what a network says that it started from."""

import hashlib

import pytest
import torch
import yaml
from torch import nn

from adpfl_bench.errors import CheckpointError
from adpfl_bench.privacy.lineage import CHECKPOINT_KEY, Ancestor, DataState, Lineage
from adpfl_bench.tasks.public_weights import PublicWeights, public_ancestors

STATED = {"name": "Toy 1.0", "licence": "CC0-1.0", "trained_on": "drawings", "sha256": ""}


def publish(path, weights, **changed):
    """Write weights and a statement on them."""
    torch.save(weights, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.public.yaml").write_text(yaml.safe_dump({**STATED, "sha256": digest, **changed}))
    return digest


@pytest.mark.parametrize("form", ["bare", "network", "checkpoint"])
def test_a_task_starts_from_published_weights_and_says_what_they_are(toy_task, tmp_path, form):
    torch.manual_seed(5)
    first = toy_task()
    for parameter in first.parameters():
        nn.init.normal_(parameter)
    state = first.network.state_dict() if form == "network" else first.state_dict()
    digest = publish(tmp_path / "toy.pt", {"state_dict": state} if form == "checkpoint" else state)
    second = toy_task(init_from=tmp_path / "toy.pt")
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    (ancestor,) = second.lineage.before
    assert (ancestor.kind, ancestor.name, ancestor.licence) == ("public", "Toy 1.0", "CC0-1.0")
    assert (ancestor.trained_on, ancestor.digest) == ("drawings", digest)
    assert second.started_from == "public"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"sha256": "0" * 64}, r"toy\.pt should have the SHA-256 0000000000000000\.\.\., as it was published"),
        ({"licence": ""}, "a text each, but licence is empty"),
        ({"name": 1.0}, "but name is of the type float; put it in quotes"),
        (
            {"note": "x"},
            "states of published weights name, licence, trained_on and sha256, .* but what it has is .*note",
        ),
    ],
)
def test_statements_that_do_not_hold(toy_task, tmp_path, changed, sentence):
    publish(tmp_path / "toy.pt", toy_task().state_dict(), **changed)
    with pytest.raises(CheckpointError, match=sentence):
        toy_task(init_from=tmp_path / "toy.pt")


@pytest.mark.parametrize(
    ("text", "found"), [("- a\n", "list"), ("", "NoneType"), ("{}", "nothing"), ("{", "cannot be read: while")]
)
def test_statements_that_are_none(toy_task, tmp_path, text, found):
    publish(tmp_path / "toy.pt", toy_task().state_dict())
    (tmp_path / "toy.pt.public.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=rf"toy\.pt\.public\.yaml states of published weights .*{found}"):
        toy_task(init_from=tmp_path / "toy.pt")


def test_a_statement_on_a_file_that_is_not_there(toy_task, tmp_path):
    publish(tmp_path / "toy.pt", toy_task().state_dict())
    (tmp_path / "toy.pt").unlink()
    with pytest.raises(CheckpointError, match=r"is about .*toy\.pt, which cannot be read \(No such file"):
        toy_task(init_from=tmp_path / "toy.pt")


def test_no_statement_makes_weights_public_that_a_run_has_trained(toy_task, tmp_path):
    lineage = Lineage([Ancestor("1", "real", "cohort")])
    publish(tmp_path / "toy.pt", {"state_dict": toy_task().state_dict(), CHECKPOINT_KEY: lineage.state()})
    with pytest.raises(
        CheckpointError, match=r"says itself which runs .*toy\.pt\.public\.yaml cannot call them public"
    ):
        toy_task(init_from=tmp_path / "toy.pt")


def test_networks_that_do_not_fit_are_refused_with_a_statement_too(toy_task, tmp_path):
    publish(tmp_path / "toy.pt", {"weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"toy\.pt, but the weights of this network could not be read"):
        toy_task(init_from=tmp_path / "toy.pt")


def test_parts_of_a_network_are_named_once():
    weights = PublicWeights(**STATED)
    network = nn.Sequential(nn.ReLU(), nn.Identity(), nn.Identity())
    assert public_ancestors(network) == ()
    network[1].public_weights = network[2].public_weights = (weights,)
    network[0].public_weights = ("not one",)
    assert public_ancestors(network) == (weights.ancestor,)


def test_a_file_of_published_weights_alone_is_no_run_that_goes_on():
    weights = PublicWeights(**STATED).ancestor
    lineage = Lineage()
    lineage.run = "new"
    lineage.resume({CHECKPOINT_KEY: Lineage([weights]).state()}, DataState("cohort"), 0, "none")
    assert (lineage.run, lineage.before) == ("new", (weights,))
