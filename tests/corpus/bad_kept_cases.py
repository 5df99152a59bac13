"""Bad examples.npz, the test cases that a run kept to be looked at; and names that plots would read as formulas."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus.bad_run_records import put
from tests.corpus.damages import (
    WEB_PAGE,
    Damage,
    at,
    content,
    cut,
    cut_end,
    flipped,
    linked,
    made_folder,
    removed,
    text,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Answer, Refused, kinds
from tests.corpus.record_asks import RUN, page, pictures

FILE = at(f"{RUN}/examples.npz")


def arrays(change: Callable[[dict[str, Any]], object], **how: Any) -> Damage:
    """Save arrays that are made of the good ones; ``change`` works in place, or returns others."""

    def damage(root: Path) -> None:
        with np.load(FILE(root)) as file:
            found: dict[str, Any] = dict(file)
        changed = change(found)
        np.savez_compressed(FILE(root), **(found if changed is None else changed))

    return damage


def _put(name: str, value: Callable[[Any], Any] | Any) -> Damage:
    return arrays(lambda found: {**found, name: value(found.get(name)) if callable(value) else value})


def _without(name: str) -> Damage:
    return arrays(lambda found: {key: value for key, value in found.items() if key != name})


def _chosen(**others: Any) -> Damage:
    """Add the best case of a picture, of which single arrays can be replaced; None leaves one out."""
    mask = np.zeros((1, 16, 20), bool)
    best = {
        **{"chosen": np.array(["best"]), "chosen_case": np.array(["a1"]), "chosen_client": np.array(["north"])},
        **{"chosen_model": np.array(["global"]), "chosen_dice": np.array([0.6]), "chosen_of": np.array(3)},
        **{"best_picture_image": np.zeros((3, 16, 20), np.uint8), "best_picture_truth": mask},
        **{"best_picture_prediction": mask, "best_picture_spacing": np.ones(2), "region": np.array(["lesion"])},
        **others,
    }
    return arrays(lambda found: {**found, **{name: value for name, value in best.items() if value is not None}})


class Opened:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch was-run",)


def _header(shape: str, kind: str = "<f4") -> bytes:
    """An archive whose image claims a shape."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("image.npy", b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head + bytes(64))
    return file.getvalue()


def _nothing_drawn(answer: Answer) -> bool:
    return all(not gallery and overlays is None for gallery, overlays in answer.value)


def _drawn(answer: Answer) -> bool:
    return any(gallery for gallery, _ in answer.value)


def _bad(words: str) -> Refused:
    return Refused(
        rf"dp/examples\.npz cannot be read \(.*{words}.*\), so that no test cases of this run are shown; make"
    )


KEPT_CASES = [
    *kinds(
        "kept cases",
        pictures(),
        [
            ("missing", removed(FILE), Accepted("none were kept", _nothing_drawn)),
            ("a link to nothing", linked(FILE, lambda path: "nowhere"), Accepted("none were kept", _nothing_drawn)),
            ("a folder in its place", made_folder(FILE), _bad("Is a directory")),
            ("an empty file", written(FILE, b""), _bad("not a zip file")),
            ("zero bytes", zeros(FILE), _bad("not a zip file")),
            ("a web page", written(FILE, WEB_PAGE), _bad("not a zip file")),
            ("its first half", cut(FILE, 0.5), _bad("not a zip file")),
            ("all but its last 30 bytes", cut_end(FILE, 30), _bad("")),
            ("a flipped byte in an array", flipped(FILE, 0.4), _bad("")),
            ("one array, without an archive", written(FILE, b"\x93NUMPY\x01\0v\0"), _bad("not a zip file")),
            (
                "an empty archive",
                written(FILE, b"PK\5\6" + bytes(18)),
                _bad("its array case should be an array of texts"),
            ),
            ("objects that are pickled", _put("case", np.array([Opened(), Opened()], dtype=object)), _bad("pickle")),
            ("an image that claims a million cubed", written(FILE, _header("(1000000, 1000000, 1000000)")), _bad("")),
            ("an image that claims 10**30 pixels", written(FILE, _header("(10**30,)")), _bad("")),
            ("an image of a shape of text", written(FILE, _header("('x',)")), _bad("")),
            ("an image of an unknown type", written(FILE, _header("(3,)", "<q9")), _bad("")),
            (
                "no cases",
                _without("case"),
                _bad("case should be an array of texts"),
            ),
            (
                "no images",
                _without("image"),
                _bad("image should be an array of num"),
            ),
            (
                "no truth",
                _without("truth"),
                _bad("truth should be an array of num"),
            ),
            ("cases that are numbers", _put("case", np.arange(2)), _bad("case should be an array of texts")),
            ("fewer cases than images", _put("case", lambda found: found[:1]), _bad("as many as cases")),
            (
                "fewer clients than cases",
                _put("client", lambda found: found[:1]),
                _bad("client should be as many as cases"),
            ),
            ("images without channels", _put("image", lambda found: found[:, 0]), _bad("image should be of the shape")),
            (
                "images of text",
                _put("image", lambda found: found.astype(str)),
                _bad("image should be an array of numbers"),
            ),
            (
                "complex images",
                _put("image", lambda found: found.astype(np.complex64)),
                _bad("image should be an array of"),
            ),
            ("images with NaN", _put("image", lambda found: found * np.nan), _bad("image should be finite")),
            (
                "truth of another size",
                _put("truth", lambda found: found[..., 1:]),
                _bad("truth should be on the grid of"),
            ),
            ("predictions of another size", _put("prediction", lambda found: found[..., 1:]), _bad("shape of truth")),
            (
                "regions of another number",
                _put("region", np.array(["a", "b"])),
                _bad("region should be as many as truth"),
            ),
            ("cases that were never scored", _put("case", np.array(["x", "y"])), Accepted("not shown", _nothing_drawn)),
            ("an array more", _put("later", np.ones(3)), Accepted("of a later version", _drawn)),
            ("the best case", _chosen(), Accepted("as before", _drawn)),
            (
                "the best case without its truth",
                _chosen(best_picture_truth=None),
                _bad("best_picture_truth should be an"),
            ),
            (
                "the best case without its image",
                _chosen(best_picture_image=None),
                _bad("best_picture_image should be there"),
            ),
            (
                "the best case in 16 bits",
                _chosen(best_picture_image=np.zeros((3, 16, 20), np.uint16)),
                _bad("of 8 bits"),
            ),
            (
                "the best case of two channels",
                _chosen(best_picture_image=np.zeros((2, 16, 20), np.uint8)),
                _bad("of the shape"),
            ),
            (
                "the best case of another size",
                _chosen(best_picture_truth=np.zeros((1, 8, 8), bool)),
                _bad("a mask for each"),
            ),
            (
                "pixels of no size",
                _chosen(best_picture_spacing=np.zeros(2)),
                _bad("best_picture_spacing should be two"),
            ),
            (
                "pixels of NaN",
                _chosen(best_picture_spacing=np.full(2, np.nan)),
                _bad("best_picture_spacing should be two"),
            ),
            ("a Dice of 1.7", _chosen(chosen_dice=np.array([1.7])), _bad("chosen_dice should be a share for each")),
            ("a Dice of NaN", _chosen(chosen_dice=np.array([np.nan])), _bad("chosen_dice should be a share for each")),
            ("chosen from none", _chosen(chosen_of=np.array(0)), _bad("chosen_of should be their number at least")),
            (
                "an unknown choice",
                _chosen(chosen=np.array(["luckiest"])),
                _bad("chosen should be of best, median, worst"),
            ),
            ("a case of markup", _chosen(chosen_case=np.array(["$x^$<b>"])), Accepted("text", _drawn)),
        ],
    ),
    *kinds(
        "pages",
        page(),
        [
            ("kept cases that cannot be read", content(FILE, lambda data: data[:100]), _bad("not a zip file")),
            (
                "a method that looks like a formula",
                put("method", "$\\frac{1$ _x_ <i>"),
                Accepted("text", lambda answer: "&lt;i&gt;" in answer.value and "<i>" not in answer.value),
            ),
            (
                "clients that look like formulas",
                text(at(f"{RUN}/cases.csv"), lambda table: table.replace("south", "$\\frac{1$")),
                Accepted("text", lambda answer: "$\\frac{1$" in answer.value),
            ),
            (
                "a task that looks like markup",
                put("task", '"><script>alert(1)</script>'),
                Accepted(
                    "text", lambda answer: answer.value.count("<script") == 1 and "<script>alert" not in answer.value
                ),
            ),
        ],
    ),
]
