"""Bad checkpoints, of which a run goes on, is scored, or starts."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.corpus.asks import with_run
from tests.corpus.damages import (
    LFS_POINTER,
    Damage,
    at,
    content,
    cut,
    cut_end,
    linked,
    made_folder,
    removed,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Answer, Refused, kinds

FILE = at("run/checkpoints/last.ckpt")


def changed(change: Callable[[dict[str, Any]], object], **how: Any) -> Damage:
    """Save a checkpoint that is made of the good one; ``change`` works in place, or returns another."""

    def damage(root: Path) -> None:
        found = torch.load(FILE(root), weights_only=True)
        other = change(found)
        torch.save(found if other is None else other, FILE(root), **how)

    return damage


def _without(*path: str) -> Damage:
    def change(found: dict[str, Any]) -> None:
        for key in path[:-1]:
            found = found[key]
        del found[path[-1]]

    return changed(change)


def _put(value: Any, *path: str) -> Damage:
    """Put a value, or what a function makes of the old one, at a place."""

    def change(found: dict[str, Any]) -> None:
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = value(found.get(path[-1])) if callable(value) else value

    return changed(change)


WEIGHT = ("state_dict", "network.model.0.conv.weight")
LOOP = ("callbacks", "FederatedLoop")
PRIVACY = ("callbacks", "DifferentialPrivacy")
RECORDER = ("callbacks", "RunRecorder")


class Code:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch was-run",)


def _storage_of_zeros(data: bytes) -> bytes:
    """Put zeros in the place of a tensor's bytes within the archive, whose checksums are made anew."""
    old, new = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
        for entry in old.infolist():
            stored = old.read(entry)
            archive.writestr(entry, bytes(len(stored)) if entry.filename.endswith("/data/0") else stored)
    return new.getvalue()


def _flipped_weight(data: bytes) -> bytes:
    """Flip a byte of a tensor, so that its checksum is wrong."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = next(entry for entry in archive.infolist() if entry.filename.endswith("/data/0"))
    place = entry.header_offset + 30 + len(entry.filename)
    place = data.index(zipfile.ZipFile(io.BytesIO(data)).read(entry), place)
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def _negative_releases(found: dict[str, Any]) -> None:
    for ledger in found["callbacks"]["DifferentialPrivacy"]["sessions"].values():
        ledger["client-1"][0][-1] = -2


_NONE = Refused(r"last\.ckpt is not a checkpoint of a run of this suite")


def _scores(answer: Answer) -> bool:
    return "Dice" in answer.text


_FINE = Accepted("as before", _scores)

FILES = [
    ("an empty file", written(FILE, b""), _NONE),
    ("zero bytes", zeros(FILE), _NONE),
    ("text", written(FILE, "no checkpoint\n"), _NONE),
    ("a pointer of Git LFS", written(FILE, LFS_POINTER), _NONE),
    ("its first half", cut(FILE, 0.5), _NONE),
    ("all but its last 10 bytes", cut_end(FILE, 10), _NONE),
    ("a zip archive of something else", written(FILE, b"PK\5\6" + bytes(18)), _NONE),
    ("a pickle", written(FILE, pickle.dumps({"state_dict": {}})), _NONE),
    ("a pickle with code", written(FILE, pickle.dumps(Code())), _NONE),
    ("code in a checkpoint", changed(lambda c: {**c, "code": Code()}), _NONE),
    ("the format of torch before 1.6", changed(lambda c: c, _use_new_zipfile_serialization=False), _NONE),
    (
        "a flipped byte in a weight",
        content(FILE, _flipped_weight),
        Refused("last.ckpt is damaged: the checksum of .* in it is wrong"),
    ),
    ("weights alone", changed(lambda c: c["state_dict"]), Refused("it states no configuration")),
    ("a list", changed(lambda c: [c]), _NONE),
    ("a tensor", changed(lambda c: torch.zeros(3)), _NONE),
    (
        "a checkpoint of plain Lightning",
        changed(lambda c: {**c, "callbacks": {}}),
        Refused("it states no configuration"),
    ),
    ("a folder in its place", made_folder(FILE), _NONE),
    (
        "another task",
        _put("KidneyTumorTask", *RECORDER, "config", "model", "class_path"),
        Refused("belongs to another run: it was made with model.class_path = KidneyTumorTask"),
    ),
    (
        "another network",
        _put([8, 16], *RECORDER, "config", "model", "init_args", "network_arguments", "channels"),
        Refused(r"belongs to another run: it was made with model.init_args.network_arguments.channels = \[8, 16\]"),
    ),
    (
        "a setting of a later version",
        _put("x", *RECORDER, "config", "federated", "later"),
        Refused("it was made with federated.later = x, and this configuration has None"),
    ),
    ("a configuration that is a list", _put([], *RECORDER, "config"), _NONE),
    ("a record that is a list", _put([], *RECORDER), _NONE),
]
_WEIGHTS = [
    ("no weights", _without("state_dict"), Refused("last.ckpt lacks state_dict")),
    ("a weight missing", _without(*WEIGHT), Refused("lacks the weight network.model.0.conv.weight")),
    (
        "a weight more",
        _put(torch.zeros(3), "state_dict", "network.more"),
        Refused("has the weight network.more, which"),
    ),
    (
        "a weight of another shape",
        _put(torch.zeros(8, 3, 3, 3), *WEIGHT),
        Refused(r"network.model.0.conv.weight has the shape 8x3x3x3, but this network's has 4x3x3x3"),
    ),
    (
        "a weight without dimensions",
        _put(torch.tensor(1.0), *WEIGHT),
        Refused("network.model.0.conv.weight has the shape"),
    ),
    ("weights of integers", _put(lambda w: w.long(), *WEIGHT), Refused("network.model.0.conv.weight .*int64")),
    (
        "complex weights",
        _put(lambda w: w.to(torch.complex64), *WEIGHT),
        Refused("network.model.0.conv.weight .*complex64"),
    ),
    ("a weight that is a list", _put([1.0], *WEIGHT), Refused("network.model.0.conv.weight")),
    ("a weight that is text", _put("x", *WEIGHT), Refused("network.model.0.conv.weight")),
    ("weights that are a list", _put([], "state_dict"), Refused("state_dict")),
    ("sparse weights", _put(lambda w: w.to_sparse(), *WEIGHT), Refused("network.model.0.conv.weight")),
    ("64-bit weights", _put(lambda w: w.double(), *WEIGHT), _FINE),
    ("16-bit weights", _put(lambda w: w.half(), *WEIGHT), _FINE),
    (
        "weights that are NaN",
        _put(lambda w: w * float("nan"), *WEIGHT),
        Accepted("a run that diverged", _scores),
    ),
]
_BLOCKS = [
    ("no federation", _without(*LOOP), Refused("last.ckpt lacks callbacks.FederatedLoop")),
    (
        "no callbacks but the recorder",
        _put(lambda c: {"RunRecorder": c["RunRecorder"]}, "callbacks"),
        Refused("lacks callbacks.FederatedLoop"),
    ),
    ("a federation that is a list", _put([], *LOOP), Refused("callbacks.FederatedLoop")),
    ("a federation that is empty", _put({}, *LOOP), Refused("callbacks.FederatedLoop.rounds_completed")),
    ("a federation without its server", _without(*LOOP, "federation", "server"), Refused("FederatedLoop.federation")),
    ("rounds that are text", _put("2", *LOOP, "rounds_completed"), Refused("rounds_completed")),
    ("a lineage of text", _put("x", "lineage"), Refused("lineage")),
    (
        "a lineage with an unknown key",
        _put(lambda runs: [{**runs[0], "later": 1}], "lineage"),
        Refused("lineage should list the runs"),
    ),
]
_RESUMED = [
    ("no lineage", _without("lineage"), Refused("last.ckpt lacks lineage")),
    (
        "a lineage of another run",
        _put(lambda runs: [{**runs[0], "cohort": "f" * 64}], "lineage"),
        Refused("was made from other data than there are now"),
    ),
    ("releases that are negative", changed(_negative_releases), Refused("A release of client-1 is counted -2 times")),
    (
        "another seed",
        _put(lambda runs: [{**runs[0], "seed": 5}], "lineage"),
        Refused("belongs to a run with seed 5, but this one has seed 0"),
    ),
    ("no optimizer", _without("optimizer_states"), Refused("lacks optimizer_states")),
    ("no schedule", _without("lr_schedulers"), Refused("lacks lr_schedulers")),
    ("no loops", _without("loops"), Refused("lacks loops")),
    ("no epoch", _without("epoch"), Refused("lacks epoch")),
    ("no step", _without("global_step"), Refused("lacks global_step")),
    ("no privacy", _without(*PRIVACY), Refused("lacks callbacks.DifferentialPrivacy")),
    ("no thresholds", _without(*PRIVACY, "threshold"), Refused("DifferentialPrivacy")),
    ("two optimizers", _put(lambda found: found * 2, "optimizer_states"), Refused("optimizer_states")),
    (
        "an optimizer without groups",
        _put([{"state": {}, "param_groups": []}], "optimizer_states"),
        Refused("optimizer"),
    ),
    ("an epoch that is not its rounds", _put(7, "epoch"), Refused("epoch")),
    ("a negative round", _put(-1, *LOOP, "rounds_completed"), Refused("rounds_completed")),
    ("a billion rounds", _put(10**9, *LOOP, "rounds_completed"), Refused("rounds_completed")),
    ("a threshold of text", _put("x", *PRIVACY, "threshold"), Refused("DifferentialPrivacy")),
]

_STARTED = ("--trainer.default_root_dir=RUN-new", "--model.init_from=RUN/checkpoints/last.ckpt")
_NO_START = Refused("model.init_from is .*last.ckpt, but the weights of this network could not be read from it: ")

CHECKPOINTS = [
    *kinds(
        "checkpoints to score",
        with_run("test", writes=("run.json", "cases.csv", "examples.npz")),
        [
            ("missing", removed(FILE), Refused("There is no checkpoint .*last.ckpt to test: train")),
            ("a link to itself", linked(FILE, lambda path: path.name), Refused("There is no checkpoint .* to test")),
            *FILES,
            *_WEIGHTS,
            *_BLOCKS,
            ("no lineage", _without("lineage"), Accepted("one of before there was a lineage", _scores)),
            ("no optimizer", _without("optimizer_states"), Accepted("which scores do not need", _scores)),
        ],
    ),
    *kinds(
        "checkpoints to go on from",
        with_run("fit", ("--ckpt_path=last",), writes=("*",)),
        [*FILES, *_WEIGHTS, *_BLOCKS, *_RESUMED],
    ),
    *kinds(
        "checkpoints to start from",
        with_run("fit", _STARTED),
        [
            ("missing", removed(FILE), _NO_START),
            ("text", written(FILE, "no checkpoint"), _NO_START),
            ("code", changed(lambda c: {**c, "code": Code()}), _NO_START),
            ("no weights", _without("state_dict"), _NO_START),
            ("a weight of another shape", _put(torch.zeros(3), *WEIGHT), _NO_START),
            ("weights of integers", _put(lambda w: w.long(), *WEIGHT), _NO_START),
            ("a list", changed(lambda c: [c]), _NO_START),
            ("a lineage of text", _put("x", "lineage"), Refused("lineage should list the runs")),
        ],
    ),
]
