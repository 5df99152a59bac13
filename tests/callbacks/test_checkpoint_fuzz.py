"""Whatever has become of a checkpoint's blocks: it is refused in one sentence, or the run goes on to its last round."""

import copy
import random
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.checkpointing import check_checkpoint
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import BenchError
from adpfl_bench.federation.client_methods import Scaffold
from adpfl_bench.federation.server_optimizers import FedAdam
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from tests.effort import EXAMPLES
from tests.sentences import check_sentence
from tests.toy_federation import ToyDataModule, _toy_task

CONFIG = {"model": {"class_path": "ToyTask"}, "trainer": {"max_epochs": 2}}
SECTIONS = ("model",)
ODD = (None, True, -1, 0, 10**30, 0.5, float("nan"), "", "x", [], [None], {}, {"x": 1}, (), torch.zeros(3))
TENSORS = {
    "shorter": lambda tensor: tensor.flatten()[:-1],
    "a dimension more": lambda tensor: tensor[None],
    "NaN": lambda tensor: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else -tensor,
    "infinite": lambda tensor: tensor.double() * float("inf"),
    "whole numbers": lambda tensor: tensor.long(),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "half": lambda tensor: tensor.half(),
    "none": lambda tensor: tensor.flatten()[:0],
    "sparse": lambda tensor: tensor.to_sparse(),
    "negative": lambda tensor: -tensor,
}


def callbacks_of(folder):
    loop = FederatedLoop(rounds=2, client_method=Scaffold(), server_optimizer=FedAdam, client_optimizer_state="keep")
    privacy = DifferentialPrivacy("patient", QuantileThreshold(), GaussianMechanism(), noise_multiplier=1.0, delta=0.01)
    recorder = RunRecorder(task="toy", method="toy")
    recorder.config = CONFIG
    saved = ModelCheckpoint(folder / "kept", filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True)
    return [loop, privacy, recorder, saved]


def task():
    return _toy_task()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The checkpoint of the first of two rounds."""
    folder = tmp_path_factory.mktemp("checkpoint")
    trainer = Trainer(callbacks=callbacks_of(folder), default_root_dir=folder, **quiet(2))
    trainer.fit(task(), datamodule=ToyDataModule({"alps": 3, "bay": 3}))
    return torch.load(folder / "kept" / "epoch=0.ckpt", weights_only=True)


def quiet(rounds):
    return {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": rounds,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }


def resume(found, folder):
    """Go on from a checkpoint as the command line does; the rounds that are there in the end."""
    torch.save(found, folder / "last.ckpt")
    check_checkpoint(folder / "last.ckpt", CONFIG, SECTIONS, resumes=True)
    loop, *others = callbacks_of(folder)
    trainer = Trainer(callbacks=[loop, *others], default_root_dir=folder, **quiet(2))
    trainer.fit(task(), datamodule=ToyDataModule({"alps": 3, "bay": 3}), ckpt_path=folder / "last.ckpt")
    return loop.rounds_completed


def places(value, path=()):
    """Every place in a checkpoint: in blocks, lists and tuples."""
    if path:
        yield path
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(below, (*path, key))


def altered(good, change, chance):
    """The checkpoint with something else in a place; in half of all cases in one of its upper blocks."""
    found = copy.deepcopy(good)
    deepest = chance.choice([2, 4, 20])
    tensors = [path for path in places(found) if torch.is_tensor(at(found, path))]
    *above, last = chance.choice(tensors if change in TENSORS else [p for p in places(found) if len(p) <= deepest])
    block = at(found, above)
    if change == "removed":
        del block[last]
    elif change == "more" and isinstance(block, dict):
        block["more"] = copy.deepcopy(block[last])
    elif change == "more":
        block.append(copy.deepcopy(block[last]))
    elif change in TENSORS:
        block[last] = TENSORS[change](block[last])
    else:
        block[last] = ODD[int(change)]
    return found, ".".join(map(str, (*above, last)))


def at(value, path):
    for key in path:
        value = value[key]
    return value


LOOP = ("callbacks", "FederatedLoop", "federation")
PROGRESS = ("loops", "fit_loop", "epoch_progress")
SAVED = "ModelCheckpoint{'monitor': None, 'mode': 'min', 'every_n_train_steps': 0, 'every_n_epochs': 1, "
FAULTS = {
    "no version": (("pytorch-lightning_version",), None, "lacks pytorch-lightning_version"),
    "no version's text": (("pytorch-lightning_version",), "x", "pytorch-lightning_version cannot be read .*Invalid"),
    "a callback that is text": (
        ("callbacks", SAVED + "'train_time_interval': None}"),
        "x",
        "its callbacks.ModelCheckpoint.* should be of the type dict, but it is of the type str",
    ),
    "a loop's progress": ((*PROGRESS, "total"), 0, "loops.fit_loop cannot be read .*epoch_progress.total is of the"),
    "a loop's count": ((*PROGRESS, "total", "started"), "", "epoch_progress.total.started is of the type str, not int"),
    "a loop's negative count": ((*PROGRESS, "current", "ready"), -1, "epoch_progress.current.ready is -1"),
    "an optimizer's setting": (
        ("optimizer_states", 0, "param_groups", 0, "betas"),
        0,
        "optimizer_states cannot be read",
    ),
    "an optimizer's moment": (
        ("optimizer_states", 0, "state", 0, "exp_avg"),
        torch.zeros(3),
        "optimizer_states cannot",
    ),
    "a client's moment": ((*LOOP, "client_optimizers", "alps", 0, "exp_avg"), torch.zeros(3), "optimizers.alps cannot"),
    "the server's moment": ((*LOOP, "server", "state", 0, "exp_avg"), torch.zeros(3), "federation cannot be read"),
    "a client's variate": (
        (*LOOP, "method", "clients", "alps", 0),
        torch.zeros(3),
        "variates are not those|of bay are",
    ),
    "a threshold of NaN": (("callbacks", "DifferentialPrivacy", "threshold", "alps"), float("nan"), "of alps is nan"),
    "an unknown unit": (("lineage", 0, "unit"), "house", "lineage should list the runs .*unit is 'house'"),
    "a folder that is a number": (
        ("lineage", 0, "folder"),
        5,
        "lineage should list the runs .*folder is of the type int",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_once_a_traceback(checkpoint, tmp_path, fault):
    (*above, last), value, sentence = FAULTS[fault]
    found = copy.deepcopy(checkpoint)
    at(found, above)[last] = value
    with pytest.raises(BenchError, match=sentence):
        resume(found, tmp_path)
    assert not (tmp_path / "run.json").exists()


def test_a_checkpoint_as_it_was_goes_on(checkpoint, tmp_path):
    assert resume(checkpoint, tmp_path) == 2


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=EXAMPLES // 2)
@given(
    change=st.sampled_from(["removed", "removed", "more", *TENSORS, *map(str, range(len(ODD)))]),
    seed=st.integers(0, 2**32),
)
def test_any_block_of_a_checkpoint(checkpoint, tmp_path_factory, change, seed):
    folder = tmp_path_factory.mktemp("resumed")
    found, place = altered(checkpoint, change, random.Random(seed))
    try:
        assert resume(found, folder) == 2, place
    except BenchError as error:
        check_sentence(error)
    finally:
        shutil.rmtree(folder)
