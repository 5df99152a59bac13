"""Good inputs, made once and copied for each trial: small phantoms in the datasets' own layouts, and runs on them."""

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from filelock import FileLock

from adpfl_bench.cli import main
from adpfl_bench.config.yaml_text import dump_yaml
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.data.partitioning.partition_file import write_partition
from adpfl_bench.data.partitioning.split import Split, make_clients
from adpfl_bench.datasets.catalogue import find_writer
from adpfl_bench.datasets.isic import survey_isic
from adpfl_bench.phantoms.cohort import write_phantom
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.noise_key import state_digest
from adpfl_bench.running.model_source import ExportedModel, description_of, weights_of
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from tests.leaderboard.records import toy_runs, write_examples, write_rounds
from tests.own_layouts import decathlon, pictures, rows_of, table, volumes
from tests.privacy.accounts import RELEASE, asked

_SIZES = {
    "isic": (32, 40),
    "ham10000": (32, 40),
    "lgg": (8, 32, 32),
    "brats2021": (20, 20, 16),
    "msd_brain": (20, 20, 16),
    "kits": (16, 32, 32),
}
_CASES = 3
_PLACE = "PLACE-OF-THE-RUN"


class GoodInputs(Mapping[str, Path]):
    """Folders of good inputs by name, each made when it is first asked for, once for all processes.

    Args:
        folder: Where they are made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._made: dict[str, Path] = {}

    def __getitem__(self, name: str) -> Path:
        if name not in self._made:
            path = self._folder / name
            with FileLock(self._folder / f"{name}.lock"):
                if not path.is_dir():
                    partial = self._folder / "partial" / name
                    MAKERS[name](partial)
                    partial.rename(path)
            self._made[name] = path
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MAKERS)

    def __len__(self) -> int:
        return len(MAKERS)


def _phantom(name: str) -> Callable[[Path], object]:
    return lambda path: write_phantom(find_writer(name), path, _CASES, 0, _SIZES[name])


def _partitioned(path: Path) -> None:
    """Eight photographs, and a partition file of them for two clients."""
    write_phantom(find_writer("isic"), path, 8, 0, _SIZES["isic"])
    cases = survey_isic(path).complete("")
    write_partition(path / "partition.csv", make_clients(cases, IIDPartition(2), Split(0.25, 0.25), seed=0))


def _own_table(path: Path) -> None:
    """A table of pictures with all the columns that have a meaning."""
    pictures(path / "files", _CASES)
    names = [f"p{index}" for index in range(_CASES)]
    rows = rows_of(path / "files", path, patient=names, site=["a"], split=["train", "train", "test"])
    table(path / "own.csv", rows)


def _own_decathlon(path: Path) -> None:
    """Volumes of two channels in one file."""
    source = volumes(path.with_name("source"), _CASES, ("t1", "flair"))
    decathlon(path, source)
    for mask in (path / "labelsTr").iterdir():
        content = mask.read_bytes()
        mask.unlink()
        mask.write_bytes(content)
    shutil.rmtree(source)


def _grid(path: Path) -> None:
    """The file of a grid of one small run."""
    path.mkdir(parents=True)
    grid = {"tasks": ["tasks/isic.yaml"], "methods": ["callbacks/fedavg.yaml"], "seeds": [0]}
    (path / "grid.yaml").write_text(dump_yaml({**grid, "configs": ["configs/smoke.yaml"], "output": "out"}))


def _configuration(path: Path) -> None:
    """A file of settings."""
    path.mkdir(parents=True)
    (path / "x.yaml").write_text(dump_yaml({"federated": {"rounds": 1}}))


def _trained(path: Path) -> None:
    """A finished run with privacy per patient, beside the words of the command that made it."""
    words = [
        *("fit", "--config", "tasks/isic.yaml", "--config", "callbacks/adp_fl_quantile.yaml"),
        *("--config", "configs/smoke.yaml", f"--data.phantom_directory={path.parents[1] / 'phantoms'}"),
        *("--data.phantom_cases=12", "--data.partition=IIDPartition", "--data.partition.clients=2"),
    ]
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
        status = main([*words, f"--trainer.default_root_dir={path / 'run'}"])
    assert status == 0, printed.getvalue()
    (path / "words.json").write_text(json.dumps(words))
    config = path / "run" / "config.yaml"
    config.write_text(config.read_text().replace(str(path), _PLACE))


def _runs(path: Path) -> None:
    """Finished runs of three methods; that of one has numbers of its rounds, and pictures of test cases."""
    toy_runs(path)
    write_rounds(path / "dp", thresholds=True)
    write_examples(path / "dp", ["a1", "b"])


def settle(root: Path) -> None:
    """Let a copy of a run state the place where it is now."""
    config = root / "run" / "config.yaml"
    if config.exists():
        config.write_text(config.read_text().replace(_PLACE, str(root)))


def _account(path: Path) -> None:
    """The account of a cohort with a run that has released, and one that may."""
    path.mkdir(parents=True)
    account = CohortAccount.create(path / "ward", 20.0, 1e-5)
    for name in ("first", "second"):
        account.reserve(asked(name, {"north": ["Ada", "Bob"]}, path / name))
    account.settle("first", {"north": {RELEASE: 3}})
    account.leave("second")


def _exported(path: Path) -> None:
    """A model as export leaves it, with weights of chance, and three photographs to segment."""
    write_phantom(find_writer("isic"), path / "cohort", _CASES, 0, _SIZES["isic"])
    (path / "new").mkdir()
    for number, photograph in enumerate(sorted((path / "cohort").rglob("*.jpg"))):
        photograph.rename(path / "new" / f"p{number}.jpg")
    shutil.rmtree(path / "cohort")
    arguments = {"network_arguments": {"channels": [4, 8], "strides": [2], "num_res_units": 0}}
    task = SkinLesionTask(**arguments)
    config = {
        "task": "isic",
        "method": "chance",
        "trainer": {"precision": None},
        "model": {"class_path": "adpfl_bench.SkinLesionTask", "init_args": arguments},
        "data": {"class_path": "adpfl_bench.ISICDataModule", "init_args": {"root": ".", "image_size": [16, 16]}},
    }
    named = {"task": "isic", "method": "chance", "seed": 0, "client": None, "release": None}
    made = ExportedModel(**named, weights=state_digest(task.state_dict()), config=config)
    for file in (weights_of(path / "bundle"), description_of(path / "bundle")):
        file.parent.mkdir(parents=True)
    torch.save(task.network.state_dict(), weights_of(path / "bundle"))
    description_of(path / "bundle").write_text(made.model_dump_json(indent=4))


MAKERS: Mapping[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.mkdir(parents=True),
    **{name: _phantom(name) for name in _SIZES},
    "to_plan": lambda path: pictures(path / "data", 5),
    "partitioned": _partitioned,
    "configuration": _configuration,
    "grid": _grid,
    "own_pictures": lambda path: pictures(path, _CASES, values=(1, 2)),
    "own_stains": lambda path: pictures(path, _CASES, channels=2),
    "own_table": _own_table,
    "own_volumes": lambda path: volumes(path, _CASES, ("t1", "flair")),
    "own_decathlon": _own_decathlon,
    "account": _account,
    "exported": _exported,
    "trained": _trained,
    "runs": _runs,
}
"""By name, what makes a good input at a path."""
