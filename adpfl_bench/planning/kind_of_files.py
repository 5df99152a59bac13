"""Kind of the files of a dataset of one's own: pictures or volumes, by how their names end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.data.csv_table import read_table
from adpfl_bench.data.scanning import list_files, recognise_datasets
from adpfl_bench.datasets.catalogue import DATASETS
from adpfl_bench.datasets.own.dataset_json import FILE, Kind, endings_of, read_dataset_json
from adpfl_bench.datasets.own.own_survey import is_table
from adpfl_bench.errors import DataError
from adpfl_bench.text import listed

_DECATHLON = DATASETS["msd"].datamodule


def kind_of_files(root: Path, columns: Sequence[str] | None = None) -> Kind:
    """Say whether a folder, or a table of paths, holds pictures or volumes.

    Args:
        root: The folder or the table.
        columns: Of a table's images, where they have no usual names.

    Raises:
        DataError: It is not there, holds neither, or both.
    """
    if not root.exists():
        raise DataError(f"{root} does not exist; give a folder with {FILE}, imagesTr/ and labelsTr/, or a CSV file.")
    if is_table(root):
        where, names = str(root), _images_of(root, columns)
    elif root.is_file():
        raise DataError(f"{root} is no CSV file; give a folder with {FILE}, imagesTr/ and labelsTr/, or a CSV file.")
    else:
        _refuse_known(root)
        stated = read_dataset_json(root / FILE).ending
        images = root / "imagesTr"
        if not stated and not images.is_dir():
            raise DataError(f"{root} has no folder imagesTr; expected imagesTr/ and labelsTr/ beside {FILE}.")
        where, names = str(images), [stated] if stated else list_files(images)
    kinds: tuple[Kind, Kind] = ("pictures", "volumes")
    found: list[Kind] = [kind for kind in kinds if any(name.lower().endswith(endings_of(kind)) for name in names)]
    if len(found) == 1:
        return found[0]
    known = ", ".join((*endings_of("pictures"), *endings_of("volumes")))
    what = "pictures and volumes" if found else f"no file that is read, but {listed(names[:3]) or 'nothing'}"
    raise DataError(f"{where} names {what}; expected files of one kind, which end in one of {known}.")


def _images_of(table: Path, columns: Sequence[str] | None) -> list[str]:
    """Cells of the columns that hold images, or of all where none is called so."""
    rows = read_table(table, [], "The table of paths")
    there = list(rows[0].values) if rows else []
    usual = [name for name in there if name == "image" or name.startswith("image_")]
    chosen = [name for name in columns or usual if name in there] or there
    return [row.values[name].strip() for row in rows for name in chosen]


def _refuse_known(root: Path) -> None:
    """Refuse a dataset of the suite, whose settings are published with it."""
    if (root / FILE).exists():
        return
    for dataset in DATASETS.values():
        if dataset.datamodule == _DECATHLON:  # laid out as data of one's own are
            continue
        if found := recognise_datasets(root, [dataset]):
            name, evidence = next(iter(found.items()))
            raise DataError(
                f"{root} looks like {name} (it holds {listed([evidence])}), which has a task file already: adpfl-bench"
                f" fit --config tasks/{dataset.task}.yaml --data.root {root}."
            )
