"""Bad dataset.json of the Medical Segmentation Decathlon, and images that it does not describe."""

from typing import Any

import numpy as np

from tests.corpus.asks import both
from tests.corpus.damages import (
    WEB_PAGE,
    Damage,
    at,
    copied,
    cut,
    first,
    linked,
    made_folder,
    marked,
    recoded,
    removed,
    renamed,
    text,
    written,
    zeros,
)
from tests.corpus.json_damages import put, without
from tests.corpus.kind import Accepted, Refused, kinds
from tests.corpus.nifti_damages import saved

FILE = at("dataset.json")
IMAGE, LABEL = first("imagesTr/*.nii.gz"), first("labelsTr/*.nii.gz")


def _put(key: str, value: Any) -> Damage:
    return put(FILE, key, value)


_UNREADABLE = Refused(r"dataset\.json cannot be read \(.+\); expected modality and labels by number")
_OTHER = Refused(r"dataset\.json describes the sequences .* and the labels .*; expected t1w, t1gd, t2w, flair and back")
_SEQUENCES = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
_LABELS = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
_SAME = Accepted("the same", lambda answer: len(answer.value) == 3)

DESCRIPTIONS = kinds(
    "descriptions",
    both("msd"),
    [
        ("missing", removed(FILE), Refused(r"dataset\.json does not exist; unpack Task01_BrainTumour again")),
        ("a folder in its place", made_folder(FILE), _UNREADABLE),
        ("a link to itself", linked(FILE, lambda path: path.name), _UNREADABLE),
        ("an empty file", written(FILE, ""), _UNREADABLE),
        ("zero bytes", zeros(FILE), _UNREADABLE),
        ("its first half", cut(FILE, 0.5), _UNREADABLE),
        ("a web page", written(FILE, WEB_PAGE), _UNREADABLE),
        ("UTF-16", recoded(FILE, "utf-16"), _UNREADABLE),
        ("UTF-8 with a mark", marked(FILE), _SAME),
        ("a list", written(FILE, "[]"), _UNREADABLE),
        ("null", written(FILE, "null"), _UNREADABLE),
        ("100,000 brackets", written(FILE, "[" * 100_000), _UNREADABLE),
        ("no modality", without(FILE, "modality"), _UNREADABLE),
        ("no labels", without(FILE, "labels"), _UNREADABLE),
        ("a modality that is a list", _put("modality", ["FLAIR", "T1w", "t1gd", "T2w"]), _UNREADABLE),
        ("labels that are null", _put("labels", None), _UNREADABLE),
        ("sequences by name", _put("modality", {"FLAIR": 0, "T1w": 1}), _UNREADABLE),
        ("a sequence missing", _put("modality", {"0": "FLAIR", "1": "T1w", "2": "t1gd"}), _OTHER),
        ("a sequence twice", _put("modality", {**_SEQUENCES, "3": "FLAIR"}), _OTHER),
        ("a sequence again, in a fifth place", _put("modality", {**_SEQUENCES, "4": "T1w"}), _OTHER),
        ("a sequence more", _put("modality", {**_SEQUENCES, "4": "DWI"}), _OTHER),
        ("an unknown sequence", _put("modality", {**_SEQUENCES, "3": "CT"}), _OTHER),
        ("a sequence that is a number", _put("modality", {**_SEQUENCES, "3": 7}), _OTHER),
        (
            "a sequence beyond the image's",
            _put("modality", {"0": "FLAIR", "1": "T1w", "2": "t1gd", "9": "T2w"}),
            Refused(r"dataset\.json numbers the sequences 0, 1, 2, 9; expected 0 to 3"),
        ),
        (
            "a negative sequence",
            _put("modality", {"0": "FLAIR", "1": "T1w", "2": "t1gd", "-1": "T2w"}),
            Refused(r"dataset\.json numbers the sequences -1, 0, 1, 2; expected 0 to 3"),
        ),
        ("sequences in another order", _put("modality", {**_SEQUENCES, "0": "T2w", "3": "FLAIR"}), _SAME),
        ("an unknown class", _put("labels", {**_LABELS, "3": "necrosis"}), _OTHER),
        ("a class twice", _put("labels", {**_LABELS, "3": "edema"}), _OTHER),
        ("a class missing", _put("labels", {"0": "background", "1": "edema", "2": "enhancing tumor"}), _OTHER),
        (
            "a class of the value 300",
            _put("labels", {"0": "background", "1": "edema", "2": "non-enhancing tumor", "300": "enhancing tumour"}),
            Refused(r"dataset\.json gives a class the value 300; expected 1 to 255"),
        ),
        (
            "a class of a negative value",
            _put("labels", {"0": "background", "1": "edema", "2": "non-enhancing tumor", "-3": "enhancing tumour"}),
            Refused(r"dataset\.json gives a class the value -3; expected 1 to 255"),
        ),
        ("further keys", _put("tensorImageSize", "4D"), _SAME),
        (
            "a key twice",
            text(FILE, lambda t: t.replace("{", '{"labels": {}, ', 1)),
            Refused("cannot be read .*the key labels is there twice"),
        ),
        (
            "an image of three channels",
            saved(IMAGE, lambda v: v[..., :3]),
            Refused("has 3 channels, expected 4: t1, t1ce"),
        ),
        (
            "an image of five channels",
            saved(IMAGE, lambda v: np.concatenate([v, v[..., :1]], -1)),
            Refused("has 5 channels, expected 4"),
        ),
        (
            "an image of three dimensions",
            saved(IMAGE, lambda v: v[..., 0]),
            Refused("is 3-D with the shape 20x20x16, expected 4-D"),
        ),
        ("channels first", saved(IMAGE, lambda v: np.moveaxis(v, -1, 0)), Refused("has 16 channels, expected 4")),
        (
            "complex numbers in one channel",
            saved(IMAGE, lambda v: v.astype(np.complex64)),
            Refused("of the type complex64"),
        ),
        ("a label of four dimensions, the last of length 1", saved(LABEL, lambda v: v[..., None]), _SAME),
        (
            "a label of four dimensions",
            saved(LABEL, lambda v: np.stack([v, v], -1)),
            Refused("is 4-D with the shape 20x20x16x2, expected 3-D"),
        ),
        ("an image without a label", removed(LABEL), Refused("has no label map in labelsTr")),
        ("a label without an image", removed(IMAGE), Refused("has no image in imagesTr")),
        ("a resource fork of macOS", copied(IMAGE, lambda path: f"._{path.name}"), _SAME),
        ("an image of a name that is not UTF-8", renamed(IMAGE, lambda path: b"BRATS_\xff.nii.gz"), Refused("UTF-8")),
    ],
)
