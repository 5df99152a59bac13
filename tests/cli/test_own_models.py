"""A model of one's own volumes: its cohorts in a folder and in a table score the same, and it leaves and segments."""

import csv
from pathlib import Path

from adpfl_bench.cli import main
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.tasks.regions_task import RegionsTask
from tests.cli.conftest import Run
from tests.own_layouts import decathlon, rows_of, table, volumes


def scores(folder: Path) -> dict[str, str]:
    with (folder / "cases.csv").open() as file:
        return {row["case"]: row["dice"] for row in csv.DictReader(file)}


def test_its_cohorts_and_new_patients_come_in_several_layouts(adpfl_bench: Run) -> None:
    """A table says neither what its channels are nor what its values mean; a 4-D file has them in their order."""
    here = Path.cwd()
    root = volumes(here / "raw", number=16, channels=("T1", "FLAIR"))
    fit = ("fit", "--federated.rounds", "1", "--score", "false", "--data.root", str(root))
    assert adpfl_bench(*fit, task="own_volumes") == 0
    run = Path("runs/own_volumes/fedavg/seed0")
    for asked in (RegionsTask, FederatedTask):
        assert type(asked.load_from_checkpoint(run / "checkpoints/last.ckpt")) is RegionsTask
    cohort = table(here / "rows.csv", rows_of(root, here))
    assert main(["evaluate", str(run), "--cohort", "folder=raw", "--cohort", f"table={cohort}"]) == 0
    assert len(scores(run / "cohorts/folder")) == 16
    assert scores(run / "cohorts/folder") == scores(run / "cohorts/table")

    assert main(["segment", str(run), "raw/imagesTr", "--output", "out"]) == 0
    assert main(["export", str(run), "--output", "bundle"]) == 0
    assert main(["segment", "bundle", "raw/imagesTr", "--output", "again"]) == 0
    masks = {path.name: path.read_bytes() for path in Path("out").glob("*.nii.gz")}
    assert len(masks) == 16
    assert main(["segment", "bundle", str(decathlon(here / "4d", root) / "imagesTr"), "--output", "together"]) == 0
    assert masks == {path.name: path.read_bytes() for path in Path("together").glob("*.nii.gz")}
    assert masks == {path.name: path.read_bytes() for path in Path("again").glob("*.nii.gz")}
