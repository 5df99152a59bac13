"""Bad folders of one's own data: dataset.json of nnU-Net and of the Decathlon, and files that are not as it says."""

from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from tests.corpus.asks import own
from tests.corpus.damages import WEB_PAGE, Damage, at, both_of, copied, cut, first, redrawn, removed, renamed, written
from tests.corpus.json_damages import put, without
from tests.corpus.kind import Accepted, Refused, kinds
from tests.corpus.nifti_damages import saved

FILE = at("dataset.json")
IMAGE, LABEL = first("imagesTr/*"), first("labelsTr/*")
_CASES = Accepted("three cases", lambda answer: len(answer.value) == 3)
_REGIONS = {"background": 0, "all": [1, 2], "core": [2]}


def _labels(**labels: object) -> Damage:
    return put(FILE, "labels", {"background": 0, **labels})


def _renamed_folder(name: str) -> Damage:
    return lambda root: (root / name).rename(root / "elsewhere")


def _painted(value: int) -> Damage:
    return redrawn(LABEL, lambda image: Image.fromarray(np.where(np.asarray(image) > 0, value, 0).astype(np.uint8)))


def _flat(root: Path) -> None:
    """A picture as NIfTI, which has two dimensions."""
    for path in (IMAGE(root), LABEL(root)):
        values = np.asanyarray(nib.load(path).dataobj)[..., 0]
        nib.save(nib.Nifti1Image(values, np.eye(4)), path)


def _moved(affine: np.ndarray) -> np.ndarray:
    """An affine 9 mm aside."""
    moved = affine.copy()
    moved[0, 3] += 9
    return moved


_PAIR = {"image": "./imagesTr/case_000.nii.gz", "label": "./labelsTr/case_000.nii.gz"}
_UNREADABLE = Refused(r"dataset\.json cannot be read: .+; mend it, or take it again")
_CHANNELS = Refused(r"dataset\.json has no channel_names by number")

OWN_FOLDERS = [
    *kinds(
        "own folders",
        own("pictures", "own_pictures"),
        [
            ("dataset.json is missing", removed(FILE), Refused(r"dataset\.json does not exist; give the folder that")),
            ("dataset.json is empty", written(FILE, ""), _UNREADABLE),
            ("dataset.json is cut", cut(FILE, 0.5), _UNREADABLE),
            ("dataset.json is a web page", written(FILE, WEB_PAGE), _UNREADABLE),
            ("dataset.json is a list", written(FILE, "[]"), Refused(r"dataset\.json holds no keys with values")),
            ("a key is there twice", written(FILE, '{"labels": {}, "labels": {}}'), _UNREADABLE),
            ("cases under dataset", put(FILE, "dataset", {}), Refused("lists its cases under the key dataset")),
            ("no channels", without(FILE, "channel_names"), Refused(r"has no modality by number")),
            ("channels in a list", put(FILE, "channel_names", ["R"]), _CHANNELS),
            ("a channel is no number", put(FILE, "channel_names", {"a": "R"}), Refused("'a' among its channel_names")),
            (
                "a channel is left out",
                put(FILE, "channel_names", {"0": "R", "2": "B"}),
                Refused("0, 2; expected 0 to"),
            ),
            ("a channel is called by a path", put(FILE, "channel_names", {"0": "a/b"}), Refused("the channel 'a/b'")),
            ("no labels", without(FILE, "labels"), Refused(r"dataset\.json has no labels; expected such as")),
            ("background alone", put(FILE, "labels", {"background": 0}), Refused("no labels beside background")),
            ("a label is above 255", _labels(x=300), Refused(r"gives the label x the value 300; expected 0 to 255")),
            (
                "a label is a fraction",
                _labels(x=1.5),
                Refused(r"gives the label x the value 1.5; expected a who"),
            ),
            ("a label is true", _labels(x=True), Refused(r"gives the label x the value True")),
            ("two labels of one value", _labels(x=1, y=1), Refused("gives x and y the same value, 1")),
            ("labels to ignore", _labels(x=1, ignore=2), Refused("has the label ignore")),
            ("background in a region", _labels(x=[0, 1]), Refused("makes the region x of background and others")),
            ("a label with a slash", _labels(**{"a/b": 1}), Refused("has the class 'a/b'")),
            (
                "an order of too few regions",
                both_of(put(FILE, "labels", _REGIONS), put(FILE, "regions_class_order", [1])),
                Refused(r"has 1 numbers in regions_class_order and 2 regions \(all, core\)"),
            ),
            (
                "an order in words",
                both_of(put(FILE, "labels", _REGIONS), put(FILE, "regions_class_order", ["1", "2"])),
                Refused(r"as regions_class_order; expected whole numbers"),
            ),
            (
                "an order that loses a region",
                both_of(
                    put(FILE, "labels", {"background": 0, "core": [2], "all": [1, 2]}),
                    put(FILE, "regions_class_order", [2, 1]),
                ),
                Refused("where label 2 is, the region core would be lost"),
            ),
            (
                "regions in nnU-Net's order",
                both_of(put(FILE, "labels", _REGIONS), put(FILE, "regions_class_order", [1, 2])),
                _CASES,
            ),
            (
                "an ending that is a number",
                put(FILE, "file_ending", 3),
                Refused("the file_ending 3; expected text"),
            ),
            (
                "an unknown ending",
                put(FILE, "file_ending", ".nrrd"),
                Refused(r"end in '\.nrrd'; expected \.png"),
            ),
            (
                "an ending of volumes",
                put(FILE, "file_ending", ".nii.gz"),
                Refused("volumes; take tasks/own_volumes"),
            ),
            ("another ending", put(FILE, "file_ending", ".bmp"), Refused(r"is not called CASE_0000\.bmp, so no case")),
            ("no imagesTr", _renamed_folder("imagesTr"), Refused("has no folder imagesTr")),
            ("no labelsTr", _renamed_folder("labelsTr"), Refused("has no folder labelsTr")),
            ("a mask is missing", removed(LABEL), Refused(r"case_000: has no mask case_000\.png in labelsTr")),
            ("an image is missing", removed(IMAGE), Refused(r"case_000: has no image case_000_0000\.png in imagesTr")),
            (
                "an image without a number",
                renamed(IMAGE, lambda path: "case_000.png"),
                Refused(r"is not called CASE_0000\.png, so no case has it"),
            ),
            (
                "a value that no label has",
                _painted(7),
                Refused("the values 7; expected 0 and 1 tissue1"),
            ),
            ("white in a mask of classes", _painted(255), Refused("is a mask with the values 255")),
            (
                "a mask of another size",
                redrawn(LABEL, lambda image: image.resize((16, 12))),
                Refused("is 16x12 pixels, but its image .* is 32x24"),
            ),
            ("a mask in colour", redrawn(LABEL, lambda image: image.convert("RGB")), Refused("is a mask of mode RGB")),
            ("an image that is cut", cut(IMAGE, 0.5), Refused("cannot be read")),
            ("an image of 16 bits", redrawn(IMAGE, lambda image: image.convert("I;16")), Refused("of mode I;16")),
        ],
    ),
    *kinds(
        "own folders",
        own("pictures", "own_stains"),
        [
            (
                "a channel is missing",
                removed(first("imagesTr/*_0001.png")),
                Refused(r"case_000: case_000_0001\.png \(stain1\) is missing"),
            ),
            (
                "a channel too many",
                copied(IMAGE, lambda path: path.name.replace("_0000", "_0005")),
                Refused("case_000: has the channel 0005, but dataset.json names 2: stain0, stain1"),
            ),
            (
                "channels of two sizes",
                redrawn(first("imagesTr/*_0001.png"), lambda image: image.resize((16, 12))),
                Refused("is 16x12 pixels, but its image .* is 32x24"),
            ),
            (
                "a channel in colour",
                redrawn(IMAGE, lambda image: image.convert("RGB")),
                Refused("is an image of mode RGB"),
            ),
            ("white in place of 1", _painted(255), _CASES),
        ],
    ),
    *kinds(
        "own folders",
        own("volumes", "own_volumes"),
        [
            (
                "a channel of another shape",
                saved(first("imagesTr/*_0001.nii.gz"), lambda voxels: voxels[1:]),
                Refused("has the shape 17x16x12, but case_000_0000.nii.gz has 18x16x12"),
            ),
            (
                "a channel in another place",
                saved(
                    first("imagesTr/*_0001.nii.gz"),
                    affine=lambda matrix: matrix + np.eye(4)[:, [3, 3, 3, 0]].T[::1] * 9,
                ),
                Refused("has another affine"),
            ),
            ("volumes of two dimensions", _flat, Refused("is 2-D with the shape 18x16, expected 3-D")),
            (
                "a volume of four dimensions",
                saved(IMAGE, lambda voxels: np.stack([voxels, voxels], -1)),
                Refused("is 4-D with the shape 18x16x12x2, expected 3-D"),
            ),
            (
                "a value of voxels that no label has",
                saved(LABEL, lambda voxels: voxels * 3),
                Refused(r"the label map has 3 \(.* voxels\), 6 \(.*\), expected 1 organ, 2 tumour of own_volumes"),
            ),
            ("an empty mask", saved(LABEL, lambda voxels: voxels * 0), Refused("case_000: the label map is empty")),
            (
                "an ending of pictures",
                put(FILE, "file_ending", ".png"),
                Refused("pictures; take tasks/own_pictures"),
            ),
            (
                "CT beside PET",
                put(FILE, "channel_names", {"0": "CT", "1": "PET"}),
                Refused("some are CT, others not, but all are prepared alike"),
            ),
        ],
    ),
    *kinds(
        "own folders",
        own("volumes", "own_decathlon"),
        [
            (
                "a listed image is not there",
                removed(first("imagesTr/*")),
                Refused(r"case_000: is listed in dataset\.json, but not there"),
            ),
            (
                "a case is listed twice",
                put(
                    FILE,
                    "training",
                    [{"image": "./imagesTr/case_000.nii.gz", "label": "./labelsTr/case_000.nii.gz"}] * 2,
                ),
                Refused("case_000: is listed twice"),
            ),
            (
                "a case outside of the folder",
                put(
                    FILE, "training", [{"image": "../imagesTr/case_000.nii.gz", "label": "./labelsTr/case_000.nii.gz"}]
                ),
                Refused("case_000: lies outside of the folder"),
            ),
            ("a list of names", put(FILE, "training", ["case_000"]), Refused("does not list its training cases as")),
            ("one channel of two", put(FILE, "modality", {"0": "MRI"}), Refused("is 4-D with the shape 18x16x12x2")),
            (
                "three channels of two",
                put(FILE, "modality", {"0": "T1", "1": "T2", "2": "PD"}),
                Refused("has 2 channels, expected 3: T1, T2, PD"),
            ),
        ],
    ),
]
