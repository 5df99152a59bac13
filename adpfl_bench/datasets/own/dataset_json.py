"""``dataset.json`` as nnU-Net (in both of its versions) and the Medical Segmentation Decathlon write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adpfl_bench.data.region_scheme import LARGEST_LABEL
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.errors import DataError
from adpfl_bench.records.strict_json import read_strict
from adpfl_bench.text import folder_name_problem, listed

FILE = "dataset.json"
_DOCUMENTED = "https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md"


@dataclass(frozen=True)
class DatasetJson:
    """What a ``dataset.json`` states.

    Attributes:
        path: The file.
        description: Channels, labels and regions.
        ending: How files of images and masks end; empty where it does not say.
        pairs: Image and mask of each training case, relative to the folder, where it lists them.
    """

    path: Path
    description: DatasetDescription
    ending: str
    pairs: tuple[tuple[str, str], ...]


def read_dataset_json(path: Path) -> DatasetJson:
    """Read a ``dataset.json``.

    Raises:
        DataError: It is missing, or has a key that is not as nnU-Net or the Decathlon have it.
    """
    content = _read(path)
    if "dataset" in content:
        raise DataError(
            f"{path} lists its cases under the key dataset, in folders of any name; expected imagesTr/ and labelsTr/,"
            " so lay them out so, or give a table of paths (a CSV file) in place of the folder."
        )
    channels = _channels(path, content)
    labels, regions = _labels(path, content)
    order = _order(path, content, regions)
    ending = content.get("file_ending", "")
    if not isinstance(ending, str):
        raise DataError(f"{path} has the file_ending {ending!r}; expected text such as .nii.gz or .png.")
    stated = content.get("name")
    name = stated if isinstance(stated, str) and stated.strip() and not folder_name_problem(stated) else None
    description = DatasetDescription(
        name=name or path.resolve().parent.name or "own",
        channels=channels,
        labels=labels,
        regions=regions,
        regions_class_order=order,
    )
    return DatasetJson(path, description, ending, _pairs(path, content))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = read_strict(path.read_text(encoding="utf-8-sig").encode())
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; give the folder that holds {FILE}, imagesTr/ and labelsTr/ ({_DOCUMENTED}), or a"
            " table of paths (a CSV file)."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read: {said[:200]}; mend it, or take it again.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no keys with values; expected channel_names, labels and file_ending.")
    return content


def _channels(path: Path, content: Mapping[str, Any]) -> list[str]:
    key = "channel_names" if "channel_names" in content else "modality"
    stated = content.get(key)
    if not isinstance(stated, dict) or not stated:
        raise DataError(f'{path} has no {key} by number; expected such as "channel_names": {{"0": "CT"}}.')
    numbers = _numbered(path, key, stated)
    if sorted(numbers) != list(range(len(numbers))):
        raise DataError(
            f"{path} numbers its {key} {listed(map(str, sorted(numbers)))}; expected 0 to {len(numbers) - 1}."
        )
    names = [numbers[index] for index in range(len(numbers))]
    for name in names:
        if not isinstance(name, str) or not name or folder_name_problem(name):
            raise DataError(f"{path} has the channel {name!r} in {key}; expected a name in letters without a slash.")
    if twice := [name for name in names if names.count(name) > 1]:
        return [f"{name}-{number}" if name in twice else name for number, name in enumerate(names)]
    return names


def _labels(path: Path, content: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, list[int | str]] | None]:
    """Value of each class, and regions where they are stated."""
    stated = content.get("labels")
    if not isinstance(stated, dict) or not stated:
        raise DataError(f'{path} has no labels; expected such as "labels": {{"background": 0, "tumour": 1}}.')
    if all(isinstance(name, str) for name in stated.values()):  # of nnU-Net's first version, and the Decathlon
        stated = {str(name): value for value, name in _numbered(path, "labels", stated).items()}
        if len(stated) < len(content["labels"]):
            raise DataError(f"{path} has two labels of one name; give each value its own.")
    values: dict[str, list[int]] = {}
    for name, value in stated.items():
        own = value if isinstance(value, list) else [value]
        if not own or any(isinstance(each, bool) or not isinstance(each, int) for each in own):
            raise DataError(f"{path} gives the label {name} the value {value!r}; expected a whole number, or a list.")
        if wrong := [each for each in own if not 0 <= each <= LARGEST_LABEL]:
            raise DataError(f"{path} gives the label {name} the value {wrong[0]}; expected 0 to {LARGEST_LABEL}.")
        if name == "ignore":
            raise DataError(
                f"{path} has the label ignore, of voxels that nobody has labelled; every voxel counts here, so leave"
                " out such cases."
            )
        if 0 in own and len(own) > 1:
            raise DataError(f"{path} makes the region {name} of background and others; leave 0 out of it.")
        values[name] = own
    foreground = {name: own for name, own in values.items() if own != [0]}
    if not foreground:
        raise DataError(f"{path} has no labels beside background; expected at least one class with its value.")
    if all(len(own) == 1 for own in foreground.values()) and "regions_class_order" not in content:
        return {name: own[0] for name, own in foreground.items()}, None
    every = sorted({value for own in foreground.values() for value in own})
    regions: dict[str, list[int | str]] = {name: [*own] for name, own in foreground.items()}
    return {f"label {value}": value for value in every}, regions


def _order(path: Path, content: Mapping[str, Any], regions: Mapping[str, list[int | str]] | None) -> list[int] | None:
    order = content.get("regions_class_order")
    if order is None or regions is None:
        return None
    if not isinstance(order, list) or any(isinstance(each, bool) or not isinstance(each, int) for each in order):
        raise DataError(f"{path} has {order!r} as regions_class_order; expected whole numbers, such as [1, 2, 3].")
    if len(order) != len(regions):
        raise DataError(
            f"{path} has {len(order)} numbers in regions_class_order and {len(regions)} regions"
            f" ({', '.join(regions)}); expected one for each."
        )
    return order


def _pairs(path: Path, content: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    stated = content.get("training", [])
    try:
        pairs = tuple((pair["image"], pair["label"]) for pair in stated)
        if any(not isinstance(name, str) or not name for pair in pairs for name in pair):
            raise TypeError
    except (TypeError, KeyError):
        raise DataError(
            f'{path} does not list its training cases as {{"image": "./imagesTr/...", "label": "./labelsTr/..."}}; mend'
            " the key training."
        ) from None
    return pairs


def _numbered(path: Path, key: str, stated: Mapping[str, Any]) -> dict[int, Any]:
    """A block whose keys are numbers, each stated in the one way in which no other key states it too."""
    for number in stated:
        if not re.fullmatch("0|[1-9][0-9]{0,8}", number):
            raise DataError(f"{path} has {number[:40]!r} among its {key}, which is no number from 0.")
    return {int(number): value for number, value in stated.items()}


Kind = Literal["pictures", "volumes"]

PICTURE_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")
VOLUME_ENDINGS = (".nii.gz", ".nii")


def endings_of(kind: Kind) -> tuple[str, ...]:
    """Endings of files of pictures, or of volumes."""
    return PICTURE_ENDINGS if kind == "pictures" else VOLUME_ENDINGS


def check_ending(where: str, ending: str, kind: Kind) -> None:
    """Check that files that end so are of the kind that is read.

    Raises:
        DataError: They are of the other, or of none.
    """
    wanted = endings_of(kind)
    if ending.lower() in wanted:
        return
    if ending.lower() in endings_of("volumes" if kind == "pictures" else "pictures"):
        other = "volumes" if kind == "pictures" else "pictures"
        raise DataError(f"{where} has files that end in {ending}, which are {other}; take tasks/own_{other}.yaml.")
    raise DataError(f"{where} has files that end in {ending!r}; expected {', '.join(wanted)}, so convert them.")
