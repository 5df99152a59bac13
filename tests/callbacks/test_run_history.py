"""The chain of a run's rounds through kills, checkpoints and other folders."""

import json

import pytest
import torch
from lightning.pytorch import Callback

from adpfl_bench.callbacks.checkpointing import RoundCheckpoint, last_checkpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import CheckpointError
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.noise_key import weights_digest
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.seal import field_digests
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence
from tests.toy_federation import looks_on

ROUNDS = 3


@looks_on
class Killed(Callback):
    """Ends the process's work with the second batch of a round, as a kill would: nothing is recorded of it."""

    def __init__(self, round_index):
        self.round_index = round_index

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (self.round_index, 1):
            for callback in trainer.callbacks:
                if isinstance(callback, RunRecorder):
                    callback._record = None
            raise RuntimeError("killed")


@pytest.fixture
def train(fit, toy_task, toy_data, tmp_path):
    """Fits three rounds into a folder, from a checkpoint if one is given; ``killed`` is the index of a round."""

    def run(name, ckpt_path=None, killed=None, **data):
        folder = tmp_path / name
        privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), GaussianMechanism(), noise_multiplier=1.0)
        recorder = RunRecorder()
        recorder.claim(folder, resuming=(folder / "run.json").exists())
        callbacks = [FederatedLoop(rounds=ROUNDS), privacy, recorder, RoundCheckpoint(folder)]
        callbacks += [Killed(killed)] if killed is not None else []
        arguments = {"ckpt_path": ckpt_path, "default_root_dir": folder}
        if killed is None:
            fit(toy_task(), toy_data(**data), *callbacks, **arguments)
        else:
            with pytest.raises(RuntimeError, match="killed"):
                fit(toy_task(), toy_data(**data), *callbacks, **arguments)
        return folder

    return run


def digests(folder):
    """The digests of a run, which agree with all that its folder holds."""
    found = Evidence.of(RunDirectory(folder))
    assert verify_evidence(found, thorough=True).findings == ()
    return found.record.digests


def chain_of(checkpoint):
    return CheckpointBlock.of(torch.load(checkpoint, weights_only=True)).chain


def test_the_chain_is_the_same_in_record_and_checkpoint_and_of_its_weights(train, toy_task):
    folder = train("run")
    checkpoint = torch.load(last_checkpoint(folder), weights_only=True)
    chain = digests(folder).chain
    assert [(link.round, link.releases) for link in chain.links] == [(1, 3), (2, 6), (3, 9)]
    assert CheckpointBlock.of(checkpoint).chain == chain
    task = toy_task()
    task.load_state_dict(checkpoint["state_dict"])
    assert chain.links[-1].weights == weights_digest(task)
    assert chain.broken(RunDirectory(folder).round_lines()) == []


def test_a_record_has_digests_of_its_own_keys_and_of_the_files_beside_it(train):
    folder = train("run")
    content = json.loads((folder / "run.json").read_text())
    assert content["digests"]["fields"] == field_digests(content)
    assert set(content["digests"]["fields"]) == {*content} - {"digests"}
    assert set(content["digests"]["files"]) == {"rounds.csv", "partition.csv", "privacy_ledger.json"}


@pytest.mark.parametrize("round_index", [0, 1, 2])
def test_a_run_that_was_killed_and_resumed_has_the_chain_of_one_that_never_was(train, round_index):
    whole = train("whole")
    broken = train("broken", killed=round_index)
    assert digests(broken).files == {}  # they may be ahead of the record
    train("broken", last_checkpoint(broken) if round_index else None)
    assert digests(broken).chain == digests(whole).chain
    assert digests(broken).elsewhere == 0
    assert (broken / "rounds.csv").read_bytes() == (whole / "rounds.csv").read_bytes()


def test_rounds_after_the_checkpoint_are_made_again(train, tmp_path):
    whole = train("whole")
    earlier = tmp_path / "earlier.ckpt"
    broken = train("broken", killed=1)
    last_checkpoint(broken).rename(earlier)
    train("broken", earlier, killed=2)
    assert len(digests(broken).chain.links) == 2
    train("broken", earlier)
    found = digests(broken).chain
    assert found.broken(RunDirectory(broken).round_lines()) == []
    # The line of epsilon is another one in round 2: the journal knows that its releases had been made before.
    for ours, theirs in zip(found.links, digests(whole).chain.links, strict=True):
        assert (ours.round, ours.releases, ours.weights) == (theirs.round, theirs.releases, theirs.weights)


def test_a_record_of_another_history_is_noticed(train):
    folder = train("run", killed=2)
    path = folder / "run.json"
    content = json.loads(path.read_text())
    content["digests"]["chain"]["links"][1]["link"] = "0" * 64
    path.write_text(json.dumps(content))
    before = (folder / "rounds.csv").read_bytes()
    with pytest.raises(CheckpointError, match=r"are of different histories, which part at round 2: restore"):
        train("run", last_checkpoint(folder))
    assert json.loads(path.read_text()) == content
    assert (folder / "rounds.csv").read_bytes() == before


def test_another_division_of_the_same_files_is_noticed(train):
    folder = train("run", killed=2)
    with pytest.raises(CheckpointError, match="with another division of them among clients"):
        train("run", last_checkpoint(folder), split_seed=5)


def test_a_run_that_goes_on_elsewhere_says_how_many_rounds_are_not_here(train):
    whole, first = train("whole"), train("first", killed=2)
    second = train("second", last_checkpoint(first))
    found = digests(second)
    assert (found.elsewhere, found.chain) == (2, digests(whole).chain)
    assert sorted(RunDirectory(second).round_lines()) == [3]


def test_a_checkpoint_from_before_there_was_a_chain_goes_on_with_one(train):
    folder = train("run", killed=2)
    path = last_checkpoint(folder)
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["callbacks"]["RunRecorder"]["chain"]
    torch.save(checkpoint, path)
    content = json.loads((folder / "run.json").read_text())
    del content["digests"]
    (folder / "run.json").write_text(json.dumps(content))
    train("run", path)
    found = digests(folder)
    assert [link.round for link in found.chain.links] == [3]
    assert found.elsewhere == 0
    assert found.chain.broken(RunDirectory(folder).round_lines()) == []


def test_another_fit_of_the_same_callbacks_begins_another_chain(make_trainer, toy_task, toy_data, tmp_path):
    loop, recorder = FederatedLoop(rounds=ROUNDS), RunRecorder(overwrite=True)
    chains = []
    for _ in range(2):
        make_trainer(loop, recorder).fit(toy_task(), datamodule=toy_data())
        chains.append(digests(tmp_path).chain)
    assert chains[0] == chains[1]
    assert len(chains[0].links) == ROUNDS
